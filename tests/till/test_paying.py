"""Checkout at the Till: cards, amounts, codes, one-off sums, and people who walk away."""

import json
from typing import Any

import pytest
import stripe

from connector.errors import NotFound, Refused
from connector.till import desk, events
from connector.till.desk import Payer
from tests.till.shop import Shop


def pay(shop: Shop, key: str, **payer: Any) -> desk.Outcome:
    return desk.pay(shop.db, shop.settings, key, payer=Payer(**payer), now=shop.now)


def founding(shop: Shop, cents: int, interval: str = "month") -> list[dict[str, Any]]:
    data = {
        "currency": "usd",
        "product": shop.prices["product"],
        "unit_amount": cents,
        "recurring": {"interval": interval},
    }
    return [{"price_data": data, "quantity": 1}]


def test_whatever_they_can_each_month(shop: Shop) -> None:
    session = shop.session(line_items=founding(shop, 1200))

    outcome = pay(shop, session.id)

    done = shop.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription", "line_items"]}
    )
    assert outcome.url == f"https://letters.example.org/thanks?s={session.id}"
    assert (done.status, done.payment_status, done.amount_total) == ("complete", "paid", 1200)
    assert done.subscription["items"].data[0].price.unit_amount == 1200
    assert done.client_reference_id == "7"


def test_a_declined_card_leaves_the_session_open(shop: Shop) -> None:
    session = shop.session()
    shop.heard()

    outcome = pay(shop, session.id, card="declined")

    assert outcome.what == "declined"
    assert shop.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert shop.heard() == []
    assert pay(shop, session.id).what == "paid"


def test_the_bank_may_ask_first(shop: Shop) -> None:
    session = shop.session()

    asked = pay(shop, session.id, card="3ds")
    answered = pay(shop, session.id, card="3ds", is_authenticated=True)

    assert (asked.what, answered.what) == ("3ds", "paid")


def test_paying_twice_is_refused(shop: Shop) -> None:
    session = shop.session()
    pay(shop, session.id)

    with pytest.raises(Refused):
        pay(shop, session.id)


def test_a_page_that_is_nowhere(shop: Shop) -> None:
    with pytest.raises(NotFound):
        pay(shop, "cs_test_nowhere")


def test_an_abandoned_session_expires(shop: Shop) -> None:
    session = shop.session(cancel_url="https://letters.example.org/subscribe")
    shop.heard()

    url = desk.abandon(shop.db, shop.settings, session.id, now=shop.now)
    shop.wait(1.1)

    assert url == "https://letters.example.org/subscribe"
    assert shop.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert shop.types() == ["checkout.session.expired"]


def test_a_customer_is_used_again(shop: Shop) -> None:
    customer = shop.v1.customers.create({"email": "ada@example.org"}).id

    session = shop.session(customer=customer)
    pay(shop, session.id)

    done = shop.v1.checkout.sessions.retrieve(session.id)
    assert (done.customer, done.customer_details.email) == (customer, "ada@example.org")
    assert len(shop.v1.customers.list().data) == 1


def test_a_tip_of_any_size(shop: Shop) -> None:
    price = shop.v1.prices.create(
        {
            "currency": "usd",
            "product": shop.prices["product"],
            "custom_unit_amount": {"enabled": True, "minimum": 300},
        }
    )
    session = shop.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "https://letters.example.org/thanks",
            "customer_creation": "always",
            "payment_intent_data": {"metadata": {"tip": "1"}},
        }
    )

    with pytest.raises(Refused):
        pay(shop, session.id, amount=299)
    pay(shop, session.id, amount=700)

    done = shop.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    )
    assert (done.amount_total, done.payment_status) == (700, "paid")
    assert done.payment_intent.metadata.to_dict() == {"tip": "1"}
    assert done.payment_intent.latest_charge.amount == 700


def test_too_little_to_charge(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(line_items=founding(shop, 49))

    assert refused.value.code == "amount_too_small"


def test_a_new_card_without_a_payment(shop: Shop) -> None:
    subscription = shop.join()
    session = shop.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": subscription.customer,
            "currency": "usd",
            "success_url": "https://letters.example.org/account",
        }
    )

    pay(shop, session.id, card="later")

    done = shop.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    method = done.setup_intent.payment_method
    changed = shop.v1.subscriptions.update(subscription.id, {"default_payment_method": method})
    assert done.payment_status == "no_payment_required"
    assert changed.default_payment_method == method


def coupon(shop: Shop, **terms: Any) -> str:
    made = shop.v1.coupons.create(terms)
    promotion = {"type": "coupon", "coupon": made.id}
    return str(shop.v1.promotion_codes.create({"promotion": promotion, "code": "SPRING"}).id)


