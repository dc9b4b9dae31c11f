"""Offers, from the terminal: a code and a link of its own, worth what was said and no longer."""

import json

import pytest

from connector.membership import stripe_account, stripe_api, tiers
from connector.till import desk
from tests.cli.conftest import Connector
from tests.membership.conftest import URLS, Life

LINK = "https://letters.example.org/offer/SPRING"


def join_with(life: Life, code: str, tier: str = "supporter") -> int:
    """Become a member with a code; what was paid at once, in cents."""
    customer = stripe_api.create_customer(life.client, life.settings, life.somebody)
    made = stripe_api.create_checkout(
        life.client,
        life.settings,
        subscriber=life.somebody,
        customer_id=customer,
        choice=tiers.choose(life.settings, tier, every="month", amount="10"),
        promotion=code,
        **URLS,
    )
    life.pay(made.id)
    return stripe_api.checkout(life.client, life.settings, made.id).amount.cents


def test_an_offer_is_made_and_shown_with_its_link(connector: Connector, life: Life) -> None:
    said = connector("offers", "make", "SPRING", "--percent", "20", "--months", "3")

    assert said.out == f"SPRING: 20 % off 3 months, for good.\n  {LINK}\n"
    listed = connector("offers", "list").out
    assert listed.splitlines()[1].split() == ["SPRING", "20", "%", "off", "3", "months", "0", "for", "good", LINK]  # fmt: skip
    assert listed.endswith("1 offer.\n")


def test_whoever_comes_with_the_code_pays_less(connector: Connector, life: Life) -> None:
    connector("offers", "make", "SPRING", "--percent", "20")

    assert join_with(life, "spring") == 400

    assert json.loads(connector("offers", "list", "--json").out)[0]["used"] == 1


def test_an_amount_comes_off_in_its_currency(connector: Connector, life: Life) -> None:
    said = connector("offers", "make", "SPRING", "--amount", "1.50", "--for-good")

    assert said.out.startswith("SPRING: $1.50 off every payment, for good.\n")
    assert join_with(life, "SPRING") == 350


def test_an_offer_for_one_tier_is_worth_nothing_for_another(
    connector: Connector, life: Life
) -> None:
    connector("offers", "make", "SPRING", "--percent", "50", "--tier", "founding")

    assert "founding only" in connector("offers", "list").out
    assert join_with(life, "SPRING", tier="supporter") == 500


def test_an_offer_ends_by_its_day_and_by_its_uses(connector: Connector, life: Life) -> None:
    said = connector(
        "offers", "make", "SPRING", "--percent", "10", "--until", "2030-01-01", "--times", "5"
    )

    assert said.out.startswith("SPRING: 10 % off the first payment, until 1 January 2030.\n")
    assert "0 of 5" in connector("offers", "list").out


def test_an_ended_offer_is_worth_nothing_and_its_code_is_free_again(
    connector: Connector, life: Life
) -> None:
    connector("offers", "make", "SPRING", "--percent", "20")
    assert "say --yes" in connector("offers", "end", "SPRING").misunderstood

    said = connector("offers", "end", "spring", "--yes")

    assert said.out == "SPRING can be used no more.\n"
    assert connector("offers", "list").out == "0 offers.\n"
    assert "ended" in connector("offers", "list", "--all").out
    assert join_with(life, "SPRING") == 500
    assert connector("offers", "make", "SPRING", "--percent", "30").code == 0
    assert connector("offers", "end", "gone", "--yes").error == (
        "No offer gone runs. See: connector offers list"
    )


def test_a_code_is_taken_once(connector: Connector, life: Life) -> None:
    connector("offers", "make", "SPRING", "--percent", "20")

    said = connector("offers", "make", "Spring", "--percent", "30")

    assert said.error == "There is an offer Spring already. End it first, or name another."


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["SPRING"], "either --percent 20 or --amount 2"),
        (["SPRING", "--percent", "20", "--amount", "2"], "either --percent 20 or --amount 2"),
        (["SPRING", "--percent", "0"], "0 is not in the range"),
        (["SPRING", "--percent", "101"], "101 is not in the range"),
        (["SPRING", "--percent", "20", "--months", "3", "--for-good"], "either --months or"),
        (["SPRING", "--percent", "20", "--currency", "eur"], "goes with --amount"),
    ],
)
def test_an_offer_that_makes_no_sense_is_not_understood(
    connector: Connector, life: Life, words: list[str], what: str
) -> None:
    assert what in connector("offers", "make", *words).misunderstood


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["sp ring", "--percent", "20"], "cannot be a code"),
        (["Frühling", "--percent", "20"], "cannot be a code"),
        (["SPRING", "--percent", "20", "--tier", "gold"], "There is no such membership here."),
        (["SPRING", "--percent", "20", "--tier", "tip"], "nothing to take off from “tip”"),
        (["SPRING", "--percent", "20", "--until", "2020-01-01"], "within five years"),
        (["SPRING", "--percent", "20", "--until", "soon"], "I cannot read “soon” as a time"),
        (["SPRING", "--amount", "some"], "I cannot read that as an amount"),
        (["SPRING", "--amount", "0"], "more than nothing"),
        (["SPRING", "--amount", "2", "--currency", "xyz"], "currency"),
    ],
)
def test_an_offer_that_cannot_be_is_one_sentence(
    connector: Connector, life: Life, words: list[str], what: str
) -> None:
    assert what in connector("offers", "make", *words).error
    assert connector("offers", "list").out == "0 offers.\n"


def test_nothing_stays_of_an_offer_that_could_not_be_made_whole(
    connector: Connector, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stripe_account, "create_code", stop)

    assert connector("offers", "make", "SPRING", "--percent", "20").code == 130
    assert not life.client.v1.coupons.list().data


def test_when_stripe_is_away_no_offer_is_made(connector: Connector, life: Life) -> None:
    desk.fail_next(life.db, "api error")

    assert "cannot be reached" in connector("offers", "make", "SPRING", "--percent", "20").error
    assert connector("offers", "list").out == "0 offers.\n"
