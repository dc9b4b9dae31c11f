"""Readers become members at the Till: what Stripe says now is what we say, however we hear of it."""

import re
from dataclasses import replace

import pytest

from connector.clock import DAY
from connector.errors import NotFound, PaymentsUnavailable, Refused
from connector.membership import (
    complimentary,
    figures,
    plan,
    projection,
    store,
    stripe_api,
    sweep,
    tiers,
)
from connector.membership.billing import Subscription
from connector.membership.membership import Membership
from connector.membership.money import Amount
from connector.till import desk
from tests.database.tables import dump
from tests.membership.conftest import Life


def current(life: Life) -> Subscription | None:
    return plan.current(life.db, life.settings, life.somebody.id)


def running(life: Life) -> Subscription:
    found = current(life)
    assert found is not None
    return found


def is_member(life: Life, *, after: int = 0) -> bool:
    with life.db.read() as connection:
        return complimentary.is_member(connection, life.somebody.id, life.now + after)


def memberships(life: Life) -> list[Membership]:
    with life.db.read() as connection:
        return store.of(connection, life.somebody.id)


def test_the_page_of_thanks_already_knows(life: Life) -> None:
    session = life.join("supporter")

    found = projection.project_checkout(life.db, life.settings, life.client, session, now=life.now)

    assert found.is_paid
    assert found.subscriber_id == life.somebody.id
    assert is_member(life)
    assert running(life).amount == Amount(500, "usd")
    assert running(life).tier == "supporter"


def test_the_events_alone_make_a_member(life: Life) -> None:
    life.join("founding", amount="12")

    life.hear()

    assert is_member(life)
    assert (running(life).tier, running(life).amount) == ("founding", Amount(1200, "usd"))
    assert running(life).every == "month"


def test_who_walks_away_is_none(life: Life) -> None:
    session = life.visit("supporter")

    desk.abandon(life.db, life.settings, session, now=life.start)
    life.hear()

    assert not is_member(life)
    assert memberships(life) == []


def test_a_year_is_a_year(life: Life) -> None:
    life.join("supporter", every="year")
    life.hear()

    assert running(life).every == "year"
    assert running(life).period_end - running(life).period_start > 364 * DAY


def test_a_member_cannot_join_twice(life: Life) -> None:
    life.join()
    life.hear()

    with pytest.raises(Refused, match="member already"):
        life.visit("founding", amount="20")


