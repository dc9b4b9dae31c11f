"""`connector stripe sync`: what nobody told us of is found, put right, and told."""

from typing import Any

from connector.membership import store
from connector.till import desk
from tests.cli.conftest import Connector
from tests.cli.terminal import Terminal
from tests.membership.conftest import URLS, Life

ADA = "ada@example.org"


def subscribed(life: Life, **metadata: str) -> str:
    """Somebody subscribes to something in the same account, past this site; its id."""
    wanted: Any = {
        "mode": "subscription",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 900,
                    "product_data": {"name": "A shop’s box of tea"},
                    "recurring": {"interval": "month"},
                },
            }
        ],
        "subscription_data": {"metadata": metadata},
        **URLS,
    }
    session = life.client.v1.checkout.sessions.create(wanted).id
    life.pay(session)
    return str(life.client.v1.checkout.sessions.retrieve(session).subscription)


def test_a_member_nobody_told_us_of_is_one(connector: Connector, life: Life) -> None:
    life.join()

    said = connector("stripe", "sync")

    assert said.out.startswith("1 subscription differed, and is put right:\n  sub_")
    assert said.out.endswith(": was not known; it is active.\n1 subscription known.\n")
    assert "paid member (supporter)" in connector("members", "show", ADA).out


def test_the_second_time_nothing_differs(connector: Connector, life: Life) -> None:
    life.join()
    connector("stripe", "sync")

    assert connector("stripe", "sync").out == "1 subscription known. Nothing differed.\n"


def test_what_changed_at_stripe_is_told_in_what_it_was_and_is(
    connector: Connector, life: Life
) -> None:
    life.join()
    connector("stripe", "sync")
    with life.db.read() as connection:
        (one,) = store.subscriptions(connection, mode="till")
    life.client.v1.subscriptions.cancel(one.id)

    said = connector("stripe", "sync")

    assert f"  {one.id}: status was active, is canceled, " in said.out


def test_what_is_not_ours_is_listed_and_left_alone(connector: Connector, life: Life) -> None:
    tea = subscribed(life)

    said = connector("stripe", "sync")

    assert said.out == (
        "1 subscription in the account is not of this site, and left alone:\n"
        f"  {tea}\n"
        "0 subscriptions known. Nothing differed.\n"
    )


def test_whoever_pays_and_is_not_on_the_list_is_shown(connector: Connector, life: Life) -> None:
    stray = subscribed(life, site=life.settings.site, person="4711")

    said = connector("stripe", "sync")

    assert "1 subscription is paid by nobody on the list; look at it in Stripe" in said.out
    assert f"  {stray}\n" in said.out


def test_a_person_sees_it_advance(life: Life) -> None:
    life.join()

    with Terminal(life.settings.root, "stripe", "sync") as person:
        assert person.end() == 0, person.text

    assert "1 of 1" in person.text


def test_when_stripe_is_away_it_is_one_sentence(connector: Connector, life: Life) -> None:
    desk.fail_next(life.db, "api error")

    assert connector("stripe", "sync").error.startswith("Stripe cannot be reached")
