"""Requests: what is refused, in Stripe's words; the same key twice; pages; what goes wrong."""

from dataclasses import replace
from typing import Any

import pytest
import stripe

from connector.errors import Misconfigured
from connector.till import desk
from connector.till.transport import TillClient
from tests.till.shop import Shop


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"customer": "cus_1", "customer_email": "ada@example.org"}, "customer"),
        ({"allow_promotion_codes": True, "discounts": [{"coupon": "A"}]}, "allow_promotion_codes"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"line_items": [{"price": "price_1", "colour": "red"}]}, "line_items[colour]"),
        ({"expires_at": 1_790_000_060}, "expires_at"),
        ({"mode": "payment", "subscription_data": {}}, None),
        ({"mode": "rent"}, "mode"),
        ({"customer_creation": "always"}, "customer_creation"),
        ({"subscription_data": {"trial_period_days": 0}}, "subscription_data[trial_period_days]"),
        ({"line_items": [{"price": "price_nowhere", "quantity": 1}]}, "line_items[0][price]"),
    ],
)
def test_a_session_that_cannot_be(shop: Shop, more: dict[str, Any], param: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(**more)

    assert refused.value.http_status in (400, 404)
    assert param is None or refused.value.param == param


def test_what_is_missing_is_named(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: currency"):
        shop.v1.prices.create({"unit_amount": 500, "product": shop.prices["product"]})


def test_what_is_nowhere_is_not_found(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.v1.subscriptions.retrieve("sub_nowhere")

    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_what_the_till_does_not_play_is_a_wrong_address(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.v1.payouts.list()


def test_everything_is_play_money(shop: Shop) -> None:
    session = shop.session()

    assert session.livemode is False
    assert session.id.startswith("cs_test_")
    assert session.url == f"https://letters.example.org/till/{session.id}"


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", " sk_live_1\n"])
def test_it_refuses_to_be_beside_a_live_key(shop: Shop, key: str) -> None:
    with pytest.raises(Misconfigured, match="live"):
        TillClient(shop.db, shop.settings, lambda: shop.now, key=key)


def test_it_refuses_a_request_with_a_live_key(shop: Shop) -> None:
    http = TillClient(shop.db, shop.settings, lambda: shop.now)
    client = stripe.StripeClient("sk_live_1", http_client=http)

    with pytest.raises(Misconfigured, match="live"):
        client.v1.products.list()


# The same key twice


def test_the_same_key_gets_the_same_answer(shop: Shop) -> None:
    first = shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})

    again = shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})

    assert again.id == first.id
    assert len(shop.v1.customers.list().data) == 1


def test_the_same_key_for_something_else_is_an_error(shop: Shop) -> None:
    shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError):
        shop.v1.customers.create({"email": "bea@example.org"}, {"idempotency_key": "k"})


def test_a_key_is_forgotten_after_a_day(shop: Shop) -> None:
    first = shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})
    shop.wait(1.1)

    again = shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})

    assert again.id != first.id


def test_a_refused_request_is_not_remembered(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.customers.create({"colour": "red"}, {"idempotency_key": "k"})

    made = shop.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "k"})

    assert made.email == "ada@example.org"


# What goes wrong


@pytest.mark.parametrize("fault", ["api error", "timeout", "lost answer"])
def test_the_sdk_tries_again_and_nothing_is_made_twice(shop: Shop, fault: desk.Fault) -> None:
    desk.fail_next(shop.db, fault)

    made = shop.v1.customers.create({"email": "ada@example.org"})

    assert [one.id for one in shop.v1.customers.list().data] == [made.id]


def test_what_fails_for_long_reaches_the_caller(shop: Shop) -> None:
    desk.fail_next(shop.db, "api error", times=3)

    with pytest.raises(stripe.APIError):
        shop.v1.customers.list()


def test_a_rate_limit_reaches_the_caller(shop: Shop) -> None:
    desk.fail_next(shop.db, "rate limit")

    with pytest.raises(stripe.RateLimitError):
        shop.v1.customers.list()


def test_what_was_mended_works(shop: Shop) -> None:
    desk.fail_next(shop.db, "api error", times=9)

    desk.mend(shop.db)

    assert shop.v1.customers.list().data == []


# Pages and expansion


def test_pages_follow_each_other_newest_first(shop: Shop) -> None:
    made = [shop.v1.customers.create({"name": str(number)}).id for number in range(5)]

    first = shop.v1.customers.list({"limit": 2})
    second = shop.v1.customers.list({"limit": 2, "starting_after": first.data[-1].id})
    everybody = [one.id for one in shop.v1.customers.list({"limit": 2}).auto_paging_iter()]

    assert [one.id for one in first.data] == made[:2:-1]
    assert first.has_more
    assert [one.id for one in second.data] == made[2:0:-1]
    assert everybody == made[::-1]


