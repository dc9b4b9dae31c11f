"""Who is asked about money: the Till without a key, Stripe with one, and nobody before it is needed."""

import subprocess
import sys
from dataclasses import replace

import pytest

from connector.database import Database
from connector.membership import stripe_api
from connector.settings import Settings
from connector.till import opening, store
from connector.till.opening import Payments


def with_key(settings: Settings, key: str) -> Settings:
    return replace(settings, stripe=replace(settings.stripe, key=key))


def test_without_a_key_the_till_answers(db: Database, configured: Settings) -> None:
    client = opening.client(configured, db)

    assert not client.v1.products.create({"name": "Supporter"}).livemode


def test_the_till_comes_with_a_portal(db: Database, configured: Settings) -> None:
    client = opening.client(configured, db)
    customer = client.v1.customers.create({"email": "ada@example.org"}).id

    url = stripe_api.portal(
        client, configured, customer, return_url="https://letters.example.org/account"
    )

    assert url.startswith("https://letters.example.org/till/portal/bps_")


def test_opening_it_twice_makes_one_portal(db: Database, configured: Settings) -> None:
    opening.client(configured, db)
    opening.client(configured, db)

    with db.read() as connection:
        assert len(store.of_kind(connection, "billing_portal.configuration")) == 1


@pytest.mark.parametrize("key", ["sk_test_abc", "sk_live_abc"])
def test_with_a_key_nothing_is_made_at_the_till(
    db: Database, configured: Settings, key: str
) -> None:
    opening.client(with_key(configured, key), db)

    with db.read() as connection:
        assert not store.of_kind(connection, "billing_portal.configuration")


def test_everybody_in_the_program_has_the_same_client(db: Database, configured: Settings) -> None:
    payments = Payments(configured, db)

    assert payments() is payments()


def test_nothing_of_stripe_is_loaded_before_somebody_pays() -> None:
    program = "import sys, connector.web.app, connector.cli.main; sys.exit('stripe' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 0
