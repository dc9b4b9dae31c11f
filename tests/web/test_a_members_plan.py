"""A member sees and changes their plan: nothing happens unseen, and everything only once."""

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from connector.clock import DAY, MINUTE
from connector.database import Database
from connector.membership import complimentary, plan, store, stripe_api
from connector.settings import Settings
from connector.till import desk
from tests.conftest import NOW, People
from tests.web.conftest import Clock
from tests.web.looking import dump, template
from tests.web.plans import Member, agreed_in, member

PATHS = ("/account", "/account/plan", "/account/cancel", "/account/pause")


@pytest.fixture
def ada(
    client: TestClient, db: Database, configured: Settings, people: People, turned: Clock
) -> Member:
    """Signed in, and reading for free."""
    return member(client, db, configured, people.ada, turned)


@pytest.fixture
def founder(ada: Member) -> Member:
    """A founding member at $12 a month."""
    ada.join("founding", amount="12")
    ada.hear()
    return ada


def test_who_reads_for_free_is_quietly_invited(ada: Member) -> None:
    text = ada.ask("/account").text

    assert 'href="/join"' in text
    assert "/account/cancel" not in text
    assert "/account/portal" not in text


def test_a_member_sees_name_amount_and_the_next_date(founder: Member) -> None:
    text = unescape(founder.ask("/account").text)

    assert "Founding member</strong>, $12 a month" in text
    assert "The next payment is on 21 October 2026." in text
    assert "Membership, $12" in text
    assert "/till/invoices/in_" in text


@pytest.mark.parametrize("path", PATHS)
def test_looking_changes_nothing(founder: Member, path: str) -> None:
    before = dump(founder.db)

    founder.ask(path)

    assert dump(founder.db) == before


@pytest.mark.parametrize("path", PATHS[1:])
def test_a_stranger_is_asked_to_sign_in(client: TestClient, path: str) -> None:
    shown, posted = client.get(path), client.post(path)

    assert (shown.status_code, posted.status_code) == (303, 303)
    assert shown.headers["location"] == f"/signin?next={path}"