def test_a_code_for_three_months(shop: Shop) -> None:
    code = coupon(shop, percent_off=50, duration="repeating", duration_in_months=3)

    subscription = shop.join(discounts=[{"promotion_code": code}])
    shop.wait(100)

    paid = [one.amount_paid for one in shop.invoices(subscription.id)]
    (given,) = shop.v1.subscriptions.retrieve(subscription.id, {"expand": ["discounts"]}).discounts
    assert paid == [500, 250, 250, 250]
    assert (given.promotion_code, given.source.type) == (code, "coupon")
    assert shop.v1.promotion_codes.retrieve(code).times_redeemed == 1


def test_a_code_that_is_typed_works_once(shop: Shop) -> None:
    coupon(shop, amount_off=200, currency="usd", duration="once", max_redemptions=1)
    session = shop.session(allow_promotion_codes=True)

    pay(shop, session.id, promotion_code="spring")

    done = shop.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (done.amount_total, done.total_details.amount_discount) == (300, 200)
    assert done.subscription.discounts == []
    with pytest.raises(Refused):
        pay(shop, shop.session(allow_promotion_codes=True).id, promotion_code="spring")


def test_all_of_it_off_needs_no_payment(shop: Shop) -> None:
    code = coupon(shop, percent_off=100, duration="forever")

    session = shop.session(
        discounts=[{"promotion_code": code}], payment_method_collection="if_required"
    )
    pay(shop, session.id)
    shop.wait(40)

    done = shop.v1.checkout.sessions.retrieve(session.id)
    assert done.payment_status == "no_payment_required"
    assert shop.subscription(done.subscription).status == "active"


# Giving back


def test_a_refund_in_two_parts(shop: Shop) -> None:
    subscription = shop.join()
    intent = shop.v1.payment_intents.list({"customer": subscription.customer}).data[0]

    shop.v1.refunds.create({"payment_intent": intent.id, "amount": 200})
    desk.refund(shop.db, shop.settings, subscription.latest_invoice, now=shop.now)

    charge = shop.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert [one.amount for one in charge.refunds.data] == [300, 200]
    assert (charge.amount_refunded, charge.refunded) == (500, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert {"refund.created", "charge.refunded"} <= set(shop.types())


def test_a_refund_of_more_than_was_paid(shop: Shop) -> None:
    subscription = shop.join()
    intent = shop.v1.payment_intents.list({"customer": subscription.customer}).data[0]

    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.refunds.create({"payment_intent": intent.id, "amount": 501})


@pytest.mark.parametrize(("won", "last"), [(True, "funds_reinstated"), (False, "closed")])
def test_a_dispute_and_its_end(shop: Shop, won: bool, last: str) -> None:
    subscription = shop.join()
    paid = subscription.latest_invoice

    warning = desk.warn(shop.db, shop.settings, paid, now=shop.now)
    opened = desk.dispute(shop.db, shop.settings, paid, now=shop.now)
    with pytest.raises(Refused):
        desk.refund(shop.db, shop.settings, paid, now=shop.now)
    desk.decide(shop.db, shop.settings, opened["id"], won=won, now=shop.now)

    ended = shop.v1.disputes.retrieve(opened["id"])
    assert warning["actionable"]
    assert ended.status == ("won" if won else "lost")
    assert shop.types()[-1] == f"charge.dispute.{last}"


# Events on their way


def test_events_arrive_shuffled_doubled_or_never(shop: Shop) -> None:
    shop.join()
    seen: list[str] = []

    def post(body: bytes, _: str) -> int:
        seen.append(json.loads(body)["id"])
        return 200

    told = events.deliver(shop.db, shop.settings, post, order="shuffled", twice=3, drop=2, seed=5)
    missed = shop.v1.events.list({"delivery_success": False}).data

    assert told.lost == len(missed) == 2
    assert len(seen) == told.taken == len(set(seen)) + 3
    assert not {one.id for one in missed} & set(seen)
    assert shop.heard() == []


def test_an_event_that_is_not_taken_comes_again_for_three_days(shop: Shop) -> None:
    shop.v1.customers.create({"email": "ada@example.org"})

    refused = events.deliver(shop.db, shop.settings, lambda _b, _h: 500)
    again = events.deliver(shop.db, shop.settings, lambda _b, _h: 503)
    shop.wait(3.1)

    assert refused.refused == again.refused > 0
    assert shop.heard() == []


def test_nothing_of_a_card_or_a_secret_is_kept(shop: Shop) -> None:
    shop.join()

    with shop.db.read() as connection:
        rows = connection.rows("SELECT body, own FROM till_objects")

    text = json.dumps(rows)
    assert events.signing_secret(shop.settings) not in text
    assert "4242424242424242" not in text
    assert "sk_test" not in text
