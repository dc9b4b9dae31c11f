"""A subscription from its first payment to its end, with the clock turned through years."""

from datetime import UTC, datetime

import pytest
import stripe

from connector.till import desk
from tests.till.shop import DAY, Shop


def end_of(subscription: stripe.Subscription) -> int:
    return int(subscription["items"].data[0].current_period_end)


def test_joining_pays_the_first_invoice(shop: Shop) -> None:
    subscription = shop.join()

    (invoice,) = shop.invoices(subscription.id)
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"person": "7"}
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid",
        500,
        "subscription_create",
    )
    assert {
        "customer.created",
        "customer.subscription.created",
        "invoice.paid",
        "invoice_payment.paid",
        "checkout.session.completed",
        "charge.succeeded",
    } <= set(shop.types())


def test_three_years_of_months_are_billed_once_each(shop: Shop) -> None:
    subscription = shop.join()

    shop.wait(3 * 365 + 2)

    invoices = shop.invoices(subscription.id)
    periods = [one.lines.data[0].period.start for one in invoices]
    assert len(invoices) == 37
    assert len(set(periods)) == 37
    assert all(one.status == "paid" for one in invoices)


def test_a_month_that_lacks_the_day_ends_earlier(shop: Shop) -> None:
    start = round(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp())
    shop.wait((start - shop.now / 1000) / DAY)
    subscription = shop.join()

    ends = []
    for _ in range(3):
        ends.append(datetime.fromtimestamp(end_of(shop.subscription(subscription.id)), UTC).day)
        shop.wait(30.5)

    assert ends == [28, 31, 30]


def test_a_year_is_billed_once_a_year(shop: Shop) -> None:
    subscription = shop.join("year")

    shop.wait(366)

    assert [one.amount_paid for one in shop.invoices(subscription.id)] == [5000, 5000]


def test_a_renewal_is_a_draft_for_an_hour(shop: Shop) -> None:
    subscription = shop.join()
    seconds = end_of(subscription) - shop.now // 1000

    shop.wait(seconds / DAY)
    draft = shop.invoices(subscription.id)[0]
    shop.wait(1 / 24)

    assert draft.status == "draft"
    assert shop.invoices(subscription.id)[0].status == "paid"


def test_a_failed_renewal_is_overdue_and_then_recovers(shop: Shop) -> None:
    subscription = shop.join()
    desk.fail_next(shop.db, "declined renewal")

    shop.wait(31)
    overdue = shop.subscription(subscription.id)
    failed = shop.types()
    shop.wait(2)

    assert overdue.status == "past_due"
    assert {"invoice.payment_failed", "charge.failed", "payment_intent.payment_failed"} <= set(
        failed
    )
    assert shop.subscription(subscription.id).status == "active"
    assert shop.invoices(subscription.id)[0].attempt_count == 2
    assert "invoice.paid" in shop.types()


@pytest.mark.parametrize(
    ("at_last", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_after_eight_retries_it_ends_as_set(shop: Shop, at_last: desk.AtLast, status: str) -> None:
    desk.after_the_last_try(shop.db, at_last)
    subscription = shop.join(card="later")

    shop.wait(31 + 15)

    ended = shop.subscription(subscription.id)
    assert ended.status == status
    assert shop.invoices(subscription.id)[0].attempt_count == 9
    if status == "canceled":
        assert ended.cancellation_details.reason == "payment_failed"


def test_another_card_saves_it(shop: Shop) -> None:
    subscription = shop.join(card="later")
    shop.wait(31)
    desk.replace_card(shop.db, shop.settings, subscription.customer, now=shop.now)

    shop.v1.invoices.pay(shop.invoices(subscription.id)[0].id)

    assert shop.subscription(subscription.id).status == "active"


def test_a_renewal_may_need_its_holder(shop: Shop) -> None:
    subscription = shop.join()
    desk.fail_next(shop.db, "3ds renewal")
    shop.wait(31)
    invoice = shop.invoices(subscription.id)[0]

    seen = shop.types()
    outcome = desk.pay_invoice(shop.db, shop.settings, invoice.id, card="3ds", now=shop.now)

    assert "invoice.payment_action_required" in seen
    assert outcome.what == "paid"
    assert shop.subscription(subscription.id).status == "active"


def test_leaving_at_the_end_of_the_period(shop: Shop) -> None:
    subscription = shop.join()
    leaving = shop.v1.subscriptions.update(
        subscription.id,
        {
            "cancel_at_period_end": True,
            "cancellation_details": {"feedback": "unused", "comment": "no time"},
        },
    )

    shop.wait(32)

    ended = shop.subscription(subscription.id)
    assert leaving.status == "active"
    assert leaving.cancel_at == end_of(leaving)
    assert ended.status == "canceled"
    assert ended.ended_at == end_of(leaving)
    assert len(shop.invoices(subscription.id)) == 1
    assert shop.types()[-1] == "customer.subscription.deleted"


def test_coming_back_before_the_end(shop: Shop) -> None:
    subscription = shop.join()
    shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    stayed = shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    shop.wait(32)

    assert (stayed.cancel_at, stayed.canceled_at) == (None, None)
    assert shop.subscription(subscription.id).status == "active"


def test_leaving_at_once(shop: Shop) -> None:
    subscription = shop.join()

    ended = shop.v1.subscriptions.cancel(subscription.id)

    assert (ended.status, ended.cancellation_details.reason) == (
        "canceled",
        "cancellation_requested",
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.subscriptions.cancel(subscription.id)
    assert refused.value.code == "resource_missing"


def test_a_trial_warns_and_then_bills(shop: Shop) -> None:
    subscription = shop.join(subscription_data={"trial_period_days": 14})
    first = shop.invoices(subscription.id)[0]

    shop.wait(12)
    warned = shop.types()
    shop.wait(3)

    assert subscription.status == "trialing"
    assert (first.amount_due, first.status) == (0, "paid")
    assert "customer.subscription.trial_will_end" in warned
    assert shop.subscription(subscription.id).status == "active"
    assert [one.amount_paid for one in shop.invoices(subscription.id)] == [500, 0]


@pytest.mark.parametrize(
    ("missing", "status"),
    [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")],
)
def test_a_trial_without_a_card_ends_as_agreed(shop: Shop, missing: str, status: str) -> None:
    subscription = shop.join(
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": missing}},
        },
    )

    shop.wait(8)

    assert shop.subscription(subscription.id).status == status


def test_pausing_stops_the_bills_and_resuming_begins_anew(shop: Shop) -> None:
    subscription = shop.join()
    paused = shop.v1.subscriptions.pause(
        subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    told = shop.types()
    shop.wait(100)
    quiet = len(shop.invoices(subscription.id))

    resumed = shop.v1.subscriptions.resume(subscription.id)

    assert paused.status == "paused"
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert quiet == 1
    assert resumed.status == "active"
    assert [one.amount_paid for one in shop.invoices(subscription.id)] == [500, 500]
    assert "customer.subscription.paused" in told
    assert "customer.subscription.resumed" in shop.types()


def test_a_reminder_comes_a_week_before(shop: Shop) -> None:
    shop.join()
    shop.heard()

    shop.wait(25)

    (event,) = shop.heard()
    assert event["type"] == "invoice.upcoming"
    assert event["data"]["object"]["amount_due"] == 500