def test_an_amount_is_raised_after_its_price_was_seen(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")
    before = founder.plan
    done = founder.post(
        "/account/plan", plan="founding:month", amount="20", agreed=agreed_in(shown)
    )

    assert template(shown) == "pages/change_preview.html"
    assert "Change it, and pay $8" in shown.text
    assert "From 21 October 2026" in shown.text
    assert before.amount.cents == 1200
    assert done.headers["location"] == "/account?plan=changed"
    assert founder.plan.amount.cents == 2000
    assert "Membership, $8" in founder.ask("/account").text


def test_an_amount_is_lowered_and_what_was_paid_is_not_lost(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="8")
    founder.post("/account/plan", plan="founding:month", amount="8", agreed=agreed_in(shown))

    assert "<dd>Nothing</dd>" in shown.text
    assert "You have paid $4 more" in unescape(shown.text)
    assert founder.plan.amount.cents == 800


def test_months_become_a_year(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="supporter:year")
    done = founder.post("/account/plan", plan="supporter:year", agreed=agreed_in(shown))

    assert "pay $38" in shown.text
    assert "From 21 September 2027" in shown.text
    assert done.headers["location"] == "/account?plan=changed"
    assert (founder.plan.tier, founder.plan.every) == ("supporter", "year")


@pytest.mark.parametrize("amount", ["", "0", "-5", "0.1 + 0.2", "12.345", "twelve", "0.5"])
def test_what_is_no_amount_is_said_at_its_field(founder: Member, amount: str) -> None:
    answer = founder.post("/account/plan", plan="founding:month", amount=amount)

    assert answer.status_code == 422
    assert 'id="amount-error"' in answer.text
    assert (founder.plan.amount.cents, founder.invoices()) == (1200, 1)


@pytest.mark.parametrize("way", ["", "free:month", "tip:month", "patron:month", "founding:week"])
def test_a_plan_that_is_not_offered_is_refused(founder: Member, way: str) -> None:
    answer = founder.post("/account/plan", plan=way, amount="20")

    assert answer.status_code == 422
    assert founder.plan.amount.cents == 1200


def test_a_second_click_changes_nothing_more(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")
    fields = {"plan": "founding:month", "amount": "20", "agreed": agreed_in(shown)}

    answers = [founder.post("/account/plan", **fields) for _ in range(3)]

    assert {answer.headers["location"] for answer in answers} == {"/account?plan=changed"}
    assert founder.invoices() == 2


def test_an_old_page_shows_its_price_anew(founder: Member, turned: Clock) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")
    turned.now += 31 * MINUTE

    answer = founder.post(
        "/account/plan", plan="founding:month", amount="20", agreed=agreed_in(shown)
    )

    assert template(answer) == "pages/change_preview.html"
    assert "Nothing was changed yet" in answer.text
    assert founder.plan.amount.cents == 1200


def test_the_way_back_after_another_change_shows_its_price_anew(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")
    founder.agree(amount="30")

    answer = founder.post(
        "/account/plan", plan="founding:month", amount="20", agreed=agreed_in(shown)
    )

    assert template(answer) == "pages/change_preview.html"
    assert founder.plan.amount.cents == 3000


def test_what_was_agreed_to_is_what_is_charged(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")

    answers = [
        founder.post("/account/plan", plan="founding:month", amount="90", agreed=agreed_in(shown)),
        founder.post("/account/plan", plan="founding:month", amount="20", agreed="made.up"),
        founder.post("/account/plan", plan="founding:month", amount="20", agreed="é"),
    ]

    assert {template(answer) for answer in answers} == {"pages/change_preview.html"}
    assert founder.plan.amount.cents == 1200


def test_a_card_that_says_no_changes_nothing(founder: Member) -> None:
    founder.card("later")

    answer = founder.agree(amount="20")

    assert answer.status_code == 409
    assert "Nothing was changed and nothing was charged" in answer.text
    assert "/account/portal" in answer.text
    assert founder.plan.amount.cents == 1200
    assert founder.invoices() == 1


def test_after_a_no_another_card_may_do(founder: Member) -> None:
    founder.card("later")
    founder.agree(amount="20")
    founder.card("ok")

    answer = founder.agree(amount="20")

    assert answer.headers["location"] == "/account?plan=changed"
    assert founder.plan.amount.cents == 2000


def test_a_bank_that_asks_first_is_answered_on_the_page_of_the_invoice(founder: Member) -> None:
    desk.fail_next(founder.db, "3ds renewal")

    answer = founder.agree(amount="20")
    waiting = founder.ask("/account").text
    with founder.db.read() as connection:
        payments = store.payments_for(connection, founder.plan.id)
    invoice = next(one for one in payments if one.status == "open")

    assert answer.headers["location"] == "/account?plan=waits"
    assert f'href="{invoice.url}"' in waiting
    assert "Agree to it" in waiting
    assert founder.plan.amount.cents == 1200

    desk.pay_invoice(founder.db, founder.settings, invoice.id, now=NOW)
    founder.hear()

    assert founder.plan.amount.cents == 2000
    assert "Agree to it" not in founder.ask("/account").text


def test_leaving_lasts_until_it_was_paid_for_and_can_be_taken_back(founder: Member) -> None:
    sure = founder.ask("/account/cancel")
    left = [founder.post("/account/cancel", reason="Too many letters") for _ in range(2)]
    leaving = founder.plan
    account = unescape(founder.ask("/account").text)
    stayed = [founder.post("/account/stay") for _ in range(2)]

    assert "It lasts until 21 October 2026" in sure.text
    assert left[0].headers["location"] == "/account?plan=leaving"
    assert left[1].status_code == 303
    assert leaving.is_leaving
    assert "Too many letters" in leaving.why
    assert "It ends on 21 October 2026, and nothing more is charged." in account
    assert stayed[0].headers["location"] == "/account?plan=stayed"
    assert stayed[1].headers["location"] == "/account"
    assert not founder.plan.is_leaving


def test_who_is_leaving_is_asked_to_stay_before_a_change(founder: Member) -> None:
    founder.post("/account/cancel")

    answers = [founder.ask("/account/plan"), founder.post("/account/plan", plan="founding:month")]

    assert {answer.headers["location"] for answer in answers} == {"/account"}


def test_a_pause_charges_nothing_until_they_go_on(founder: Member) -> None:
    paused = [founder.post("/account/pause") for _ in range(2)]
    resting = unescape(founder.ask("/account").text)
    had = founder.has_plan
    on = [founder.post("/account/go-on") for _ in range(2)]

    assert paused[0].headers["location"] == "/account?plan=paused"
    assert paused[1].headers["location"] == "/account"
    assert "It pauses: nothing is charged until you go on." in resting
    assert "Go on for $12 a month" in resting
    assert not had
    assert on[0].headers["location"] == "/account?plan=going"
    assert on[1].headers["location"] == "/account"
    assert founder.plan.status == "active"


def test_who_pauses_can_end_it_for_good(founder: Member) -> None:
    founder.post("/account/pause")

    sure, ended = founder.ask("/account/cancel"), founder.post("/account/cancel")

    assert "It ends at once" in sure.text
    assert ended.headers["location"] == "/account?plan=ended"
    assert 'href="/join"' in founder.ask("/account").text


def test_a_payment_that_failed_says_what_to_do(founder: Member) -> None:
    founder.card("later")
    founder.wait(32)
    founder.hear()

    account = unescape(founder.ask("/account").text)
    change = founder.ask("/account/plan")

    assert "The last payment did not come through." in account
    assert "It is tried again on" in account
    assert "Pay $12" in account
    assert "your membership ends on" in account
    assert change.headers["location"] == "/account"


def test_going_on_with_a_card_that_says_no_is_no_welcome(founder: Member) -> None:
    founder.wait(20)
    founder.post("/account/pause")
    founder.card("later")

    answer = founder.post("/account/go-on")

    assert answer.headers["location"] == "/account"
    assert "The last payment did not come through." in founder.ask("/account").text


def test_who_leaves_and_owes_is_told_of_what_they_owe(founder: Member) -> None:
    founder.card("later")
    founder.wait(32)
    founder.hear()
    plan.leave(founder.db, founder.settings, founder.client, founder.somebody.id, now=founder.now)

    account = founder.ask("/account").text

    assert "The last payment did not come through." in account
    assert "nothing more is charged" not in account


def test_who_will_not_pay_again_is_charged_no_more(founder: Member) -> None:
    founder.card("later")
    founder.wait(32)
    founder.hear()

    ended = founder.post("/account/cancel")
    founder.card("ok")
    founder.wait(60)
    founder.hear()

    assert ended.headers["location"] == "/account?plan=ended"
    assert not founder.has_plan


def test_card_and_invoices_are_at_the_portal(founder: Member) -> None:
    answer = founder.post("/account/portal")

    assert answer.status_code == 303
    assert "/till/portal/bps_" in answer.headers["location"]


@pytest.mark.parametrize("path", ["plan", "cancel", "stay", "pause", "go-on", "portal"])
def test_who_has_no_plan_is_shown_their_account(ada: Member, path: str) -> None:
    assert ada.post(f"/account/{path}").headers["location"] == "/account"


@pytest.mark.parametrize("path", ["cancel", "pause", "portal"])
def test_while_stripe_is_away_nothing_is_lost(founder: Member, path: str) -> None:
    before = founder.plan
    desk.fail_next(founder.db, "api error", times=20)

    answer = founder.post(f"/account/{path}")

    assert answer.status_code == 503
    assert "Payments cannot be reached at the moment." in answer.text
    assert founder.plan == before
    assert founder.ask("/account").status_code == 200


@pytest.mark.parametrize("deed", ["stay", "cancel", "pause", "plan"])
def test_what_ended_unheard_is_told_and_not_taken_for_a_fault(founder: Member, deed: str) -> None:
    if deed == "stay":
        founder.post("/account/cancel")
    _end_at_stripe(founder)

    answer = founder.post(f"/account/{deed}", plan="founding:month", amount="20")

    assert answer.headers["location"] == "/account?plan=over"
    assert "Your membership had ended already" in founder.ask(answer.headers["location"]).text
    assert not founder.has_plan


def test_a_price_that_was_agreed_to_too_late_is_not_paid(founder: Member) -> None:
    shown = founder.post("/account/plan", plan="founding:month", amount="20")
    _end_at_stripe(founder)

    answer = founder.post(
        "/account/plan", plan="founding:month", amount="20", agreed=agreed_in(shown)
    )

    assert answer.headers["location"] == "/account?plan=over"


def _end_at_stripe(founder: Member) -> None:
    """As the writer may, on Stripe's own pages; we have not heard of it yet."""
    stripe_api.cancel_now(founder.client, founder.plan.id)


def test_compliments_are_shown_with_their_end(ada: Member) -> None:
    complimentary.comp(ada.db, ada.somebody.id, until=NOW + 40 * DAY, now=NOW)

    text = unescape(ada.ask("/account").text)

    assert "with Ines Marlow’s compliments until 31 October 2026" in text
    assert 'href="/join"' not in text


def test_a_payment_that_was_given_back_says_so(founder: Member) -> None:
    with founder.db.read() as connection:
        paid = store.payments_for(connection, founder.plan.id)[0]
    desk.refund(founder.db, founder.settings, paid.id, amount=500, now=NOW)
    founder.hear()

    assert "$5 given back" in founder.ask("/account").text


def test_a_tip_has_its_receipt_and_shows_it_to_its_payer_alone(
    ada: Member, people: People, turned: Clock
) -> None:
    assert ada.browser is not None
    ada.join("tip", amount="10")
    ada.hear()

    link = re.search(r"/account/receipts/pi_\w+", ada.ask("/account").text)
    assert link
    mine = ada.ask(link[0])
    bea = member(ada.browser, ada.db, ada.settings, people.bea, turned)

    assert mine.status_code == 303
    assert "/till/receipts/ch_" in mine.headers["location"]
    assert bea.ask(link[0]).status_code == 404
