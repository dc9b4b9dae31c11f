"""Another amount, another rhythm: what is billed at once, what later, and what a preview says."""

from typing import Any

import pytest
import stripe

from connector.till import desk
from tests.till.shop import Shop


def raised(shop: Shop, subscription: Any, cents: int, **more: Any) -> dict[str, Any]:
    data = {
        "currency": "usd",
        "product": shop.prices["product"],
        "unit_amount": cents,
        "recurring": {"interval": "month"},
    }
    return {"items": [{"id": subscription["items"].data[0].id, "price_data": data}], **more}


def charged(shop: Shop, subscription: Any, **more: Any) -> dict[str, Any]:
    """$20 a month from now on, and the difference at once."""
    return raised(shop, subscription, 2000, proration_behavior="always_invoice", **more)


def half_way(shop: Shop) -> Any:
    """A plan of $5 a month in the middle of its first month, which has 31 days here or 30."""
    subscription = shop.join()
    item = subscription["items"].data[0]
    shop.wait((item.current_period_end - item.current_period_start) / 2 / 86_400)
    return subscription


def test_more_from_now_on_is_billed_at_once_when_asked(shop: Shop) -> None:
    subscription = half_way(shop)
    change = charged(shop, subscription)

    shop.v1.subscriptions.update(subscription.id, change)

    invoice = shop.invoices(subscription.id)[0]
    assert [line.amount for line in invoice.lines.data] == [-250, 1000]
    assert all(line.parent.subscription_item_details.proration for line in invoice.lines.data)
    assert (invoice.amount_paid, invoice.billing_reason) == (750, "subscription_update")


def test_else_it_waits_for_the_renewal(shop: Shop) -> None:
    subscription = half_way(shop)

    shop.v1.subscriptions.update(subscription.id, raised(shop, subscription, 2000))
    before = len(shop.invoices(subscription.id))
    shop.wait(17)

    assert before == 1
    assert shop.invoices(subscription.id)[0].amount_paid == 750 + 2000


def test_without_proration_only_the_next_period_changes(shop: Shop) -> None:
    subscription = half_way(shop)
    change = raised(shop, subscription, 2000, proration_behavior="none")

    shop.v1.subscriptions.update(subscription.id, change)
    shop.wait(17)

    assert [one.amount_paid for one in shop.invoices(subscription.id)] == [2000, 500]


def test_less_from_now_on_becomes_credit(shop: Shop) -> None:
    subscription = half_way(shop)
    change = raised(shop, subscription, 100, proration_behavior="always_invoice")

    shop.v1.subscriptions.update(subscription.id, change)
    credit = shop.v1.customers.retrieve(subscription.customer).balance
    shop.wait(17)

    renewal = shop.invoices(subscription.id)[0]
    assert credit == -200
    assert (renewal.total, renewal.amount_due, renewal.ending_balance) == (100, 0, -100)


def test_another_rhythm_begins_a_new_period_now(shop: Shop) -> None:
    subscription = half_way(shop)
    item = subscription["items"].data[0].id

    changed = shop.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "price": shop.prices["year"]}]}
    )

    invoice = shop.invoices(subscription.id)[0]
    assert [line.amount for line in invoice.lines.data] == [-250, 5000]
    assert invoice.amount_paid == 4750
    assert changed["items"].data[0].current_period_start > subscription.created


@pytest.mark.parametrize("behavior", ["always_invoice", "create_prorations"])
def test_a_preview_says_what_will_be_billed_and_changes_nothing(shop: Shop, behavior: str) -> None:
    subscription = half_way(shop)
    change = raised(shop, subscription, 2000, proration_behavior=behavior)

    shown = shop.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": change}
    )
    untouched = shop.subscription(subscription.id)
    shop.v1.subscriptions.update(subscription.id, change)
    shop.wait(17)

    billed = [one for one in shop.invoices(subscription.id) if one.amount_due == shown.amount_due]
    assert shown.id.startswith("upcoming_in_")
    assert untouched["items"].data[0].price.unit_amount == 500
    assert len(billed) == 1


def test_who_leaves_has_nothing_coming(shop: Shop) -> None:
    subscription = shop.join()
    shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.invoices.create_preview({"subscription": subscription.id})

    assert refused.value.code == "invoice_upcoming_none"


def test_a_change_that_is_not_paid_can_be_refused(shop: Shop) -> None:
    subscription = shop.join(card="later")
    change = charged(shop, subscription, payment_behavior="error_if_incomplete")

    with pytest.raises(stripe.CardError):
        shop.v1.subscriptions.update(subscription.id, change)

    assert shop.subscription(subscription.id)["items"].data[0].price.unit_amount == 500
    assert len(shop.invoices(subscription.id)) == 1


def test_or_it_can_wait_for_the_money(shop: Shop) -> None:
    subscription = shop.join(card="later")
    change = charged(shop, subscription, payment_behavior="pending_if_incomplete")

    waiting = shop.v1.subscriptions.update(subscription.id, change)
    desk.pay_invoice(shop.db, shop.settings, waiting.latest_invoice, now=shop.now)

    done = shop.subscription(subscription.id)
    assert waiting.status == "active"
    assert waiting["items"].data[0].price.unit_amount == 500
    assert waiting.pending_update.subscription_items[0].price.unit_amount == 2000
    assert done["items"].data[0].price.unit_amount == 2000
    assert done.pending_update is None
    assert "customer.subscription.pending_update_applied" in shop.types()


def test_what_is_not_paid_within_23_hours_does_not_happen(shop: Shop) -> None:
    subscription = shop.join(card="later")
    change = charged(shop, subscription, payment_behavior="pending_if_incomplete")
    shop.v1.subscriptions.update(subscription.id, change)

    shop.wait(1)

    assert shop.subscription(subscription.id)["items"].data[0].price.unit_amount == 500
    assert shop.invoices(subscription.id)[0].status == "void"
    assert "customer.subscription.pending_update_expired" in shop.types()


def test_a_cancelled_plan_is_over(shop: Shop) -> None:
    subscription = shop.join()
    shop.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        shop.v1.subscriptions.update(subscription.id, raised(shop, subscription, 2000))

    assert shop.v1.customers.retrieve(subscription.customer).balance == -500


def test_collecting_can_pause_while_the_plan_goes_on(shop: Shop) -> None:
    subscription = shop.join()
    shop.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})

    shop.wait(32)

    assert shop.subscription(subscription.id).status == "active"
    assert [one.status for one in shop.invoices(subscription.id)] == ["void", "paid"]
