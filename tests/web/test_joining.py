"""From choosing to thanks: free first, the wish in the letter, one membership whatever is pressed."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from connector.database import Database
from connector.membership import duplicates, plan, promotions, store, stripe_account
from connector.membership.billing import Promotion
from connector.membership.promotions import Offering
from connector.readers import store as readers
from connector.settings import FREE, Prices, Settings, TierSettings
from connector.till import desk
from connector.web.app import create_app
from tests.conftest import People
from tests.web.conftest import Clock
from tests.web.looking import context, dump, template
from tests.web.paying import Purse, visit

FOUNDING = "founding-month-usd-12"
OWN = "founding--usd"


@pytest.fixture
def purse(client: TestClient, db: Database, configured: Settings) -> Purse:
    return Purse(client, db, configured)


@pytest.fixture
def ada(purse: Purse, people: People) -> Purse:
    """Ada, who reads for free, is signed in."""
    purse.sign_in(people.ada)
    return purse


def members(db: Database, subscriber_id: int) -> list[tuple[str, str]]:
    with db.read() as connection:
        found = store.subscriptions_of(connection, subscriber_id, mode="till")
    return [(one.tier, one.status) for one in found]


# Choosing


def test_free_stands_first_and_is_picked(client: TestClient) -> None:
    text = client.get("/subscribe").text

    assert text.index('value="free" checked') < text.index('value="supporter-month-usd"')
    assert "$5 a month" in text
    assert "$50 a year" in text
    assert 'value="founding-year-usd-120"' in text
    assert 'name="amount-founding"' in text


def test_without_paid_tiers_nothing_speaks_of_money(configured: Settings, db: Database) -> None:
    free = replace(configured, tiers=(TierSettings(FREE, name="Free"),))
    with TestClient(create_app(free, db), base_url=free.publication.url) as client:
        pages = [client.get(path) for path in ("/subscribe", "/subscribe/sent", "/")]
        absent = [client.get(path).status_code for path in ("/tip", "/gift")]

    assert not [word for word in ("$", "pay", "Stripe", "tip") if word in pages[0].text]
    assert all(page.status_code == 200 and "pay" not in page.text for page in pages)
    assert absent == [404, 404]


def test_every_currency_has_a_page_of_prices(configured: Settings, db: Database) -> None:
    supporter = TierSettings(
        "supporter", name="Supporter", monthly="5", elsewhere=(Prices("eur", monthly="4.50"),)
    )
    ours = replace(configured, tiers=(TierSettings(FREE, name="Free"), supporter))
    with TestClient(create_app(ours, db), base_url=ours.publication.url) as client:
        own, euros, yen = (client.get(f"/subscribe{path}") for path in ("", "/eur", "/jpy"))

    assert 'href="/subscribe/eur"' in own.text
    assert "$5 a month" in own.text
    assert "€4.50 a month" in euros.text
    assert yen.status_code == 404


def test_days_of_trial_are_said(configured: Settings, db: Database) -> None:
    supporter = TierSettings("supporter", name="Supporter", monthly="5", trial_days=14)
    ours = replace(configured, tiers=(TierSettings(FREE, name="Free"), supporter))
    with TestClient(create_app(ours, db), base_url=ours.publication.url) as client:
        assert "The first 14 days are free" in client.get("/subscribe").text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "I cannot read that as an amount"),
        ("0.50", "$1 is the least"),
        ("-3", "more than nothing"),
        ("twelve", "I cannot read that as an amount"),
        ("99999999", "more than a card can be charged"),
        ("1.001", "at most 2 decimals"),
    ],
)
def test_a_wrong_amount_is_one_sentence_beside_the_field(
    purse: Purse, typed: str, said: str
) -> None:
    before = dump(purse.db)

    response = purse.choose(
        OWN, email="eva@example.org", **{"amount-founding": typed, "every-founding": "year"}
    )

    assert response.status_code == 422
    assert template(response) == "pages/subscribe.html"
    assert said in context(response)["choice"].errors["amount"]
    assert 'aria-describedby="amount-founding-error"' in response.text
    assert 'value="eva@example.org"' in response.text
    assert f'value="{typed}"' in response.text
    assert 'value="year" selected' in response.text
    assert f'value="{OWN}" class="other" checked' in response.text
    assert dump(purse.db) == before


@pytest.mark.parametrize(
    "picked",
    ["supporter-week-usd", "supporter-month-eur", "gold-month-usd", "tip--usd-5", "founding-month"],
)
def test_what_no_page_offers_is_refused_with_a_sentence(purse: Purse, picked: str) -> None:
    response = purse.choose(picked, email="eva@example.org")

    assert response.status_code == 422
    assert context(response)["choice"].errors


def test_an_amount_without_its_button_changes_nothing(purse: Purse) -> None:
    response = purse.choose(FREE, email="eva@example.org", **{"amount-founding": "20"})

    assert response.headers["location"] == "/subscribe/sent"
    assert "?" not in purse.link()


# The wish travels


def test_a_wish_goes_with_the_letter_and_on_to_the_checkout(purse: Purse) -> None:
    asked = purse.choose(
        OWN, email="eva@example.org", **{"amount-founding": "12,50", "every-founding": "month"}
    )
    link = purse.link()
    shown = purse.client.get(link)
    confirmed = purse.client.post(link)

    assert asked.headers["location"] == "/subscribe/sent"
    assert link.endswith("?join=founding-month-usd-12.50")
    assert "Founding member, $12.50 a month" in shown.text
    session, (line,) = purse.session(visit(confirmed))
    assert (line["amount_total"], session["mode"]) == (1250, "subscription")
    assert purse.client.get("/account").status_code == 200  # signed in


def test_whoever_chose_nothing_is_welcomed(purse: Purse) -> None:
    purse.choose(FREE, email="eva@example.org")

    response = purse.client.post(purse.link())

    assert response.headers["location"] == "/welcome"


def test_who_thinks_better_of_it_gets_the_letters_all_the_same(purse: Purse) -> None:
    purse.choose(FOUNDING, email="eva@example.org")
    link = purse.link()
    plain = link.partition("?")[0]

    assert f'action="{plain}"' in purse.client.get(link).text
    assert purse.client.post(plain).headers["location"] == "/welcome"


def test_somebody_on_the_list_gets_a_link_that_goes_on(purse: Purse, people: People) -> None:
    answers = [
        purse.choose(FOUNDING, email=email) for email in ("new@example.org", people.ada.email)
    ]
    link = purse.link()

    assert {(each.status_code, each.headers["location"]) for each in answers} == {
        (303, "/subscribe/sent")
    }
    assert "Founding member, $12 a month" in purse.client.get(link).text
    assert visit(purse.client.post(link))


def test_a_wish_that_was_meddled_with_is_no_wish(purse: Purse) -> None:
    purse.choose(FOUNDING, email="eva@example.org")
    link = purse.link().partition("?")[0]

    for forged in ("founding-month-usd-0.10", "gold-month-usd", "<script>", "founding", "-" * 900):
        shown = purse.client.get(link, params={"join": forged})
        assert "<script>" not in shown.text
        assert "$0.10" not in shown.text
    assert (
        purse.client.post(f"{link}?join=founding-month-usd-0.10").headers["location"] == "/welcome"
    )


def test_an_old_link_keeps_the_wish_for_the_new_one(purse: Purse, turned: Clock, now: int) -> None:
    purse.choose(FOUNDING, email="eva@example.org")
    link = purse.link()
    turned.now = now + 8 * 86_400_000

    shown = purse.client.get(link)
    path = link.replace("?", "/resend?")
    again = purse.client.post(path)

    assert f'action="{path}"' in shown.text
    assert again.headers["location"] == "/subscribe/sent"
    assert purse.link().endswith("?join=founding-month-usd-12")
    assert purse.link() != link


# On to the checkout


def test_who_is_signed_in_goes_to_the_checkout_at_once(ada: Purse, people: People) -> None:
    session, (line,) = ada.session(ada.go("supporter-year-usd"))

    assert line["amount_total"] == 5000
    assert session["client_reference_id"] == str(people.ada.id)
    assert visit(ada.choose(FOUNDING))


def test_looking_makes_no_checkout(ada: Purse, client: TestClient) -> None:
    ada.go(FOUNDING)
    before = dump(ada.db)

    for path in ("/join", f"/join?join={FOUNDING}", "/subscribe", "/offer/SPRING", "/tip", "/gift"):
        assert client.get(path).status_code == 200, path

    assert dump(ada.db) == before


def test_what_was_chosen_is_shown_with_one_button(ada: Purse) -> None:
    response = ada.client.get(f"/join?join={FOUNDING}")

    assert "Founding member, $12 a month" in response.text
    assert f'name="join" value="{FOUNDING}"' in response.text


def test_who_is_not_signed_in_is_asked_to_and_comes_back(client: TestClient) -> None:
    looked = client.get(f"/join?join={FOUNDING}")
    pressed = client.post("/join", data={"join": FOUNDING})

    for response in (looked, pressed):
        assert response.status_code == 303
        assert response.headers["location"].startswith("/signin?next=/join%3Fjoin%3D")


def test_walking_away_charges_nothing_and_leads_back(ada: Purse, people: People) -> None:
    key = ada.go(FOUNDING)
    back = desk.abandon(ada.db, ada.settings, key, now=0)
    page = ada.client.get(back.removeprefix("https://letters.example.org"))
    thanks = ada.thanks(key)

    assert "Nothing was charged" in page.text
    assert f'value="{FOUNDING}"' in page.text
    assert "Not paid yet" in thanks.text
    assert f"/till/{key}" in thanks.text
    assert members(ada.db, people.ada.id) == []


# Thanks


def test_the_thanks_know_at_once_and_a_reload_is_harmless(ada: Purse, people: People) -> None:
    key = ada.go(FOUNDING)
    ada.pay(key)

    first = ada.thanks(key)
    before = dump(ada.db)
    again = ada.thanks(key)

    assert "Thank you, Ada" in first.text
    assert "Founding member, $12 a month" in first.text
    assert again.text == first.text
    assert members(ada.db, people.ada.id) == [("founding", "active")]
    # Payments carry the number of the question they answered; nothing else changes.
    changed = {line.partition(":")[0] for line in set(dump(ada.db)) ^ set(before)}
    assert not changed & {"memberships", "notes", "deliveries", "gifts"}


def test_somebody_elses_payment_shows_nothing_personal(ada: Purse, people: People) -> None:
    key = ada.go(FOUNDING)
    ada.pay(key)
    ada.client.cookies.clear()

    nobody = ada.thanks(key)
    ada.sign_in(people.bea)
    other = ada.thanks(key)

    for response in (nobody, other):
        assert response.status_code == 200
        assert "Thank you" in response.text
        assert not [word for word in ("Ada", "$12", "Founding", "ada@") if word in response.text]


@pytest.mark.parametrize("key", ["", "cs_test_nothing", "sub_1", "../products", "cs_" + "a" * 900])
def test_a_payment_that_never_was_is_not_found(client: TestClient, key: str) -> None:
    assert client.get("/join/thanks", params={"checkout": key}).status_code == 404


def test_a_visit_that_ran_out_leads_to_a_new_one(ada: Purse) -> None:
    key = ada.go(FOUNDING)
    desk.expire(ada.db, ada.settings, key, now=0)

    response = ada.thanks(key)

    assert "Not paid yet" in response.text
    assert 'href="/subscribe"' in response.text


def test_a_trial_says_when_the_first_payment_is_and_comes_once(
    configured: Settings, db: Database, people: People, turned: Clock
) -> None:
    supporter = TierSettings("supporter", name="Supporter", monthly="5", trial_days=14)
    ours = replace(configured, tiers=(TierSettings(FREE, name="Free"), supporter))
    with TestClient(
        create_app(ours, db), base_url=ours.publication.url, follow_redirects=False
    ) as client:
        purse = Purse(client, db, ours)
        purse.sign_in(people.ada)
        key = purse.go("supporter-month-usd")
        purse.pay(key)
        thanks = purse.thanks(key)

        plan.end(db, ours, purse.stripe, people.ada.id, now=turned.now)
        again = client.get("/join?join=supporter-month-usd")
        session, _ = purse.session(purse.go("supporter-month-usd"))

    assert "Supporter, $5 a month" in thanks.text
    assert "Nothing is charged before 5 October 2026" in thanks.text
    assert "days are free" not in again.text
    assert session["amount_total"] == 500


# One membership


def test_who_pays_already_is_shown_their_plan(ada: Purse) -> None:
    key = ada.go(FOUNDING)
    ada.pay(key)
    ada.thanks(key)

    looked = ada.client.get(f"/join?join={FOUNDING}")
    pressed = ada.client.post("/join", data={"join": FOUNDING})
    typed = ada.choose("supporter-month-usd")

    assert [each.headers["location"] for each in (looked, pressed, typed)] == ["/account"] * 3


def test_a_double_click_and_the_way_back_are_one_membership(ada: Purse, people: People) -> None:
    one, two = ada.go(FOUNDING), ada.go(FOUNDING)
    ada.pay(one)
    ada.thanks(one)
    desk.abandon(ada.db, ada.settings, two, now=0)

    back = ada.client.post("/join", data={"join": FOUNDING})

    assert back.headers["location"] == "/account"
    assert members(ada.db, people.ada.id) == [("founding", "active")]


def test_two_tabs_that_both_pay_end_as_one_membership(
    ada: Purse, people: People, turned: Clock
) -> None:
    one, two = ada.go(FOUNDING), ada.go("supporter-month-usd")
    ada.pay(one)
    turned.now += 1000
    ada.pay(two)

    ada.thanks(one)
    second = ada.thanks(two)
    duplicates.settle(ada.db, ada.settings, ada.stripe, now=turned.now)

    assert "You were a member already" in second.text
    assert sorted(members(ada.db, people.ada.id)) == [
        ("founding", "active"),
        ("supporter", "canceled"),
    ]
    kept = plan.current(ada.db, ada.settings, people.ada.id)
    assert kept is not None
    assert kept.tier == "founding"


# Offers


@pytest.fixture
def spring(purse: Purse) -> str:
    """A promotion code that is good: a fifth less, for three months."""
    coupon = stripe_account.create_coupon(
        purse.stripe, {"percent_off": 20, "duration": "repeating", "duration_in_months": 3}
    )
    stripe_account.create_code(
        purse.stripe, {"promotion": {"type": "coupon", "coupon": coupon}, "code": "SPRING-26"}
    )
    return "SPRING-26"


def test_an_offer_says_what_it_is_and_goes_on_to_the_checkout(purse: Purse, spring: str) -> None:
    page = purse.client.get(f"/offer/{spring}")
    purse.choose(FOUNDING, email="eva@example.org", offer=spring)
    link = purse.link()
    session, _ = purse.session(visit(purse.client.post(link)))

    assert "20% off for 3 months" in page.text
    assert f'name="offer" value="{spring}"' in page.text
    assert 'value="free" checked' in page.text
    assert link.endswith(f"?join=founding-month-usd-12-{spring}")
    assert session["amount_total"] == 960


def test_the_offer_stays_with_the_wish_when_payment_is_put_off(
    purse: Purse, people: People, spring: str
) -> None:
    purse.sign_in(people.ada)
    key = purse.go(FOUNDING, offer=spring)
    back = desk.abandon(purse.db, purse.settings, key, now=0)

    page = purse.client.get(back.removeprefix("https://letters.example.org"))
    session, _ = purse.session(purse.go(f"{FOUNDING}-{spring}"))

    assert f"Your offer ({spring})" in page.text
    assert session["amount_total"] == 960


def test_an_offer_for_some_tiers_shows_those_and_free(purse: Purse) -> None:
    terms = Promotion("", "SUMMER", "50", None, "once", 0)
    wanted = Offering(terms, tiers=("supporter",))
    promotions.make(purse.stripe, purse.settings, wanted, now=0)

    page = purse.client.get("/offer/SUMMER")
    session, _ = purse.session(_joined(purse, "SUMMER"))

    assert "50% off the first payment" in page.text
    assert 'value="supporter-month-usd"' in page.text
    assert 'value="free" checked' in page.text
    assert "founding" not in page.text
    assert session["amount_total"] == 250


@pytest.fixture
def summer(purse: Purse) -> str:
    """Half the first payment, for supporters alone."""
    wanted = Offering(Promotion("", "SUMMER", "50", None, "once", 0), tiers=("supporter",))
    promotions.make(purse.stripe, purse.settings, wanted, now=0)
    return "SUMMER"


@pytest.mark.parametrize("path", ["/subscribe", "/join"])
def test_an_offer_for_another_plan_says_so_and_what_it_is_for(
    purse: Purse, people: People, summer: str, path: str
) -> None:
    if path == "/join":
        purse.sign_in(people.ada)
    sent = {"email": "eva@example.org", "offer": summer}
    before = _people_in(purse)

    answer = purse.client.post(path, data={"join": FOUNDING} | sent)

    assert answer.status_code == 422
    assert template(answer) == "pages/offer.html"
    assert "The offer SUMMER is for Supporter, not for Founding member." in answer.text
    assert 'value="supporter-month-usd"' in answer.text
    assert f'name="offer" value="{summer}"' in answer.text
    assert '<a href="/subscribe">choose from all there is</a>' in answer.text
    assert _people_in(purse) == before
    assert purse.client.post(path, data={"join": "supporter-month-usd"} | sent).status_code == 303


def test_an_offer_in_the_link_of_a_letter_is_looked_at_too(
    purse: Purse, people: People, summer: str
) -> None:
    purse.sign_in(people.ada)

    answer = purse.client.post("/join", data={"join": f"{FOUNDING}-{summer}"})

    assert answer.status_code == 422
    assert "The offer SUMMER is for Supporter" in answer.text


def test_while_nobody_can_be_asked_about_an_offer_joining_goes_on(
    purse: Purse, summer: str
) -> None:
    desk.fail_next(purse.db, "timeout", times=9)

    answer = purse.choose(FOUNDING, email="eva@example.org", offer=summer)

    assert answer.headers["location"] == "/subscribe/sent"
    assert purse.link().endswith(f"-{summer}")


def _people_in(purse: Purse) -> list[str]:
    rooms = ("subscribers", "confirmations", "customers", "letters")
    return [row for row in dump(purse.db) if row.startswith(rooms)]


def _joined(purse: Purse, offer: str) -> str:
    """Somebody new, by an offer to the checkout."""
    purse.choose("supporter-month-usd", email="eva@example.org", offer=offer)
    return visit(purse.client.post(purse.link()))


def test_an_offer_that_is_over_says_so_and_the_form_is_there(client: TestClient) -> None:
    page = client.get("/offer/OLD")

    assert page.status_code == 200
    assert "This offer is over" in page.text
    assert 'value="free" checked' in page.text


# Payments away


def test_while_payments_are_away_free_works_and_a_wish_is_kept(
    purse: Purse, people: People
) -> None:
    desk.fail_next(purse.db, "timeout", times=100)

    free = purse.choose(FREE, email="free@example.org")
    asked = purse.choose(FOUNDING, email="eva@example.org")
    away = purse.client.post(purse.link())
    with purse.db.read() as connection:
        eva = readers.by_key(connection, "eva@example.org")

    assert free.status_code == asked.status_code == 303
    assert away.status_code == 503
    assert "Payments are away" in away.text
    assert f'value="{FOUNDING}"' in away.text
    assert eva is not None
    assert eva.is_active
    desk.mend(purse.db)
    assert visit(purse.client.post("/join", data={"join": FOUNDING}))


def test_thanks_while_payments_are_away_are_patient(ada: Purse) -> None:
    key = ada.go(FOUNDING)
    ada.pay(key)
    desk.fail_next(ada.db, "timeout", times=9)

    response = ada.thanks(key)

    assert response.status_code == 503
    assert "all is well" in response.text


def test_an_offer_while_payments_are_away_still_lets_one_choose(purse: Purse) -> None:
    desk.fail_next(purse.db, "timeout", times=9)

    response = purse.client.get("/offer/SPRING-26")

    assert response.status_code == 503
    assert 'value="free" checked' in response.text
