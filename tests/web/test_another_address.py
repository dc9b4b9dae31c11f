"""Another address for a reader: both are asked, either can refuse, and nothing is lost on the way."""

import re

import pytest
from starlette.testclient import TestClient

from connector import tracing
from connector.database import Database
from connector.delivery import mailings
from connector.errors import NotFound, Refused
from connector.membership import complimentary
from connector.readers import importing, links, preferences, signup, store
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from tests.conftest import People
from tests.web.conftest import Clock
from tests.web.looking import context, dump, own, template
from tests.web.test_signing_in import enter

NEW = "ada@example.net"
LINK = re.compile(r"https://letters\.example\.org(/account/email/\S+)")


def letters_to(db: Database, email: str, about: str) -> list[str]:
    with db.read() as connection:
        rows = connection.rows(
            "SELECT letters.text FROM deliveries "
            "JOIN letters ON letters.id = deliveries.letter_id "
            "JOIN mailings ON mailings.id = deliveries.mailing_id "
            "WHERE deliveries.address_key = :key AND mailings.about = :about ORDER BY deliveries.id",
            key=email,
            about=about,
        )
    return [text for (text,) in rows]


def link_to(db: Database, email: str) -> str:
    found = LINK.search(letters_to(db, email, "moving")[-1])
    assert found
    return found[1]


def yes(client: TestClient, link: str) -> str:
    return client.post(link, data={"answer": "yes"}).text


def find(db: Database, subscriber: Subscriber) -> Subscriber:
    return preferences.find(db, subscriber.id)


@pytest.fixture
def asked(client: TestClient, db: Database, people: People) -> tuple[str, str]:
    """Ada, signed in, has asked for another address; the links at the old and at the new one."""
    enter(client, db, people.ada.email)
    response = client.post("/account/email", data={"email": "Ada@Example.net"})
    assert response.headers["location"] == "/account?said=moving"
    return link_to(db, people.ada.email), link_to(db, NEW)


@pytest.fixture
def moved(client: TestClient, asked: tuple[str, str]) -> None:
    """Both have agreed: Ada reads at the new address."""
    for link in asked:
        yes(client, link)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_address_changes_once_both_have_agreed(
    client: TestClient,
    db: Database,
    people: People,
    asked: tuple[str, str],
    *,
    order: tuple[int, int],
) -> None:
    first, second = (asked[side] for side in order)

    yes(client, first)
    between = find(db, people.ada).email
    done = yes(client, second)

    assert between == "ada@example.org"
    assert "That is your address now" in done
    assert find(db, people.ada).email == "Ada@example.net"
    assert find(db, people.ada).email_key == NEW


def test_looking_at_a_link_changes_nothing(
    client: TestClient, db: Database, people: People, asked: tuple[str, str]
) -> None:
    before = dump(db)

    pages = [client.get(link) for link in asked] + [client.head(link) for link in asked]

    assert [page.status_code for page in pages] == [200] * 4
    assert template(pages[0]) == "pages/moving.html"
    assert dump(db) == before


def test_the_new_address_never_learns_the_old_one(
    client: TestClient, db: Database, people: People, asked: tuple[str, str], configured: Settings
) -> None:
    _, new = asked
    client.cookies.clear()

    shown = client.get(new).text

    assert "ada@example.org" not in shown
    assert "ada@example.org" not in letters_to(db, NEW, "moving")[0]
    assert "example.net" not in letters_to(db, people.ada.email, "moving")[0]


@pytest.mark.parametrize("side", [0, 1])
def test_either_address_can_refuse(
    client: TestClient, db: Database, people: People, asked: tuple[str, str], *, side: int
) -> None:
    yes(client, asked[1 - side])

    refused = client.post(asked[side], data={"answer": "no"})
    again = client.post(asked[side], data={"answer": "no"})
    late = [client.post(link, data={"answer": "yes"}).status_code for link in asked]

    assert "Nothing has changed" in refused.text
    assert again.status_code == 200
    assert late == [404, 404]
    assert find(db, people.ada) == people.ada


