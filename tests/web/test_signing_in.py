"""Signing in: a letter with a link and a code, either once; who is signed in, and who is not."""

import re
from collections.abc import Callable

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from connector.clock import DAY, MINUTE
from connector.database import Database
from connector.readers import sessions, signin
from connector.settings import Settings
from connector.web.app import create_app
from tests.conftest import People
from tests.web.conftest import Clock, Publish
from tests.web.looking import context, dump, own, template

COOKIE = "__Host-reader"
LINK = re.compile(r"https://letters\.example\.org(/signin/\S+)")
CODE = re.compile(r"^(\d{6})$", re.MULTILINE)
BLOCKS = "\n::: ask\nWould you pay?\n:::\n\n::: thanks\nYou pay for this.\n:::\n"


def ask(client: TestClient, email: str = "ada@example.org", goes_to: str = "") -> Response:
    return client.post("/signin", data={"email": email, "next": goes_to})


def letters(db: Database) -> list[str]:
    with db.read() as connection:
        rows = connection.rows(
            "SELECT letters.text FROM letters JOIN mailings ON mailings.id = letters.mailing_id "
            "WHERE mailings.about = 'signin' ORDER BY letters.id"
        )
    return [text for (text,) in rows]


def code_in(letter: str) -> str:
    found = CODE.search(letter)
    assert found
    return found[1]


def link_in(letter: str) -> str:
    found = LINK.search(letter)
    assert found
    return found[1]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def enter(client: TestClient, db: Database, email: str, goes_to: str = "") -> Response:
    """Sign in by the code, as it is on the way most of the time."""
    ask(client, email, goes_to)
    return client.post("/signin/code", data={"code": code_in(letters(db)[-1])})


@pytest.fixture
def another(configured: Settings, db: Database) -> Callable[[], TestClient]:
    """Another browser, with cookies of its own."""

    def browser() -> TestClient:
        url = configured.publication.url
        return TestClient(create_app(configured, db), base_url=url, follow_redirects=False)

    return browser


# The letter and the code


def test_a_code_from_the_letter_signs_in(client: TestClient, db: Database, people: People) -> None:
    asked = ask(client)
    page = client.get("/signin/code")

    entered = client.post("/signin/code", data={"code": code_in(letters(db)[0])})

    assert asked.headers["location"] == "/signin/code"
    assert template(page) == "pages/code.html"
    assert entered.status_code == 303
    assert entered.headers["location"] == "/account"
    assert people.ada.email in client.get("/account").text


@pytest.mark.parametrize("typed", ["{0}{1} {2}", " {0}-{1}{2} "])
def test_a_code_may_be_typed_in_groups(
    client: TestClient, db: Database, people: People, typed: str
) -> None:
    ask(client)
    code = code_in(letters(db)[0])

    entered = client.post(
        "/signin/code", data={"code": typed.format(code[:2], code[2:3], code[3:])}
    )

    assert entered.status_code == 303