def test_expanding_goes_through_lists(shop: Shop) -> None:
    subscription = shop.join()

    full = shop.v1.subscriptions.retrieve(
        subscription.id,
        {
            "expand": [
                "latest_invoice.payments",
                "discounts",
                "items.data.price.product",
                "customer",
            ]
        },
    )

    (payment,) = full.latest_invoice.payments.data
    assert payment.payment.type == "payment_intent"
    assert full.customer.id == subscription.customer
    assert full["items"].data[0].price.product.name == "Supporter"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        shop.v1.subscriptions.retrieve(subscription.id, {"expand": ["colour"]})


def test_a_payment_leads_to_its_invoice(shop: Shop) -> None:
    subscription = shop.join()
    intent = shop.v1.payment_intents.list({"customer": subscription.customer}).data[0].id

    found = shop.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    )

    assert [one.invoice for one in found.data] == [subscription.latest_invoice]


def test_prices_are_found_by_their_keys(shop: Shop) -> None:
    found = shop.v1.prices.list({"lookup_keys": ["supporter-year"], "active": True})

    assert [one.id for one in found.data] == [shop.prices["year"]]


def test_a_lookup_key_moves_only_when_asked(shop: Shop) -> None:
    asked = {
        "product": shop.prices["product"],
        "currency": "usd",
        "unit_amount": 700,
        "recurring": {"interval": "month"},
        "lookup_key": "supporter-month",
    }
    with pytest.raises(stripe.InvalidRequestError, match="already uses"):
        shop.v1.prices.create(asked)

    made = shop.v1.prices.create(asked | {"transfer_lookup_key": True})

    assert made.lookup_key == "supporter-month"
    assert shop.v1.prices.retrieve(shop.prices["month"]).lookup_key is None


def test_undelivered_events_can_be_asked_for(shop: Shop) -> None:
    shop.heard()
    shop.v1.customers.create({"email": "ada@example.org"})

    open_ = shop.v1.events.list({"delivery_success": False, "types": ["customer.created"]})
    shop.heard()
    later = shop.v1.events.list({"delivery_success": False})

    assert [one.type for one in open_.data] == ["customer.created"]
    assert later.data == []
    assert shop.v1.events.retrieve(open_.data[0].id).pending_webhooks == 0


def test_the_secret_of_an_endpoint_is_shown_once(shop: Shop) -> None:
    made = shop.v1.webhook_endpoints.create(
        {
            "url": "https://letters.example.org/hooks/stripe",
            "enabled_events": ["invoice.paid"],
            "api_version": stripe.api_version,
        }
    )

    (seen,) = shop.v1.webhook_endpoints.list().data

    assert made.secret.startswith("whsec_")
    assert "secret" not in seen
    shop.join()
    assert set(shop.types()) == {"invoice.paid"}


def test_the_portal_opens_with_what_is_configured(shop: Shop) -> None:
    subscription = shop.join()
    with pytest.raises(stripe.InvalidRequestError, match="default configuration"):
        shop.v1.billing_portal.sessions.create({"customer": subscription.customer})
    features = {
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "payment_method_update": {"enabled": True},
        "invoice_history": {"enabled": True},
    }
    made = shop.v1.billing_portal.configurations.create({"features": features})
    shop.v1.billing_portal.configurations.update(
        made.id, {"features": {"customer_update": {"enabled": True, "allowed_updates": ["email"]}}}
    )

    session = shop.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "return_url": "https://letters.example.org/account"}
    )
    place = (shop.db, shop.settings, session.id, subscription.id)
    desk.cancel(*place, feedback="unused", comment="", now=shop.now)
    left = shop.subscription(subscription.id)
    desk.resume(*place, now=shop.now)
    desk.update_card(shop.db, shop.settings, session.id, card="later", now=shop.now)

    assert left.cancel_at_period_end
    assert left.cancellation_details.feedback == "unused"
    assert not shop.subscription(subscription.id).cancel_at_period_end
    assert len(desk.portal_of(shop.db, shop.settings, session.id, now=shop.now)["invoices"]) == 1


def test_a_deleted_customer_takes_their_plans_along(shop: Shop) -> None:
    subscription = shop.join()

    shop.v1.customers.delete(subscription.customer)

    assert shop.v1.customers.retrieve(subscription.customer).deleted
    assert shop.subscription(subscription.id).status == "canceled"
    assert "customer.deleted" in shop.types()


@pytest.mark.parametrize(
    "more",
    [
        {"after_expiration": {"recovery": {"enabled": True}}},
        {"subscription_data": {"billing_cycle_anchor": 1_800_000_000}},
    ],
)
def test_what_would_mislead_is_refused(shop: Shop, more: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not play"):
        shop.session(**more)


def test_it_refuses_settings_with_a_live_key(shop: Shop) -> None:
    live = replace(shop.settings, stripe=replace(shop.settings.stripe, key="sk_live_1"))

    with pytest.raises(Misconfigured, match="live"):
        TillClient(shop.db, live, lambda: shop.now)