def test_one_address_alone_changes_nothing_however_often_it_agrees(
    client: TestClient, db: Database, people: People, asked: tuple[str, str]
) -> None:
    for _ in range(3):
        yes(client, asked[1])

    assert find(db, people.ada) == people.ada
    assert "This address has agreed" in client.get(asked[1]).text


def test_a_change_that_nobody_answers_is_over_after_a_week(
    client: TestClient,
    db: Database,
    people: People,
    asked: tuple[str, str],
    turned: Clock,
    *,
    now: int,
) -> None:
    yes(client, asked[0])
    turned.now = now + links.AGE + 1

    late = client.post(asked[1], data={"answer": "yes"})

    assert late.status_code == 404
    assert find(db, people.ada) == people.ada
    assert context(client.get("/account"))["change"] is None


def test_who_asked_can_keep_the_address_after_all(
    client: TestClient, db: Database, people: People, asked: tuple[str, str]
) -> None:
    waiting = client.get("/account")

    client.post("/account/email/stay")

    assert "Keep ada@example.org" in waiting.text
    assert context(client.get("/account"))["change"] is None
    assert client.get(asked[1]).status_code == 404


def test_a_second_wish_takes_the_place_of_the_first(
    client: TestClient, db: Database, people: People, asked: tuple[str, str]
) -> None:
    client.post("/account/email", data={"email": "ada@example.com"})

    yes(client, link_to(db, people.ada.email))
    yes(client, asked[1])
    before = find(db, people.ada).email
    yes(client, link_to(db, "ada@example.com"))

    assert before == people.ada.email
    assert find(db, people.ada).email == "ada@example.com"


@pytest.mark.parametrize("other", ["bea@example.org", "cas@example.org"])
def test_an_address_on_the_list_hears_of_it_and_nobody_else_does(
    client: TestClient, db: Database, people: People, asked: tuple[str, str], *, other: str
) -> None:
    free = client.get("/account").text.replace("Ada@example.net", "")

    answer = client.post("/account/email", data={"email": other})
    taken = client.get("/account").text.replace(other, "")
    yes(client, link_to(db, people.ada.email))

    assert answer.headers["location"] == "/account?said=moving"
    assert taken == free
    assert letters_to(db, other, "moving") == []
    assert "on the list already" in letters_to(db, other, "taken")[0]
    assert find(db, people.ada) == people.ada


def test_an_address_taken_meanwhile_stays_with_who_took_it(
    client: TestClient,
    db: Database,
    people: People,
    asked: tuple[str, str],
    configured: Settings,
    *,
    now: int,
) -> None:
    signup.add(db, configured, email=NEW, now=now)

    yes(client, asked[0])
    late = client.post(asked[1], data={"answer": "yes"})

    assert late.status_code == 409
    assert find(db, people.ada) == people.ada


def test_an_address_that_asked_and_never_confirmed_is_no_hindrance(
    client: TestClient, db: Database, people: People, asked: tuple[str, str]
) -> None:
    client.post("/subscribe", data={"email": NEW})

    for link in asked:
        yes(client, link)

    assert find(db, people.ada).email_key == NEW


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@example.org", "", "ada", "a@b@c"])
def test_what_is_no_other_address_is_said_at_the_field(
    client: TestClient, db: Database, people: People, email: str
) -> None:
    enter(client, db, people.ada.email)

    response = client.post("/account/email", data={"email": email})

    assert response.status_code == 422
    assert "email" in context(response)["form"].errors


def test_only_who_is_signed_in_can_ask(client: TestClient, db: Database, people: People) -> None:
    before = dump(db)

    answers = [
        client.post(path, data={"email": NEW}).headers["location"]
        for path in ("/account/email", "/account/email/stay", "/account/letters")
    ]

    assert answers == ["/signin?next=/account"] * 3
    assert dump(db) == before


@pytest.mark.usefixtures("moved")
def test_after_the_change_nobody_is_signed_in_any_more(
    client: TestClient, db: Database, people: People
) -> None:
    assert client.get("/account").status_code == 303
    assert enter(client, db, NEW).headers["location"] == "/account"


