"""The contract checker catches what the API of the installed package would not take or give."""

from typing import Any

import pytest
import stripe
from stripe._object_classes import OBJECT_CLASSES

from connector.till.form import decode
from connector.till.shapes import NULL, VERSION, make
from tests import contract
from tests.till.shop import Shop

SESSION = "checkout.SessionCreateParams"


@pytest.mark.parametrize(
    "form",
    [
        "mode=subscription&line_items[0][price]=price_1&line_items[0][quantity]=1&success_url=x",
        (
            "line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=1200"
            "&line_items[0][price_data][product]=prod_1"
            "&line_items[0][price_data][recurring][interval]=month"
        ),
        "allow_promotion_codes=true&metadata[person]=7",
        "discounts[0][promotion_code]=promo_1&expand[0]=subscription",
    ],
)
def test_what_the_api_takes(form: str) -> None:
    contract.check_request(SESSION, decode(form))


@pytest.mark.parametrize(
    ("parameters", "form", "path"),
    [
        (SESSION, "payment_method_types[0]=card", "payment_method_types: unknown"),
        (SESSION, "ui_mode=hosted", "ui_mode: 'hosted' is not one of"),
        (SESSION, "line_items[0][quantity]=two", r"line_items\[0\].quantity: 'two' is not int"),
        (
            SESSION,
            (
                "line_items[0][price_data][currency]=usd"
                "&line_items[0][price_data][custom_unit_amount][enabled]=true"
            ),
            r"price_data.custom_unit_amount: unknown",
        ),
        (SESSION, "line_items[0][price_data][unit_amount]=1", "price_data.currency: required"),
        (SESSION, "allow_promotion_codes=yes", "allow_promotion_codes: 'yes' is not bool"),
        ("PriceCreateParams", "unit_amount=500", "currency: required"),
        ("PromotionCodeCreateParams", "coupon=A&promotion[type]=coupon", "coupon: unknown"),
        ("SubscriptionUpdateParams", "billing_cycle_anchor=now", "billing_cycle_anchor"),
        ("SubscriptionUpdateParams", "cancel_at=[]", "cancel_at"),
    ],
)
def test_what_it_does_not_take_is_named(parameters: str, form: str, path: str) -> None:
    with pytest.raises(contract.Broken, match=path):
        contract.check_request(parameters, decode(form))


def moved(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"current_period_end": 1}


def discounted(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"discount": None}


def misspelt(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"status": "cancelled"}


def poorer(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "start_date"}


def inexact(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"created": 1.5}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (moved, "subscription.current_period_end: not a field"),
        (discounted, "subscription.discount: not a field"),
        (misspelt, "subscription.status: 'cancelled' is not one of"),
        (poorer, "subscription.start_date: missing"),
        (inexact, "subscription.created: 1.5 is not int"),
    ],
)
def test_what_it_does_not_give_is_named(shop: Shop, change: Any, path: str) -> None:
    body = shop.v1.subscriptions.retrieve(shop.join().id).to_dict()
    whole = _plain(body)
    contract.check_answer(whole)

    with pytest.raises(contract.Broken, match=path):
        contract.check_answer(change(whole))


def test_an_error_has_its_fields_only() -> None:
    contract.check_error({"error": {"message": "No.", "type": "card_error"}})

    with pytest.raises(contract.Broken, match="colour"):
        contract.check_error({"error": {"message": "No.", "colour": "red"}})


def test_the_till_speaks_the_installed_version() -> None:
    assert stripe.api_version == VERSION


@pytest.mark.parametrize("kind", sorted(NULL))
def test_every_shape_has_fields_of_the_api_only(kind: str) -> None:
    known = contract.fields_of(*OBJECT_CLASSES[kind])

    assert set(make(kind, created=1)) <= set(known)


def _plain(value: Any) -> Any:
    """Decimals as the text they were."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
