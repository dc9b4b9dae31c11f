"""Whatever happens, in whatever order: every sum can be explained, and no period is billed twice."""

import contextlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector import database
from connector.errors import Refused
from connector.settings import Settings
from connector.till import desk
from tests.till.shop import Shop

CARDS = st.sampled_from(["ok", "later", "3ds"])
DEED = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 70)),
    st.tuples(st.just("amount"), st.integers(50, 5000), st.sampled_from(["month", "year"])),
    st.tuples(st.just("leave"), st.booleans()),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("pause")),
    st.tuples(st.just("resume")),
    st.tuples(st.just("card"), CARDS),
    st.tuples(st.just("fault")),
    st.tuples(st.just("refund"), st.integers(1, 600)),
    st.tuples(st.just("dispute"), st.booleans()),
    st.tuples(st.just("pay")),
)


class Life:
    """One subscription, and what can be done to it; what is refused is no matter."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.key = shop.join().id
        self.customer = shop.subscription(self.key).customer

    def live(self, deed: tuple[Any, ...]) -> None:
        with contextlib.suppress(stripe.InvalidRequestError, stripe.CardError, Refused):
            getattr(self, deed[0])(*deed[1:])

    def wait(self, days: int) -> None:
        self.shop.wait(days)

    def amount(self, cents: int, interval: str) -> None:
        data = {
            "currency": "usd",
            "product": self.shop.prices["product"],
            "unit_amount": cents,
            "recurring": {"interval": interval},
        }
        behaviors = ["always_invoice", "create_prorations", "none"]
        change = {
            "items": [{"id": self.subscription()["items"].data[0].id, "price_data": data}],
            "proration_behavior": behaviors[cents % 3],
        }
        if cents % 2:
            change["payment_behavior"] = "pending_if_incomplete"
        self.shop.v1.subscriptions.update(self.key, change)

    def leave(self, is_leaving: bool) -> None:
        self.shop.v1.subscriptions.update(self.key, {"cancel_at_period_end": is_leaving})

    def cancel(self, prorate: bool) -> None:
        asked = {"prorate": prorate, "invoice_now": prorate}
        self.shop.v1.subscriptions.cancel(self.key, asked)

    def pause(self) -> None:
        self.shop.v1.subscriptions.pause(self.key)

    def resume(self) -> None:
        self.shop.v1.subscriptions.resume(self.key)

    def card(self, card: Any) -> None:
        desk.replace_card(
            self.shop.db, self.shop.settings, self.customer, card=card, now=self.shop.now
        )

    def fault(self) -> None:
        desk.fail_next(self.shop.db, "declined renewal")

    def refund(self, cents: int) -> None:
        self.shop.v1.refunds.create({"payment_intent": self.paid(), "amount": cents})

    def dispute(self, won: bool) -> None:
        opened = desk.dispute(self.shop.db, self.shop.settings, self.paid(), now=self.shop.now)
        desk.decide(self.shop.db, self.shop.settings, opened["id"], won=won, now=self.shop.now)

    def pay(self) -> None:
        self.shop.v1.invoices.pay(self.shop.invoices(self.key)[0].id)

    def paid(self) -> str:
        charges = self.shop.v1.charges.list({"customer": self.customer, "limit": 100}).data
        return next(str(one.payment_intent) for one in charges if one.paid)

    def subscription(self) -> Any:
        return self.shop.subscription(self.key)


def check(life: Life) -> None:
    shop = life.shop
    invoices = shop.invoices(life.key)
    charges = shop.v1.charges.list({"customer": life.customer, "limit": 100}).data
    refunds = shop.v1.refunds.list({"limit": 100}).data
    taken = sum(one.amount for one in charges if one.paid)

    for invoice in invoices:
        lines = sum(line.amount for line in invoice.lines.data)
        assert invoice.total == lines
        assert invoice.amount_due >= 0
        assert (
            invoice.amount_due == invoice.amount_paid + invoice.amount_remaining
            or invoice.status == "void"
        )
        if invoice.status in ("open", "paid", "uncollectible"):
            assert (
                invoice.ending_balance - invoice.starting_balance
                == invoice.total - invoice.amount_due
            )
    settled = [one for one in invoices if one.status in ("open", "paid", "uncollectible")]
    balance = shop.v1.customers.retrieve(life.customer).balance
    assert taken == sum(one.amount_paid for one in invoices)
    assert sum(one.total for one in settled) == sum(one.amount_due for one in settled) + balance
    assert sum(one.amount for one in refunds) == sum(one.amount_refunded for one in charges)
    assert all(one.amount_refunded <= one.amount for one in charges)
    kept = taken - sum(one.amount for one in refunds)
    assert 0 <= kept <= sum(one.total for one in settled if one.total > 0) + max(balance, 0) + taken
    # A change of rhythm begins a period of its own, and gives back what was paid of the old.
    renewals = [one for one in invoices if one.billing_reason != "subscription_update"]
    whole = Counter(
        (line.period.start, line.period.end)
        for invoice in renewals
        for line in invoice.lines.data
        if not line.parent.subscription_item_details.proration and invoice.status != "void"
    )
    assert all(times == 1 for times in whole.values())


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deeds=st.lists(DEED, max_size=10), at_last=st.sampled_from(["cancel", "unpaid", "past_due"]))
def test_every_sum_can_be_explained(
    configured: Settings, now: int, deeds: list[tuple[Any, ...]], at_last: desk.AtLast
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = database.open(f"sqlite:///{Path(folder) / 'till.db'}")
        desk.after_the_last_try(db, at_last)
        life = Life(Shop(db, configured, now).open())

        for deed in deeds:
            life.live(deed)

        check(life)
        db.close()