def test_everything_comes_along(
    client: TestClient, db: Database, people: People, configured: Settings, *, now: int
) -> None:
    enter(client, db, people.bea.email)
    client.post("/account/email", data={"email": NEW})
    for email in (people.bea.email, NEW):
        yes(client, link_to(db, email))

    data = preferences.export(db, people.bea.id)

    with db.read() as connection:
        assert complimentary.is_member(connection, people.bea.id, now)
    assert client.get(own(configured, people.bea.id)).status_code == 200
    assert data["former_addresses"][0]["email"] == "bea@example.org"
    assert {letter["about"] for letter in data["letters"]} == {"signin", "moving"}
    assert data["consents"][-1]["what"] == "moved"


def test_whoever_moves_is_written_to_at_the_new_address_again(
    client: TestClient, db: Database, people: People, asked: tuple[str, str], *, now: int
) -> None:
    with db.write() as tx:
        mailings.suppress(tx, NEW, why="bounced", detail="", now=now)

    for link in asked:
        yes(client, link)

    with db.read() as connection:
        assert mailings.suppression(connection, NEW) is None


@pytest.mark.usefixtures("moved")
def test_erasing_forgets_every_address_they_had(
    db: Database,
    people: People,
    configured: Settings,
    *,
    now: int,
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    kept = "\n".join(dump(db)).casefold()
    assert "ada@" not in kept
    with pytest.raises(NotFound):
        preferences.find(db, people.ada.id)


def test_erasing_forgets_the_address_they_wished_for(
    db: Database, people: People, asked: tuple[str, str], configured: Settings, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    assert "ada@" not in "\n".join(dump(db)).casefold()


@pytest.mark.usefixtures("moved")
def test_an_address_given_up_is_free_for_somebody_else(
    client: TestClient,
    db: Database,
    people: People,
    configured: Settings,
    *,
    now: int,
) -> None:
    client.post("/subscribe", data={"email": "ada@example.org"})
    with db.write() as tx:
        other = store.by_key(tx, "ada@example.org")
        assert other
        mailings.suppress(tx, other.email_key, why="complained", detail="", now=now)

    preferences.erase(db, configured, people.ada.id, now)

    with db.read() as connection:
        assert store.by_key(connection, "ada@example.org") == other
        assert mailings.suppression(connection, other.email_key) is not None


@pytest.mark.usefixtures("moved")
def test_no_old_list_brings_the_old_address_back(
    db: Database,
    people: People,
    configured: Settings,
    *,
    now: int,
) -> None:
    listed = configured.root / "old.csv"
    listed.write_text("email\nada@example.org\neva@example.org\n", encoding="utf-8")

    report = importing.bring(db, configured, listed, now=now)

    assert (report.added, report.known) == (1, 1)
    with pytest.raises(Refused, match=r"reads at Ada@example\.net now"):
        signup.add(db, configured, email="ada@example.org", now=now)
    told = tracing.trace(db, configured, "ada@example.org", now=now)
    assert told.standing == "Moved, and reads at Ada@example.net now."


@pytest.mark.usefixtures("moved")
def test_who_wants_the_old_address_back_too_signs_up_there(
    client: TestClient, db: Database, people: People
) -> None:
    client.post("/subscribe", data={"email": "ada@example.org"})

    assert letters_to(db, "ada@example.org", "confirm") != []


def test_a_forged_link_decides_nothing(
    client: TestClient,
    db: Database,
    people: People,
    asked: tuple[str, str],
    configured: Settings,
    *,
    now: int,
) -> None:
    before = dump(db)
    other = configured.keys.sign_at("signin", "1", now=now)

    answers = {
        client.post(link, data={"answer": word}).status_code
        for link in (f"{asked[0][:-1]}~", "/account/email/1", f"/account/email/{other}")
        for word in ("yes", "no")
    }

    assert answers == {404}
    assert dump(db) == before
