"""The Till's pages, as a payer walks through them: the real app, the real hook, play money."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from connector.clock import DAY, SECOND
from connector.database import Database
from connector.membership import plan, tiers, webhooks
from connector.membership import store as memberships
from connector.settings import Settings
from connector.till import desk
from connector.till import store as drawers
from connector.till.opening import Payments
from connector.web.app import create_app
from tests.conftest import People
from tests.web.conftest import Clock
from tests.web.looking import dump, template

HERE = "https://letters.example.org"
THANKS, BACK = f"{HERE}/join/thanks", f"{HERE}/subscribe"
CARD_NUMBER = "4000000000009995"
BANNER = "This is the till: play money. No card is charged."


@dataclass
class Shopping:
    """Ada at the Till, with a site that hears of it."""

    db: Database
    settings: Settings
    client: TestClient
    people: People
    now: int

    @property
    def payments(self) -> Payments:
        found: Payments = cast("Any", self.client.app).state.site.payments
        return found

    def visit(self, tier: str = "supporter", *, amount: str = "") -> str:
        """Choose a tier; the path of the checkout."""
        choice = tiers.choose(self.settings, tier, every="month", amount=amount)
        made = plan.begin(
            self.db,
            self.settings,
            self.payments(),
            self.people.ada,
            choice,
            now=self.now,
            success_url=THANKS,
            cancel_url=BACK,
        )
        return path_of(made.url)

    def own(self, **asked: Any) -> str:
        """A session with wishes of its own; the path of its page."""
        price = {
            "currency": "usd",
            "unit_amount": 700,
            "product_data": {"name": "Tip"},
        }
        wanted: Any = {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": THANKS,
            "cancel_url": BACK,
        }
        return path_of(self.payments().v1.checkout.sessions.create(wanted | asked).url or "")

    def session(self, path: str) -> dict[str, Any]:
        return desk.visit(self.db, self.settings, path.split("/")[2], now=self.now).session

    def paid(self) -> list[Any]:
        """Every charge that was paid."""
        found = self.payments().v1.charges.list({"limit": 100}).data
        return [one for one in found if one.paid]

    def is_member(self) -> bool:
        """Whether Ada is one, after the site followed what it has heard."""
        while webhooks.work(self.db, self.settings, self.payments(), now=far(self.now)):
            pass
        with self.db.read() as connection:
            live = memberships.live(connection, now=self.now)
        return any(one.kind == "paid" and one.subscriber_id == self.people.ada.id for one in live)

    def portal(self) -> str:
        with self.db.read() as connection:
            customer = memberships.customer_of(connection, self.people.ada.id, mode="till") or ""
        wanted: Any = {"customer": customer, "return_url": f"{HERE}/account"}
        return path_of(self.payments().v1.billing_portal.sessions.create(wanted).url)


def far(now: int) -> int:
    """After whatever the real clock says, for what was signed by it."""
    return now + 3650 * DAY


def path_of(url: str) -> str:
    return url.removeprefix(HERE)


@pytest.fixture
def shopping(
    client: TestClient, db: Database, configured: Settings, people: People, turned: Clock
) -> Shopping:
    return Shopping(db, configured, client, people, turned.now)


# Paying


def test_the_page_says_that_it_is_play_money_and_what_is_bought(shopping: Shopping) -> None:
    said = shopping.client.get(shopping.visit())

    assert template(said) == "till/checkout.html"
    assert BANNER in said.text
    assert "Pay $5" in said.text
    assert "Supporter, every month" in said.text
    assert "ada@example.org" in said.text


def test_nobody_keeps_or_lists_it(shopping: Shopping) -> None:
    said = shopping.client.get(shopping.visit())

    assert said.headers["Cache-Control"] == "no-store"
    assert said.headers["X-Robots-Tag"] == "noindex"
    assert said.headers["Referrer-Policy"] == "no-referrer"


def test_paying_leads_to_the_thanks_and_makes_a_member(shopping: Shopping) -> None:
    path = shopping.visit()

    said = shopping.client.post(path, data={"card": "ok"})

    assert said.status_code == 303
    assert said.headers["Location"].startswith(THANKS)
    assert shopping.session(path)["payment_status"] == "paid"
    assert shopping.is_member()


def test_what_happens_is_told_the_site_by_signed_events(shopping: Shopping) -> None:
    path = shopping.visit()

    shopping.client.post(path, data={"card": "ok"})

    with shopping.db.read() as connection:
        assert drawers.waiting(connection) == []
        heard = memberships.waiting_events(
            connection, mode="till", limit=100, now=far(shopping.now)
        )
    assert "checkout.session.completed" in {one.type for one in heard}


def test_paying_twice_is_one_payment(shopping: Shopping) -> None:
    path = shopping.visit()

    shopping.client.post(path, data={"card": "ok"})
    again = shopping.client.post(path, data={"card": "ok"})

    assert again.headers["Location"] == path
    assert "It is paid, once" in shopping.client.get(path).text
    assert len(shopping.paid()) == 1


def test_paying_twice_at_once_is_one_payment(shopping: Shopping) -> None:
    path = shopping.visit()

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: shopping.client.post(path, data={"card": "ok"}), range(2)))

    assert {one.status_code for one in both} <= {303, 422}
    assert len(shopping.paid()) == 1


def test_a_declined_card_gets_a_kind_sentence_and_leaves_it_open(shopping: Shopping) -> None:
    path = shopping.visit()

    said = shopping.client.post(path, data={"card": "declined"})

    assert said.headers["Location"] == f"{path}?said=declined"
    assert "nothing was charged" in shopping.client.get(said.headers["Location"]).text
    assert shopping.session(path)["status"] == "open"
    assert not shopping.is_member()
    assert shopping.client.post(path, data={"card": "ok"}).headers["Location"].startswith(THANKS)


def test_going_back_leads_back_and_pays_nothing(shopping: Shopping) -> None:
    path = shopping.visit()

    said = shopping.client.post(f"{path}/abandon")

    assert said.status_code == 303
    assert said.headers["Location"] == BACK
    assert shopping.paid() == []


def test_a_session_that_waited_too_long_says_so(shopping: Shopping) -> None:
    path = shopping.visit()

    desk.advance(shopping.db, shopping.settings, 25 * 3600, now=shopping.now)

    assert "nothing was charged" in shopping.client.get(path).text
    assert shopping.client.post(path, data={"card": "ok"}).headers["Location"] == path
    assert shopping.paid() == []


# The bank asks


def test_the_bank_asks_and_is_told_yes(shopping: Shopping) -> None:
    path = shopping.visit()

    asked = shopping.client.post(path, data={"card": "3ds"})
    page = shopping.client.get(asked.headers["Location"])
    said = shopping.client.post(asked.headers["Location"], data={"answer": "yes"})

    assert asked.headers["Location"] == f"{path}/3ds"
    assert "Is this you?" in page.text
    assert BANNER in page.text
    assert said.headers["Location"].startswith(THANKS)
    assert len(shopping.paid()) == 1


def test_the_bank_asks_and_is_told_no(shopping: Shopping) -> None:
    path = shopping.visit()

    asked = shopping.client.post(path, data={"card": "3ds"})
    said = shopping.client.post(asked.headers["Location"], data={"answer": "no"})

    assert said.headers["Location"] == f"{path}?said=declined"
    assert shopping.session(path)["status"] == "open"
    assert shopping.paid() == []


def test_the_bank_asks_only_once(shopping: Shopping) -> None:
    path = shopping.visit()
    shopping.client.post(path, data={"card": "3ds"})
    shopping.client.post(f"{path}/3ds", data={"answer": "yes"})

    assert shopping.client.get(f"{path}/3ds").headers["Location"] == path
    assert shopping.client.post(f"{path}/3ds", data={"answer": "yes"}).headers["Location"] == path
    assert len(shopping.paid()) == 1


def test_what_was_filled_in_is_still_there_after_the_bank_said_no(shopping: Shopping) -> None:
    path = shopping.own(customer_creation="always")
    typed = {"card": "3ds", "email": "grace@example.org", "name": "Grace"}

    shopping.client.post(path, data=typed)
    shopping.client.post(f"{path}/3ds", data={"answer": "no"})
    page = shopping.client.get(path)
    shopping.client.post(path, data=typed | {"card": "ok"})

    assert "grace@example.org" in page.text
    assert shopping.session(path)["customer_details"]["email"] == "grace@example.org"


# What a session asks for


def test_an_own_field_is_asked_for_and_kept(shopping: Shopping) -> None:
    label = {"type": "custom", "custom": "How did you hear of it?"}
    path = shopping.own(custom_fields=[{"key": "heard", "type": "text", "label": label}])

    page = shopping.client.get(path)
    without = shopping.client.post(path, data={"card": "ok", "email": "grace@example.org"})
    with_it = shopping.client.post(
        path, data={"card": "ok", "email": "grace@example.org", "field-heard": "A friend"}
    )

    assert "How did you hear of it?" in page.text
    assert without.status_code == 422
    assert "Please fill in “How did you hear of it?”." in without.text
    assert with_it.headers["Location"].startswith(THANKS)
    assert shopping.session(path)["custom_fields"][0]["text"]["value"] == "A friend"


def test_a_consent_is_asked_for_and_kept(shopping: Shopping) -> None:
    path = shopping.own(consent_collection={"terms_of_service": "required"})

    without = shopping.client.post(path, data={"card": "ok"})
    shopping.client.post(path, data={"card": "ok", "terms_of_service": "yes"})

    assert without.status_code == 422
    assert shopping.session(path)["consent"]["terms_of_service"] == "accepted"


def test_a_code_takes_something_off(shopping: Shopping) -> None:
    v1: Any = shopping.payments().v1
    coupon = v1.coupons.create({"percent_off": 50, "duration": "once"}).id
    promotion = {"type": "coupon", "coupon": coupon}
    v1.promotion_codes.create({"promotion": promotion, "code": "HARBOUR"})
    path = shopping.own(allow_promotion_codes=True)

    wrong = shopping.client.post(path, data={"card": "ok", "promotion_code": "NOTHING"})
    shopping.client.post(path, data={"card": "ok", "promotion_code": "harbour"})

    assert wrong.status_code == 422
    assert 'value="NOTHING"' in wrong.text
    assert [one.amount for one in shopping.paid()] == [350]


def test_the_payer_says_how_much(shopping: Shopping) -> None:
    v1: Any = shopping.payments().v1
    product = v1.products.create({"name": "Tip"}).id
    price = v1.prices.create(
        {
            "product": product,
            "currency": "usd",
            "custom_unit_amount": {"enabled": True, "minimum": 100, "preset": 500},
        }
    ).id
    path = shopping.own(line_items=[{"price": price, "quantity": 1}])

    unread = shopping.client.post(path, data={"card": "ok", "amount": "a lot"})
    little = shopping.client.post(path, data={"card": "ok", "amount": "0.60"})
    shopping.client.post(path, data={"card": "ok", "amount": "12.50"})

    assert (unread.status_code, little.status_code) == (422, 422)
    assert [one.amount for one in shopping.paid()] == [1250]


def test_no_card_number_is_asked_for_and_none_is_kept(shopping: Shopping) -> None:
    path = shopping.visit()
    page = shopping.client.get(path)

    shopping.client.post(path, data={"card": "ok", "number": CARD_NUMBER, "cvc": "737"})

    assert not re.search(r"cc-number|cc-csc|cardnumber", page.text)
    assert not [row for row in dump(shopping.db) if CARD_NUMBER in row or '"737"' in row]


# The portal


def test_a_plan_is_cancelled_and_taken_up_again_in_the_portal(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    path = shopping.portal()
    (plan_id,) = re.findall(r'value="(sub_\w+)"', shopping.client.get(path).text)

    shopping.client.post(f"{path}/cancel", data={"plan": plan_id})
    leaving = shopping.client.get(path).text
    shopping.client.post(f"{path}/resume", data={"plan": plan_id})
    staying = shopping.client.get(path).text

    assert "It runs out on" in leaving
    assert "The next payment is on" in staying


def test_the_portal_of_somebody_reaches_no_plan_of_others(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    (plan_id,) = re.findall(r'value="(sub_\w+)"', shopping.client.get(shopping.portal()).text)
    v1: Any = shopping.payments().v1
    grace = v1.customers.create({"email": "grace@example.org"}).id
    path = path_of(v1.billing_portal.sessions.create({"customer": grace}).url)

    said = shopping.client.post(f"{path}/cancel", data={"plan": plan_id})

    assert said.status_code == 409
    assert not v1.subscriptions.retrieve(plan_id).cancel_at_period_end


def test_a_new_card_may_be_declined_in_the_portal(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    path = shopping.portal()

    bad = shopping.client.post(f"{path}/card", data={"card": "declined"}).headers["Location"]
    good = shopping.client.post(f"{path}/card", data={"card": "ok"}).headers["Location"]

    assert "the one before stays" in shopping.client.get(bad).text
    assert "Done." in shopping.client.get(good).text


# Invoices and receipts


def overdue(shopping: Shopping) -> str:
    """A renewal that was declined; the path of its invoice."""
    shopping.client.post(shopping.visit(), data={"card": "later"})
    desk.advance(shopping.db, shopping.settings, 32 * DAY // SECOND, now=shopping.now)
    (newest, *_) = shopping.payments().v1.invoices.list({"limit": 1}).data
    return path_of(newest.hosted_invoice_url or "")


def test_an_open_invoice_can_be_paid_on_its_page(shopping: Shopping) -> None:
    path = overdue(shopping)

    page = shopping.client.get(path).text
    bad = shopping.client.post(path, data={"card": "declined"}).headers["Location"]
    shopping.client.post(path, data={"card": "ok"})
    again = shopping.client.post(path, data={"card": "ok"})

    assert "Still to be paid" in page
    assert "nothing was charged" in shopping.client.get(bad).text or bad == f"{path}?said=declined"
    assert again.headers["Location"] == path
    assert "Paid on" in shopping.client.get(path).text
    assert len(shopping.paid()) == 2


def test_what_stripe_would_print_is_a_page_that_says_so(shopping: Shopping) -> None:
    path = overdue(shopping)

    said = shopping.client.get(f"{path}.pdf")

    assert said.headers["Content-Type"].startswith("text/html")
    assert "The till has no printer" in said.text


def test_a_receipt_says_what_was_paid_and_what_came_back(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    (charge,) = shopping.paid()
    desk.refund(shopping.db, shopping.settings, charge.id, amount=200, now=shopping.now)

    said = shopping.client.get(path_of(charge.receipt_url))

    assert "$5" in said.text
    assert "$2 of it was given back." in said.text


def test_the_bank_asks_about_a_renewal(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    desk.fail_next(shopping.db, "3ds renewal")
    desk.advance(shopping.db, shopping.settings, 30 * DAY // SECOND + 7_200, now=shopping.now)
    v1: Any = shopping.payments().v1
    (intent, *_) = v1.payment_intents.list({"limit": 1}).data
    path = f"/till/3ds/{intent.id}"

    page = shopping.client.get(path)
    said = shopping.client.post(path, data={"answer": "yes"})

    assert "Is this you?" in page.text
    assert said.headers["Location"].startswith("/till/invoices/in_")
    assert len(shopping.paid()) == 2
    assert shopping.client.get(path).headers["Location"].startswith("/till/invoices/in_")


# Who may


@pytest.mark.parametrize(
    "path",
    [
        "/till/cs_test_none",
        "/till/cs_test_none/3ds",
        "/till/portal/bps_none",
        "/till/invoices/in_none",
        "/till/invoices/in_none.pdf",
        "/till/receipts/ch_none",
        "/till/3ds/pi_none",
    ],
)
def test_what_was_never_made_is_not_there(shopping: Shopping, path: str) -> None:
    assert shopping.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/till/cs_test_none",
        "/till/cs_test_none/3ds",
        "/till/cs_test_none/abandon",
        "/till/portal/bps_none/card",
        "/till/portal/bps_none/cancel",
        "/till/portal/bps_none/resume",
        "/till/invoices/in_none",
        "/till/3ds/pi_none",
    ],
)
def test_nothing_is_done_where_nothing_is(shopping: Shopping, path: str) -> None:
    assert shopping.client.post(path, data={"answer": "yes"}).status_code == 404


def test_an_object_of_another_kind_opens_no_page(shopping: Shopping) -> None:
    shopping.client.post(shopping.visit(), data={"card": "ok"})
    (charge,) = shopping.paid()

    assert shopping.client.get(f"/till/{charge.id}").status_code == 404
    assert shopping.client.get(f"/till/{charge.customer}").status_code == 404


def test_another_site_cannot_pay_for_somebody(shopping: Shopping) -> None:
    path = shopping.visit()

    said = shopping.client.post(path, headers={"Origin": "https://elsewhere.example.com"})

    assert said.status_code == 403
    assert shopping.session(path)["status"] == "open"


@pytest.mark.parametrize("key", ["sk_test_abc", "sk_live_abc"])
def test_beside_a_key_there_is_no_till(configured: Settings, db: Database, key: str) -> None:
    keyed = replace(configured, stripe=replace(configured.stripe, key=key))
    with TestClient(create_app(keyed, db), base_url=HERE) as client:
        assert client.get("/till/cs_test_none").status_code == 404
        assert "till" not in client.get("/till/portal/bps_none").text.lower()


def test_a_site_that_cannot_hear_keeps_the_events_for_later(
    shopping: Shopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shopping.visit()

    def deaf(*_: object, **__: object) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(webhooks, "receive", deaf)
        said = shopping.client.post(path, data={"card": "ok"})
    with shopping.db.read() as connection:
        assert drawers.waiting(connection)
    shopping.client.post(path)

    assert said.headers["Location"].startswith(THANKS)
    with shopping.db.read() as connection:
        assert drawers.waiting(connection) == []
