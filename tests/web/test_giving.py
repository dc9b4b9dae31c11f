"""Tips and gifts: given without signing in, paid once; a gift is taken once, by whoever has its code."""

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.membership import gifts, projection, store, tiers
from connector.membership.gift import Gift
from connector.settings import FREE, Settings, TierSettings
from connector.till import desk
from tests.conftest import People
from tests.web.conftest import Clock
from tests.web.looking import context, dump, template
from tests.web.paying import Purse, visit

SUPPORTER = "supporter-6-usd"


@pytest.fixture
def purse(client: TestClient, db: Database, configured: Settings) -> Purse:
    return Purse(client, db, configured)


def bought(purse: Purse, **fields: str) -> Gift:
    """A gift that somebody unknown paid for."""
    sent = {"join": SUPPORTER, "way": "code", "email": "gil@example.org"} | fields
    key = visit(purse.client.post("/gift", data=sent))
    purse.pay(key)
    purse.thanks(key)
    with purse.db.read() as connection:
        code = connection.value("SELECT code FROM gifts ORDER BY created_at DESC, code LIMIT 1")
    return gifts.find(purse.db, purse.settings, code)


# Tips


def test_a_tip_needs_no_sign_in_and_is_thanked(purse: Purse) -> None:
    page = purse.client.get("/tip")
    key = visit(purse.client.post("/tip", data={"join": "tip--usd-10"}))
    session, (line,) = purse.session(key)
    purse.pay(key)
    thanks = purse.thanks(key)

    assert 'value="tip--usd-10"' in page.text
    assert (session["mode"], line["amount_total"]) == ("payment", 1000)
    assert "Your $10 arrived" in thanks.text
    assert purse.thanks(key).text == thanks.text


def test_a_tip_of_ones_own_amount(purse: Purse, people: People) -> None:
    purse.sign_in(people.ada)

    key = visit(purse.client.post("/tip", data={"join": "tip--usd", "amount-tip": "7.50"}))
    purse.pay(key)

    assert "Thank you, Ada" in purse.thanks(key).text
    with purse.db.read() as connection:
        (paid,) = store.payments_of(connection, people.ada.id, mode="till")
    assert (paid.kind, paid.cents) == ("tip", 750)


@pytest.mark.parametrize("typed", ["", "0", "0.10", "lots"])
def test_a_wrong_tip_is_a_sentence_at_the_field(purse: Purse, typed: str) -> None:
    before = dump(purse.db)

    response = purse.client.post("/tip", data={"join": "tip--usd", "amount-tip": typed})

    assert response.status_code == 422
    assert 'aria-describedby="amount-tip-error"' in response.text
    assert f'value="{typed}"' in response.text
    assert dump(purse.db) == before


def test_a_tip_without_an_amount_asks_for_one(purse: Purse) -> None:
    assert purse.client.post("/tip", data={}).status_code == 422


# Giving


def test_a_gift_costs_what_its_months_cost(configured: Settings) -> None:
    found = {
        one.months: one.amount.cents
        for one in tiers.presents(configured, "supporter")
        if one.amount
    }
    only_months = TierSettings("patron", monthly="7")
    other = replace(configured, tiers=(TierSettings(FREE), only_months))

    assert found == {1: 500, 3: 1500, 6: 3000, 12: 5000}
    choice, months = tiers.choose_present(other, "patron", months="12")
    assert (choice.amount.cents, months) == (8400, 12)


def test_a_code_to_hand_on_is_on_the_page_and_on_a_card(purse: Purse) -> None:
    key = visit(
        purse.client.post(
            "/gift",
            data={
                "join": "founding-12-usd",
                "amount-founding": "90",
                "way": "code",
                "email": "gil@example.org",
                "words": "For you,\nBea!",
            },
        )
    )
    session, (line,) = purse.session(key)
    purse.pay(key)

    thanks = purse.thanks(key)
    code = re.search(r'class="code">([A-Z2-7-]{14})<', thanks.text)
    assert code
    card = purse.client.get(f"/gift/{code[1]}/card")

    assert (line["amount_total"], session["customer_email"]) == (9000, "gil@example.org")
    assert "Founding member for a year" in thanks.text
    assert "For you,<br>Bea!" in card.text
    assert code[1] in card.text
    assert "gil@example.org" not in card.text


def test_a_gift_to_an_address_knows_its_day(purse: Purse, now: int) -> None:
    found = bought(purse, way="address", address="bo@example.org", day="2026-12-24")

    assert found.address == "bo@example.org"
    assert found.send_at is not None
    assert found.send_at > now + 80 * DAY


def test_a_gift_without_a_day_is_for_today(purse: Purse, now: int) -> None:
    assert bought(purse, way="address", address="bo@example.org").send_at == now


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"email": "gil"}, "email"),
        ({"email": ""}, "email"),
        ({"way": "address", "address": ""}, "address"),
        ({"way": "address", "address": "bo@"}, "address"),
        ({"way": "address", "address": "bo@example.org", "day": "2020-01-01"}, "day"),
        ({"way": "address", "address": "bo@example.org", "day": "2099-01-01"}, "day"),
        ({"way": "address", "address": "bo@example.org", "day": "soon"}, "day"),
        ({"words": "a" * 501}, "words"),
    ],
)
def test_what_is_wrong_stands_at_its_field(purse: Purse, wrong: dict[str, str], where: str) -> None:
    before = dump(purse.db)
    sent = {"join": SUPPORTER, "way": "code", "email": "gil@example.org", "words": "Kept"}

    response = purse.client.post("/gift", data=sent | wrong)

    assert response.status_code == 422
    assert template(response) == "pages/gift.html"
    assert list(context(response)["form"].errors) == [where]
    assert f'id="{where}-error"' in response.text
    assert f'value="{SUPPORTER}" checked' in response.text
    assert dump(purse.db) == before


