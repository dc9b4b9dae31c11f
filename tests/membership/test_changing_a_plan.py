"""A plan is changed at the price that was shown, once, and only when its payer can agree."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from connector.database import Database
from connector.errors import NotFound, PaymentsUnavailable, Refused
from connector.membership import plan, store, stripe_api, tiers
from connector.membership.billing import Preview, Subscription
from connector.membership.stripe_api import Choice, Client
from connector.settings import Settings
from connector.till import desk
from tests.membership.conftest import Life


def choice(life: Life, tier: str = "founding", *, every: str = "month", amount: str = "") -> Choice:
    return tiers.choose(life.settings, tier, every=every, amount=amount)


def shown(life: Life, wanted: Choice) -> Preview:
    return plan.preview(life.db, life.settings, life.client, life.somebody.id, wanted, now=life.now)


def change(life: Life, wanted: Choice, *, at: int, key: str = "") -> plan.Changed:
    return plan.change(
        life.db,
        life.settings,
        life.client,
        life.somebody.id,
        wanted,
        previewed_at=at,
        now=life.now,
        key=key,
    )


def running(life: Life) -> Subscription:
    found = plan.current(life.db, life.settings, life.somebody.id)
    assert found is not None
    return found


def payments(life: Life) -> list[int]:
    with life.db.read() as connection:
        found = store.payments_for(connection, running(life).id)
    return sorted(one.cents for one in found)


def test_the_same_agreement_twice_at_once_is_one_change(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    wanted = choice(life, amount="20")
    at = shown(life, wanted).at

    for _ in range(2):
        change(life, wanted, at=at, key="one button")

    assert running(life).amount == wanted.amount
    assert payments(life) == [800, 1200]


def test_another_rhythm_begins_today(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    wanted = choice(life, every="year", amount="100")

    found = shown(life, wanted)
    change(life, wanted, at=found.at)

    assert found.now.cents == 8800
    assert found.next_at == running(life).period_end
    assert running(life).every == "year"


def test_a_smaller_amount_leaves_a_credit_that_is_used_up(life: Life) -> None:
    life.join("founding", amount="20")
    life.hear()
    wanted = choice(life, amount="5")

    found = shown(life, wanted)
    change(life, wanted, at=found.at)
    life.wait(32)
    life.hear()

    assert (found.now.cents, found.credit and found.credit.cents) == (0, 1500)
    assert payments(life) == [0, 0, 2000]


def test_within_a_trial_nothing_is_charged_today(life: Life) -> None:
    trials = tuple(replace(one, trial_days=14) for one in life.settings.tiers)
    life.settings = replace(life.settings, tiers=trials)
    life.join("supporter")
    life.hear()
    wanted = choice(life, amount="30")

    found = shown(life, wanted)
    done = change(life, wanted, at=found.at)

    assert (found.now.cents, found.next_at) == (0, running(life).trial_end)
    assert done.subscription.status == "trialing"
    assert payments(life) == [0]


def test_who_must_agree_at_the_bank_does_so_on_the_invoice(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    wanted = choice(life, amount="20")
    at = shown(life, wanted).at
    desk.fail_next(life.db, "3ds renewal")

    waiting = change(life, wanted, at=at)
    before = running(life).amount.cents
    invoice = waiting.to_agree.rpartition("/")[2]
    desk.pay_invoice(life.db, life.settings, invoice, now=life.start)
    life.hear()

    assert before == 1200
    assert running(life).amount.cents == 2000


def test_what_nobody_agreed_to_is_forgotten(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    wanted = choice(life, amount="20")
    at = shown(life, wanted).at
    desk.fail_next(life.db, "3ds renewal")
    change(life, wanted, at=at)

    life.wait(2)
    life.hear()

    assert running(life).amount.cents == 1200
    assert running(life).status == "active"


def test_pausing_twice_is_one_pause_and_who_owes_cannot(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()

    asked = (life.db, life.settings, life.client, life.somebody.id)
    paused = [plan.pause(*asked, now=life.now) for _ in range(2)]
    on = plan.go_on(*asked, now=life.now)
    plan.leave(*asked, now=life.now)

    assert paused[0].id == paused[1].id
    assert on.status == "active"
    with pytest.raises(Refused):
        plan.pause(*asked, now=life.now)


def test_who_has_none_has_nothing_to_pause(life: Life) -> None:
    with pytest.raises(NotFound):
        plan.pause(life.db, life.settings, life.client, life.somebody.id, now=life.now)


VERBS: dict[str, Callable[[Life], object]] = {
    "leave": lambda life: plan.leave(*asked(life), now=life.now),
    "pause": lambda life: plan.pause(*asked(life), now=life.now),
    "preview": lambda life: shown(life, choice(life, amount="20")),
    "change": lambda life: change(life, choice(life, amount="20"), at=life.now),
}


def asked(life: Life) -> tuple[Database, Settings, Client, int]:
    return life.db, life.settings, life.client, life.somebody.id


@pytest.mark.parametrize("verb", VERBS)
def test_what_ended_unheard_is_found_out_and_said(life: Life, verb: str) -> None:
    life.join("founding", amount="12")
    life.hear()
    stripe_api.cancel_now(life.client, running(life).id)

    with pytest.raises(NotFound, match=r"This membership has ended, and nothing more is charged\."):
        VERBS[verb](life)

    assert_over(life)


def test_who_stays_too_late_is_told_that_it_is_over(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    plan.leave(*asked(life), now=life.now)
    life.wait(40)

    with pytest.raises(NotFound, match="has ended"):
        plan.stay(*asked(life), now=life.now)

    assert_over(life)


def test_a_pause_that_ended_unheard_cannot_go_on(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    paused = plan.pause(*asked(life), now=life.now)
    stripe_api.cancel_now(life.client, paused.id)

    with pytest.raises(NotFound, match="has ended"):
        plan.go_on(*asked(life), now=life.now)


def test_a_membership_that_changed_unheard_is_looked_at_again(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    stripe_api.pause(life.client, running(life).id)

    with pytest.raises(NotFound, match="has changed meanwhile"):
        plan.pause(*asked(life), now=life.now)

    assert plan.go_on(*asked(life), now=life.now).status == "active"


def test_while_stripe_cannot_be_asked_nothing_is_said_to_have_ended(life: Life) -> None:
    life.join("founding", amount="12")
    life.hear()
    desk.fail_next(life.db, "api error", times=20)

    with pytest.raises(PaymentsUnavailable):
        plan.leave(*asked(life), now=life.now)

    assert running(life).status == "active"


def assert_over(life: Life) -> None:
    assert plan.current(life.db, life.settings, life.somebody.id) is None
    with life.db.read() as connection:
        known = store.subscriptions_of(connection, life.somebody.id, mode="till")
        members = [one.subscriber_id for one in store.live(connection, now=life.now)]
    assert [one.status for one in known] == ["canceled"]
    assert life.somebody.id not in members
