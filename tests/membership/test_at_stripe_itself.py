"""The same promises at Stripe's own test mode, when a key for it is given.

    CONNECTOR_TEST_STRIPE_KEY=sk_test_… .venv/bin/pytest -n 0 tests/membership/test_at_stripe_itself.py

No money moves there. What is made carries a site name of its own, and is put away afterwards.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.errors import NotFound
from connector.membership import promotions, setup, stripe_account, stripe_api, tiers
from connector.membership.billing import Promotion
from connector.membership.promotions import Offering
from connector.membership.stripe_api import EVENTS, Client
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from tests.conftest import NOW, People
from tests.membership.conftest import URLS

KEY = os.environ.get("CONNECTOR_TEST_STRIPE_KEY", "")
pytestmark = [
    pytest.mark.only("sqlite"),
    pytest.mark.skipif(
        not KEY, reason="CONNECTOR_TEST_STRIPE_KEY is not set, so Stripe itself was not asked"
    ),
]


@pytest.fixture
def account(configured: Settings) -> Settings:
    """Our settings beside the key, under a name that nobody else has in this account."""
    if not KEY.startswith(("sk_test_", "rk_test_")):
        pytest.fail("CONNECTOR_TEST_STRIPE_KEY has to be a key of Stripe's test mode.")
    site = f"connector-test-{secrets.token_hex(6)}"
    return replace(configured, stripe=replace(configured.stripe, key=KEY, site=site))


@pytest.fixture
def client(account: Settings) -> Iterator[Client]:
    client = stripe_api.client(account)
    yield client
    for one in stripe_account.endpoints(client):
        if (one.get("metadata") or {}).get("site") == account.site:
            stripe_account.delete_endpoint(client, one["id"])
    for offer in promotions.listed(client, account):
        promotions.end(client, offer)
    portal = stripe_api.own_portal(client, account)
    if portal is not None:
        stripe_account.update_portal(client, portal["id"], {"active": False})
    for tier in ("supporter", "founding"):
        product = f"{account.site}-{tier}"
        if stripe_account.product(client, product) is not None:
            stripe_account.update_product(client, product, {"active": False})


@pytest.fixture
def ada(people: People) -> Subscriber:
    return people.ada


def set_up(client: Client, account: Settings) -> str:
    """Do every step; the signing secret."""
    return "".join(step.make() for step in setup.find(client, account).steps)


def test_setting_up_is_done_once(client: Client, account: Settings) -> None:
    secret = set_up(client, account)

    assert secret.startswith("whsec_")
    assert setup.find(client, account).steps == ()
    (ours,) = [
        one
        for one in stripe_account.endpoints(client)
        if one["metadata"].get("site") == account.site
    ]
    assert set(ours["enabled_events"]) == set(EVENTS)
    assert ours["api_version"] == stripe_api.version()


def test_a_changed_price_takes_the_key_over(client: Client, account: Settings) -> None:
    set_up(client, account)
    dearer = tuple(
        replace(tier, monthly="6") if tier.key == "supporter" else tier for tier in account.tiers
    )
    changed = replace(account, tiers=dearer)

    (step,) = setup.find(client, changed).steps
    step.make()

    key = f"{account.site}-supporter-month-usd"
    assert stripe_account.prices(client, [key])[key]["unit_amount"] == 600


@pytest.mark.parametrize(("tier", "amount"), [("supporter", ""), ("founding", "12")])
def test_a_checkout_opens(
    client: Client, account: Settings, ada: Subscriber, tier: str, amount: str
) -> None:
    customer = stripe_api.create_customer(client, account, ada)
    choice = tiers.choose(account, tier, every="month", amount=amount)

    made = stripe_api.create_checkout(
        client, account, subscriber=ada, customer_id=customer, choice=choice, **URLS
    )

    assert made.url.startswith("https://checkout.stripe.com/")
    assert stripe_api.checkout(client, account, made.id).amount == choice.amount
    client.v1.customers.delete(customer)


def test_the_portal_opens_as_we_furnished_it(
    client: Client, account: Settings, ada: Subscriber
) -> None:
    set_up(client, account)
    customer = stripe_api.create_customer(client, account, ada)

    url = stripe_api.portal(client, account, customer, return_url=URLS["cancel_url"])

    assert url.startswith("https://billing.stripe.com/")
    client.v1.customers.delete(customer)


def test_an_offer_is_made_found_and_ended(client: Client, account: Settings) -> None:
    terms = Promotion("", f"T{secrets.token_hex(5)}", "20", None, "repeating", 3)

    made = promotions.make(client, account, Offering(terms, times=5), now=NOW)

    assert replace(made.terms, id="") == terms
    assert promotions.find(client, account, terms.code.lower()) == made
    promotions.end(client, made)
    with pytest.raises(NotFound):
        promotions.find(client, account, terms.code)


def test_everything_can_be_listed(client: Client, account: Settings) -> None:
    assert list(stripe_api.checkouts(client, account, since=NOW)) == []
    list(stripe_api.undelivered(client, since=NOW))
    list(zip(range(3), stripe_api.subscriptions(client), strict=False))