def test_an_amount_is_raised_at_the_price_that_was_shown(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    choice = tiers.choose(life.settings, "founding", every="month", amount="20")

    shown = plan.preview(
        life.db, life.settings, life.client, life.somebody.id, choice, now=life.now
    )
    after = plan.change(
        life.db,
        life.settings,
        life.client,
        life.somebody.id,
        choice,
        previewed_at=shown.at,
        now=life.now,
    )

    assert shown.now == Amount(800, "usd")
    assert shown.then == Amount(2000, "usd")
    assert shown.next_at == after.subscription.period_end
    assert after.subscription.amount == Amount(2000, "usd")
    assert not after.to_agree
    assert running(life).amount == Amount(2000, "usd")


def test_leaving_lasts_until_what_was_paid_for_is_over(life: Life) -> None:
    life.join()
    life.hear()

    left = plan.leave(
        life.db, life.settings, life.client, life.somebody.id, comment="Too many", now=life.now
    )

    assert left.is_leaving
    assert left.cancel_at == left.period_end
    assert is_member(life)
    assert not is_member(life, after=32 * DAY)
    stays = plan.stay(life.db, life.settings, life.client, life.somebody.id, now=life.now)
    assert not stays.is_leaving
    assert is_member(life, after=320 * DAY)


def test_what_ran_out_has_ended(life: Life) -> None:
    life.join()
    life.hear()
    plan.leave(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    life.wait(33)
    life.hear()

    assert current(life) is None
    assert not is_member(life)
    life.join()
    life.hear()
    assert is_member(life)


def test_a_pause_charges_nothing_and_can_end(life: Life) -> None:
    life.join()
    life.hear()

    paused = plan.pause(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    assert paused.status == "paused"
    assert not is_member(life)
    plan.go_on(life.db, life.settings, life.client, life.somebody.id, now=life.now)
    assert is_member(life)


def test_a_failed_payment_has_days_of_grace(life: Life) -> None:
    life.join()
    life.hear()
    life.card("declined")

    life.wait(32)
    life.hear()

    assert running(life).status == "past_due"
    assert is_member(life)
    failed = running(life).unpaid_since
    assert failed is not None
    grace = failed + life.settings.stripe.grace_days * DAY
    assert memberships(life)[0].ends_at == grace
    assert not is_member(life, after=grace - life.now)


def test_a_new_card_ends_the_trouble_and_the_hour_brings_what_was_lost(life: Life) -> None:
    life.join()
    life.hear()
    life.card("declined")
    life.wait(32)
    life.hear()

    life.card("ok")
    life.wait(10)
    life.hear(drop=100)
    assert running(life).status == "past_due"
    sweep.hourly(life.db, life.settings, life.client, now=life.now)

    assert running(life).status == "active"
    assert is_member(life, after=100 * DAY)


def test_money_paid_back_is_known(life: Life) -> None:
    life.join()
    life.hear()
    with life.db.read() as connection:
        (paid,) = store.payments_of(connection, life.somebody.id, mode="till")

    plan.pay_back(life.db, life.settings, life.client, paid, cents=200, now=life.now)

    with life.db.read() as connection:
        (back,) = store.refunds_of(connection, paid.intent_id)
    assert (back.cents, back.status) == (200, "succeeded")
    with pytest.raises(Refused, match="more than is left"):
        plan.pay_back(life.db, life.settings, life.client, paid, cents=301, now=life.now)


def test_two_tabs_make_one_membership_and_the_second_is_paid_back(life: Life) -> None:
    one, other = life.visit("supporter"), life.visit("supporter")
    life.pay(one)
    life.pay(other)
    life.hear(order="shuffled")

    drift = life.sync()

    assert drift.duplicates == ()
    with life.db.read() as connection:
        known = store.subscriptions_of(connection, life.somebody.id, mode="till")
        payments = store.payments_of(connection, life.somebody.id, mode="till")
        back = [each for paid in payments for each in store.refunds_of(connection, paid.intent_id)]
    assert sorted(each.status for each in known) == ["active", "canceled"]
    assert len(payments) == 2
    assert [each.cents for each in back] == [500]
    assert is_member(life)


def test_a_tip_is_known_and_makes_no_member(life: Life) -> None:
    life.join("tip", amount="7.50")
    life.hear()

    with life.db.read() as connection:
        (paid,) = store.payments_of(connection, life.somebody.id, mode="till")
    assert (paid.kind, paid.amount) == ("tip", Amount(750, "usd"))
    assert not is_member(life)


def test_with_stripe_away_nothing_changes_and_it_is_said(life: Life) -> None:
    life.join()
    desk.fail_next(life.db, "api error", times=9)
    life.deliver()
    life.follow()

    assert not is_member(life)
    with pytest.raises(PaymentsUnavailable, match="Nothing was charged"):
        life.visit("supporter")
    desk.mend(life.db)
    life.sync()
    assert is_member(life)


def test_gone_is_gone(life: Life) -> None:
    life.join()
    life.hear()

    ended = plan.end(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    assert [each.status for each in ended] == ["canceled"]
    assert current(life) is None


def test_a_second_sync_finds_nothing(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear(drop=100)

    first, second = life.sync(), life.sync()

    assert len(first.changed) == 1
    assert "was not known" in first.changed[0]
    assert second.is_clean


def test_what_a_month_brings_in(life: Life) -> None:
    life.join("supporter", every="year")
    life.hear()

    found = figures.at(life.db, life.settings, now=life.now)

    assert found.recurring == (Amount(417, "usd"),)
    assert (found.members, found.paying, found.complimentary) == (2, 1, 1)
    moved = figures.between(life.db, life.settings, since=life.now - DAY, until=life.now + DAY)
    assert (moved.at_first, moved.joined, moved.left, moved.churn) == (0, 1, 0, None)
    assert moved.came_in == (Amount(5000, "usd"),)


def test_who_is_a_member_twice_gets_one_letter(life: Life) -> None:
    life.join()
    life.hear()
    complimentary.comp(life.db, life.somebody.id, until=None, now=life.now)

    with life.db.read() as connection:
        rows = connection.rows(store.AUDIENCE, now=life.now)

    assert [row[4] for row in rows if row[0] == life.somebody.id] == ["member"]


def test_somebody_elses_subscription_in_the_account_is_left_alone(life: Life) -> None:
    session = life.join()
    elsewhere = replace(
        life.settings, stripe=replace(life.settings.stripe, site="shop.example.org")
    )

    drift = sweep.sync(life.db, elsewhere, life.client, now=life.now)

    assert len(drift.foreign) == 1
    assert drift.changed == ()
    assert not is_member(life)
    with pytest.raises(NotFound):
        projection.project_checkout(life.db, elsewhere, life.client, session, now=life.now)


def test_a_refund_that_is_heard_of_before_its_payment_is_kept(life: Life) -> None:
    life.join("founding", amount="12")
    paid = stripe_api.invoices(
        life.client, next(iter(stripe_api.subscriptions(life.client)))["id"]
    )[0]
    back = desk.refund(life.db, life.settings, paid["id"], now=life.start)

    projection.project(
        life.db,
        life.settings,
        life.client,
        projection.Subject("refund", back["id"]),
        now=life.now,
    )

    with life.db.read() as connection:
        (known,) = store.payments_of(connection, life.somebody.id, mode="till")
        (found,) = store.refunds_of(connection, known.intent_id)
    assert (found.cents, found.status) == (1200, "succeeded")
    assert is_member(life)


def test_an_older_answer_never_covers_a_newer_one(life: Life) -> None:
    life.join()
    life.hear()
    one = running(life)
    with life.db.write() as tx:
        older = store.ask(tx)
    plan.leave(life.db, life.settings, life.client, life.somebody.id, now=life.now)

    with life.db.write() as tx:
        is_kept = projection.write(tx, life.settings, one, [], asked=older, now=life.now)

    assert not is_kept
    assert running(life).is_leaving


def test_no_key_is_kept_or_logged(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.join()
    desk.fail_next(life.db, "api error", times=1)
    life.hear()
    life.sync()

    everything = repr(dump(life.db)) + caplog.text

    assert "sk_test_" not in everything
    assert "whsec_" not in everything
    assert not re.search(r"\b4[0-9]{15}\b", everything)