def test_giving_without_choosing_asks_to_choose(purse: Purse) -> None:
    response = purse.client.post("/gift", data={"email": "gil@example.org"})

    assert response.status_code == 422
    assert context(response)["choice"].errors


def test_while_payments_are_away_nothing_typed_is_lost(purse: Purse) -> None:
    desk.fail_next(purse.db, "timeout", times=9)
    sent = {"join": SUPPORTER, "email": "gil@example.org", "words": "Dear Bo"}

    gift, tip = (
        purse.client.post("/gift", data=sent),
        purse.client.post("/tip", data={"join": "tip--usd-5"}),
    )

    assert (gift.status_code, tip.status_code) == (503, 503)
    assert "Dear Bo" in gift.text
    assert 'value="tip--usd-5" checked' in tip.text
    assert "Nothing was charged" in gift.text


# Taking


def test_a_new_reader_signs_up_and_takes_it(purse: Purse, turned: Clock) -> None:
    found = bought(purse)
    page = purse.client.get(f"/gift/{found.code}")
    asked = purse.client.post("/subscribe", data={"email": "bo@example.org", "gift": found.code})
    link = purse.link()
    confirmed = purse.client.post(link)
    offered = purse.client.get(confirmed.headers["location"])
    taken = purse.client.post(f"/gift/{found.code}")
    shown = purse.client.get(taken.headers["location"])

    assert 'name="gift"' in page.text
    assert asked.headers["location"] == "/subscribe/sent"
    assert link.endswith(f"?gift={found.code}")
    assert "take me to my gift" in purse.client.get(link).text
    assert "Take it" in offered.text
    assert taken.status_code == 303
    assert "It is yours" in shown.text
    with purse.db.read() as connection:
        (membership,) = store.live(connection, now=turned.now)
    assert (membership.tier, membership.kind) == ("supporter", "gift")


def test_looking_at_a_gift_takes_nothing(purse: Purse, people: People) -> None:
    found = bought(purse)
    purse.sign_in(people.ada)
    before = dump(purse.db)

    purse.client.get(f"/gift/{found.code}")
    purse.client.get(f"/gift/{found.code}/card")

    assert dump(purse.db) == before


def test_a_gift_is_taken_once_and_pressing_again_is_harmless(purse: Purse, people: People) -> None:
    found = bought(purse)
    purse.sign_in(people.ada)
    purse.client.post(f"/gift/{found.code}")
    again = purse.client.post(f"/gift/{found.code}")
    purse.sign_in(people.bea)
    other = purse.client.post(f"/gift/{found.code}")
    page = purse.client.get(f"/gift/{found.code}")

    assert again.status_code == 303
    assert other.status_code == 409
    assert "taken already" in page.text
    assert "ada@" not in page.text


def test_a_code_is_read_however_it_was_typed(purse: Purse) -> None:
    found = bought(purse)
    typed = found.code.lower().replace("-", " ")

    response = purse.client.get("/gift", params={"code": typed})

    assert response.headers["location"] == f"/gift/{found.code}"


@pytest.mark.parametrize("path", ["/gift/AAAA-BBBB-CCCC", "/gift/x", "/gift/%00/card"])
def test_a_code_nobody_bought_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_who_is_not_signed_in_cannot_take(purse: Purse) -> None:
    found = bought(purse)

    response = purse.client.post(f"/gift/{found.code}")

    assert response.status_code == 303
    assert response.headers["location"] == f"/signin?next=/gift/{found.code}"


def test_a_gift_that_was_paid_back_is_there_no_more(purse: Purse, turned: Clock) -> None:
    found = bought(purse)
    back = desk.refund(purse.db, purse.settings, found.payment_id, now=turned.now)
    subject = projection.Subject("refund", back["id"])
    projection.project(purse.db, purse.settings, purse.stripe, subject, now=turned.now)

    assert "no longer there" in purse.client.get(f"/gift/{found.code}").text


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/tip", {"join": "tip--usd-10"}),
        ("/gift", {"join": SUPPORTER, "way": "code", "email": "gil@example.org"}),
    ],
)
def test_a_client_goes_to_the_checkout_only_so_often_an_hour(
    purse: Purse, people: People, turned: Clock, path: str, sent: dict[str, str]
) -> None:
    most = purse.settings.limits.checkouts_per_client
    answers = {purse.client.post(path, data=sent).status_code for _ in range(most)}
    made = sessions_made(purse)

    refused = purse.client.post(path, data=sent)
    again = sessions_made(purse)
    turned.now += HOUR
    later = purse.client.post(path, data=sent)
    purse.sign_in(people.ada)
    known = {purse.client.post(path, data=sent).status_code for _ in range(most + 1)}

    assert (answers, made) == ({303}, most)
    assert (refused.status_code, again) == (429, most)
    assert refused.headers["retry-after"] == "3600"
    assert "A little slower, please" in refused.text
    assert later.status_code == 303
    assert known == {303}


def test_a_client_is_known_by_a_hash_and_for_a_day(purse: Purse, turned: Clock) -> None:
    tip = {"join": "tip--usd-10"}
    purse.client.post("/tip", data=tip)
    turned.now += DAY
    purse.client.post("/tip", data=tip)

    with purse.db.read() as connection:
        rows = connection.rows("SELECT client, at FROM visits")
    assert [at for _, at in rows] == [turned.now]
    assert "testclient" not in rows[0][0]


def sessions_made(purse: Purse) -> int:
    with purse.db.read() as connection:
        return int(
            connection.value("SELECT count(*) FROM till_objects WHERE kind = 'checkout.session'")
        )