def test_the_link_shows_a_button_and_the_button_signs_in(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    ask(client)
    link = link_in(letters(db)[0])
    before = dump(db)

    phone = another()
    shown = phone.get(link), phone.head(link)
    untouched = dump(db)
    pressed = phone.post(link)

    assert people.ada.email in shown[0].text
    assert "set-cookie" not in shown[0].headers
    assert shown[0].headers["referrer-policy"] == "no-referrer"
    assert untouched == before
    assert pressed.headers["location"] == "/account"
    assert phone.get("/account").status_code == 200
    assert client.get("/account").status_code == 303


def test_either_works_and_then_neither(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    ask(client)
    link, code = link_in(letters(db)[0]), code_in(letters(db)[0])
    client.post("/signin/code", data={"code": code})

    again = client.post("/signin/code", data={"code": code})
    elsewhere = another()
    shown, pressed = elsewhere.get(link), elsewhere.post(link)

    assert [again.status_code, shown.status_code, pressed.status_code] == [303, 410, 410]
    assert again.headers["location"] == "/signin"
    assert "used already" in pressed.text
    assert COOKIE not in elsewhere.cookies


def test_a_second_click_on_the_button_is_harmless(
    client: TestClient, db: Database, people: People
) -> None:
    ask(client)
    link = link_in(letters(db)[0])
    client.post(link)

    again = client.post(link)

    assert again.headers["location"] == "/account"


def test_an_old_letter_signs_nobody_in(
    client: TestClient, db: Database, people: People, turned: Clock, now: int
) -> None:
    ask(client)
    link, code = link_in(letters(db)[0]), code_in(letters(db)[0])
    turned.now = now + signin.AGE + 1

    answers = (
        client.get(link),
        client.post(link),
        client.post("/signin/code", data={"code": code}),
    )

    assert [answer.status_code for answer in answers] == [410, 410, 410]
    assert template(answers[0]) == "pages/signin.html"
    assert COOKIE not in client.cookies


def test_a_wrong_code_is_refused_and_the_right_one_still_works(
    client: TestClient, db: Database, people: People
) -> None:
    ask(client)
    code = code_in(letters(db)[0])

    refused = client.post("/signin/code", data={"code": wrong(code)})
    entered = client.post("/signin/code", data={"code": code})

    assert refused.status_code == 422
    assert context(refused)["form"].errors["code"] == signin.WRONG
    assert entered.status_code == 303


def test_nobody_guesses_more_than_five_times(
    client: TestClient, db: Database, people: People
) -> None:
    ask(client)
    code = code_in(letters(db)[0])

    guesses = [client.post("/signin/code", data={"code": wrong(code)}) for _ in range(5)]
    right = client.post("/signin/code", data={"code": code})

    assert [guess.status_code for guess in guesses] == [422, 422, 422, 422, 410]
    assert right.headers["location"] == "/signin"
    assert COOKIE not in client.cookies


def test_what_is_no_code_costs_no_guess(client: TestClient, db: Database, people: People) -> None:
    ask(client)

    answers = [
        client.post("/signin/code", data={"code": typed})
        for typed in ("", "12345", "1234567", "12345a", "123456;")
    ]

    assert {answer.status_code for answer in answers} == {422}
    with db.read() as connection:
        assert connection.value("SELECT guesses FROM signins") == 0


def test_a_code_opens_nothing_in_a_browser_that_did_not_ask(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    ask(client)
    elsewhere = another()

    typed = elsewhere.post("/signin/code", data={"code": code_in(letters(db)[0])})

    assert elsewhere.get("/signin/code").headers["location"] == "/signin"
    assert typed.headers["location"] == "/signin"
    assert COOKIE not in elsewhere.cookies


# Who is on the list


def test_the_answer_is_the_same_for_who_is_not_on_the_list(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    stranger = another()

    known, unknown = ask(client), ask(stranger, "nobody@example.org")
    guesses = [
        (
            client.post("/signin/code", data={"code": "000000"}).status_code,
            stranger.post("/signin/code", data={"code": "000000"}).status_code,
        )
        for _ in range(6)
    ]

    assert known.status_code == unknown.status_code
    assert known.headers["location"] == unknown.headers["location"]
    assert client.get("/signin/code").status_code == 303
    assert guesses == [(one, one) for one, _ in guesses]
    assert len(letters(db)) == 1


@pytest.mark.parametrize("who", ["cas", "dan", "pia"])
def test_whoever_reads_at_an_address_may_sign_in(
    client: TestClient, db: Database, people: People, who: str
) -> None:
    client.post("/subscribe", data={"email": "pia@example.org"})

    entered = enter(client, db, f"{who}@example.org")

    assert entered.headers["location"] == "/account"
    assert f"{who}@example.org" in client.get("/account").text


def test_an_address_gets_only_so_many_letters_a_day(
    client: TestClient,
    db: Database,
    people: People,
    configured: Settings,
    turned: Clock,
    *,
    now: int,
) -> None:
    most = configured.limits.signins_per_address

    answers = {ask(client).status_code for _ in range(most + 3)}
    sent = len(letters(db))
    turned.now = now + DAY + MINUTE
    ask(client)

    assert answers == {303}
    assert sent == most
    assert len(letters(db)) == most + 1


def test_a_client_asks_only_so_often_an_hour(
    client: TestClient, db: Database, people: People, configured: Settings
) -> None:
    most = configured.limits.signins_per_client
    for number in range(most):
        ask(client, f"reader{number}@example.org")

    refused = ask(client)

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == 3600
    assert letters(db) == []


def test_neither_code_nor_link_nor_cookie_is_kept(
    client: TestClient, db: Database, people: People
) -> None:
    enter(client, db, "ada@example.org")
    code, link = code_in(letters(db)[0]), link_in(letters(db)[0])
    with db.write() as tx:
        tx.run("UPDATE letters SET text = '', html = ''")

    kept = "\n".join(dump(db))

    assert code not in kept
    assert link.rpartition("/")[2] not in kept
    assert client.cookies[COOKIE] not in kept


# Where they go


def test_they_come_to_where_they_wanted_to_go(
    client: TestClient, db: Database, people: People
) -> None:
    form = client.get("/signin?next=/account%3Fsaid%3Dletters")

    entered = enter(client, db, "ada@example.org", context(form)["form"].goes_to)

    assert entered.headers["location"] == "/account?said=letters"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example\t",
        "javascript:alert(1)",
        "evil",
        "",
        "/signin",
        "/p/\r\nSet-Cookie: a=b",
    ],
)
def test_signing_in_never_leads_to_another_site(
    client: TestClient, db: Database, people: People, elsewhere: str
) -> None:
    form = client.get("/signin", params={"next": elsewhere})

    entered = enter(client, db, "ada@example.org", elsewhere)

    assert context(form)["form"].goes_to == "/account" or elsewhere.startswith("/%09")
    location = entered.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "evil" not in location or location == "/%09/evil.example"


def test_who_is_not_signed_in_is_sent_to_the_door_and_back(client: TestClient) -> None:
    response = client.get("/account?said=letters")

    assert response.status_code == 303
    assert response.headers["location"] == "/signin?next=/account%3Fsaid%3Dletters"


def test_who_is_signed_in_needs_no_door(client: TestClient, db: Database, people: People) -> None:
    enter(client, db, "ada@example.org")

    response = client.get("/signin?next=/about")

    assert response.headers["location"] == "/about"


# The cookie


def test_the_cookie_is_for_this_site_alone(
    client: TestClient, db: Database, people: People
) -> None:
    entered = enter(client, db, "ada@example.org")

    (cookie,) = [
        one for one in entered.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}=")
    ]

    for word in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
        assert word in cookie
    assert "domain" not in cookie.lower()


def test_confirming_signs_in(client: TestClient, db: Database, people: People) -> None:
    client.post("/subscribe", data={"email": "eva@example.org"})
    with db.read() as connection:
        text = connection.value("SELECT text FROM letters")
    link = re.search(r"https://letters\.example\.org(/confirm/\S+)", text)
    assert link

    client.post(link[1])

    assert "eva@example.org" in client.get("/account").text


def test_who_signs_in_takes_the_place_of_who_was(
    client: TestClient, db: Database, people: People
) -> None:
    enter(client, db, "ada@example.org")
    client.post("/signin", data={"email": "bea@example.org"})

    client.post(link_in(letters(db)[-1]))

    assert "bea@example.org" in client.get("/account").text
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM sessions") == 1


def test_a_made_up_cookie_is_nobodys(client: TestClient, people: People) -> None:
    client.cookies.set(COOKIE, "1", domain="letters.example.org")

    response = client.get("/account")

    assert response.status_code == 303
    assert "Max-Age=0" in response.headers["set-cookie"]


def test_a_session_ends_sixty_days_after_the_last_visit(
    client: TestClient, db: Database, people: People, turned: Clock, now: int
) -> None:
    enter(client, db, "ada@example.org")

    turned.now = now + 50 * DAY
    first = client.get("/account").status_code
    turned.now += 50 * DAY
    second = client.get("/account").status_code
    turned.now += sessions.LASTS
    third = client.get("/account").status_code

    assert [first, second, third] == [200, 200, 303]


def test_another_site_signs_nobody_in_or_out(
    client: TestClient, db: Database, people: People
) -> None:
    enter(client, db, "ada@example.org")
    ask(client)
    posts = ("/signin", "/signin/code", link_in(letters(db)[-1]), "/signout", "/signout/everywhere")
    before = dump(db)

    answers = {
        client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code for path in posts
    }

    assert answers == {403}
    assert dump(db) == before


# Signing out


def test_signing_out_ends_this_browser_and_no_other(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    phone = another()
    enter(client, db, "ada@example.org")
    enter(phone, db, "ada@example.org")
    word = client.cookies[COOKIE]

    out = client.post("/signout")
    client.cookies.set(COOKIE, word, domain="letters.example.org")

    assert out.headers["location"] == "/"
    assert client.get("/account").status_code == 303
    assert phone.get("/account").status_code == 200


def test_signing_out_everywhere_ends_every_browser_and_letter(
    client: TestClient, db: Database, people: People, another: Callable[[], TestClient]
) -> None:
    phone, stranger = another(), another()
    enter(client, db, "ada@example.org")
    enter(phone, db, "ada@example.org")
    enter(stranger, db, "bea@example.org")
    ask(client)

    client.post("/signout/everywhere")

    assert client.get("/account").status_code == 303
    assert phone.get("/account").status_code == 303
    assert phone.post(link_in(letters(db)[-1])).status_code == 404
    assert stranger.get("/account").status_code == 200


def test_erasing_signs_out_everywhere(
    client: TestClient,
    db: Database,
    people: People,
    configured: Settings,
    another: Callable[[], TestClient],
) -> None:
    phone = another()
    enter(client, db, "ada@example.org")
    enter(phone, db, "ada@example.org")

    client.post(f"{own(configured, people.ada.id)}/erase")

    assert COOKIE not in client.cookies
    assert "Account" not in client.get("/goodbye").text
    assert phone.get("/account").status_code == 303
    assert client.get("/account").status_code == 303
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM sessions") == 0


# What they read


def test_a_member_is_thanked_and_never_asked(
    client: TestClient, db: Database, people: People, publish: Publish
) -> None:
    path = publish(text=BLOCKS)
    enter(client, db, "bea@example.org")

    response = client.get(path)

    assert "You pay for this." in response.text
    assert "Would you pay?" not in response.text
    assert response.headers["cache-control"] == "private, no-store"
    assert "cookie" in response.headers["vary"].lower()


def test_a_reader_who_does_not_pay_reads_what_everybody_reads(
    client: TestClient, db: Database, people: People, publish: Publish
) -> None:
    path = publish(text=BLOCKS)
    enter(client, db, "ada@example.org")

    response = client.get(path)

    assert "Would you pay?" in response.text
    assert "You pay for this." not in response.text
    assert "Account" in response.text


def test_what_a_member_read_is_shown_to_nobody_else(
    client: TestClient, db: Database, people: People, publish: Publish
) -> None:
    path = publish(text=BLOCKS)
    enter(client, db, "bea@example.org")
    for page in (path, "/", "/archive", "/about", "/feed"):
        client.get(page)
    client.post("/signout")

    for page in (path, "/", "/archive", "/about"):
        response = client.get(page)

        assert response.headers["cache-control"] == "public, max-age=0, must-revalidate"
        assert "Account" not in response.text
        assert "Sign in" in response.text
        assert "You pay for this." not in response.text


def test_a_member_is_not_answered_from_memory(
    client: TestClient,
    db: Database,
    people: People,
    publish: Publish,
    another: Callable[[], TestClient],
) -> None:
    path = publish(text=BLOCKS)
    etag = client.get(path).headers["etag"]
    enter(client, db, "bea@example.org")

    response = client.get(path, headers={"If-None-Match": etag})

    assert response.status_code == 200
    assert "You pay for this." in response.text


def test_what_is_the_same_for_everybody_comes_from_memory(
    client: TestClient, db: Database, people: People, publish: Publish
) -> None:
    publish()
    enter(client, db, "bea@example.org")

    for page in ("/feed", "/robots.txt"):
        response = client.get(page)

        assert "etag" in response.headers
        assert "cookie" not in response.headers["vary"].lower()


# The account


def test_the_account_leads_to_everything_a_letter_leads_to(
    client: TestClient, db: Database, people: People, configured: Settings
) -> None:
    enter(client, db, "ada@example.org")
    mine = own(configured, people.ada.id)

    page = client.get("/account")

    for path in (mine, f"{mine}/data", f"{mine}/erase"):
        assert f'href="{path}"' in page.text
        assert client.get(path).status_code == 200
    assert page.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("who", ["cas", "dan", "pia"])
def test_letters_begin_again_with_one_button(
    client: TestClient, db: Database, people: People, who: str
) -> None:
    client.post("/subscribe", data={"email": "pia@example.org"})
    enter(client, db, f"{who}@example.org")

    pressed = client.post("/account/letters")

    assert pressed.headers["location"] == "/account?said=letters"
    assert "Every issue comes to you." in client.get("/account").text
