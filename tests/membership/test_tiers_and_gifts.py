"""Choosing a tier, and memberships bought for somebody else."""

import pytest

from connector.clock import DAY
from connector.errors import InvalidAmount, NotFound, Refused
from connector.membership import complimentary, gifts, projection, store, stripe_api, tiers
from connector.membership.gift import Gift
from connector.membership.money import Amount
from connector.settings import Settings
from connector.till import desk
from tests.membership.conftest import URLS, Life


@pytest.mark.parametrize(
    ("tier", "every", "amount", "cents"),
    [
        ("supporter", "month", "", 500),
        ("supporter", "year", "", 5000),
        ("supporter", "month", "1", 500),  # a price is not the reader's to fill in
        ("founding", "month", "12.50", 1250),
        ("founding", "year", "1", 100),
        ("tip", "", "7", 700),
    ],
)
def test_what_is_offered_can_be_chosen(
    configured: Settings, tier: str, every: str, amount: str, cents: int
) -> None:
    chosen = tiers.choose(configured, tier, every=every, amount=amount)

    assert chosen.amount == Amount(cents, "usd")


@pytest.mark.parametrize(
    ("tier", "every", "amount", "error"),
    [
        ("founding", "month", "0.99", InvalidAmount),
        ("founding", "month", "", InvalidAmount),
        ("founding", "month", "-8", InvalidAmount),
        ("founding", "week", "8", Refused),
        ("free", "month", "", Refused),
        ("gold", "month", "", NotFound),
    ],
)
def test_what_is_not_offered_cannot(
    configured: Settings, tier: str, every: str, amount: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        tiers.choose(configured, tier, every=every, amount=amount)


def test_a_currency_that_is_not_offered_cannot_be_chosen(configured: Settings) -> None:
    with pytest.raises(Refused, match="cannot be had that way"):
        tiers.choose(configured, "supporter", every="month", currency="eur")


def test_suggestions_for_a_year_are_ten_times_those_of_a_month(configured: Settings) -> None:
    month, year = tiers.offers(configured, "founding")

    assert [one.cents for one in month.suggested] == [800, 1200, 2500]
    assert [one.cents for one in year.suggested] == [8000, 12000, 25000]


def bought(life: Life, *, months: int = 3) -> Gift:
    made = stripe_api.create_gift(
        life.client,
        life.settings,
        choice=tiers.choose(life.settings, "supporter", every="month"),
        months=months,
        buyer=life.somebody,
        email=life.somebody.email,
        address="",
        send_at=None,
        **URLS,
    )
    desk.pay(life.db, life.settings, made.id, now=life.start)
    for _ in range(2):  # the page of thanks, and the webhook
        projection.project_checkout(life.db, life.settings, life.client, made.id, now=life.now)
    with life.db.read() as connection:
        (paid,) = store.payments_of(connection, life.somebody.id, mode="till")
        found = store.gift_by_payment(connection, paid.id)
    assert found is not None
    return found


def test_a_gift_is_bought_once_and_taken_once(life: Life) -> None:
    gift = bought(life)

    taken = gifts.take(
        life.db, life.settings, gift.code.lower(), subscriber_id=life.somebody.id, now=life.now
    )

    assert (taken.kind, taken.tier) == ("gift", "supporter")
    assert taken.ends_at is not None
    assert 89 * DAY < taken.ends_at - taken.started_at < 93 * DAY
    again = gifts.take(
        life.db, life.settings, gift.code, subscriber_id=life.somebody.id, now=life.now + DAY
    )
    assert again == taken
    with pytest.raises(Refused, match="taken already"):
        gifts.take(
            life.db, life.settings, gift.code, subscriber_id=life.somebody.id + 1, now=life.now
        )


def test_a_code_that_is_none_is_none(life: Life) -> None:
    for code in ("", "AAAA-BBBB-CCCC", "' OR 1=1"):
        with pytest.raises(NotFound):
            gifts.find(life.db, life.settings, code)


def test_a_gift_that_was_paid_back_makes_no_member(life: Life) -> None:
    gift = bought(life)
    gifts.take(life.db, life.settings, gift.code, subscriber_id=life.somebody.id, now=life.now)

    desk.refund(life.db, life.settings, gift.payment_id, now=life.start)
    life.hear(order="shuffled", twice=2)

    with life.db.read() as connection:
        assert not complimentary.is_member(connection, life.somebody.id, life.now)
