"""What a session asks of its payer besides the card: fields of its own, and consents."""

from typing import Any

import pytest
import stripe

from connector.errors import Refused
from connector.till import desk
from connector.till.desk import Payer
from tests.till.shop import Shop

TOWN = {
    "key": "town",
    "type": "dropdown",
    "label": {"type": "custom", "custom": "Your part of town"},
    "dropdown": {"options": [{"label": "Harbour Row", "value": "harbour"}]},
}
BENCHES = {
    "key": "benches",
    "type": "numeric",
    "label": {"type": "custom", "custom": "How many benches"},
    "numeric": {"minimum_length": 1, "maximum_length": 2},
}
NOTE = {
    "key": "note",
    "type": "text",
    "optional": True,
    "label": {"type": "custom", "custom": "A word"},
}


def pay(shop: Shop, key: str, **payer: Any) -> desk.Outcome:
    return desk.pay(shop.db, shop.settings, key, payer=Payer(**payer), now=shop.now)


def test_answers_are_kept_with_the_session(shop: Shop) -> None:
    session = shop.session(custom_fields=[TOWN, BENCHES, NOTE])

    pay(shop, session.id, fields={"town": "harbour", "benches": "12"})

    done = shop.v1.checkout.sessions.retrieve(session.id).to_dict()
    values = [one[one["type"]]["value"] for one in done["custom_fields"]]
    assert values == ["harbour", "12", None]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"benches": "3"}, "Please fill in “Your part of town”."),
        ({"town": "the moon", "benches": "3"}, "Please choose one of the answers"),
        ({"town": "harbour", "benches": "three"}, "“How many benches” takes digits only."),
        ({"town": "harbour", "benches": "333"}, "“How many benches” takes 1 to 2 characters."),
    ],
)
def test_an_answer_that_does_not_fit_pays_nothing(
    shop: Shop, fields: dict[str, str], said: str
) -> None:
    session = shop.session(custom_fields=[TOWN, BENCHES, NOTE])

    with pytest.raises(Refused, match=said):
        pay(shop, session.id, fields=fields)

    assert shop.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_three_fields_are_the_most(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="at most 3"):
        shop.session(custom_fields=[NOTE | {"key": f"note{n}"} for n in range(4)])


def test_terms_have_to_be_agreed_to(shop: Shop) -> None:
    session = shop.session(consent_collection={"terms_of_service": "required"})

    with pytest.raises(Refused, match="agree to the terms"):
        pay(shop, session.id)
    pay(shop, session.id, consents=("terms_of_service",))

    assert shop.v1.checkout.sessions.retrieve(session.id).consent.terms_of_service == "accepted"


@pytest.mark.parametrize(("consents", "kept"), [((), "opt_out"), (("promotions",), "opt_in")])
def test_offers_may_be_wanted_or_not(shop: Shop, consents: tuple[str, ...], kept: str) -> None:
    session = shop.session(consent_collection={"promotions": "auto"})

    pay(shop, session.id, consents=consents)

    assert shop.v1.checkout.sessions.retrieve(session.id).consent.promotions == kept
