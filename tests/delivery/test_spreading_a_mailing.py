"""A mailing that leaves over hours: evenly, whatever its size, and on after a pause."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.delivery import ledger, mailings, store
from connector.delivery.mailing import LEASE_SIZE, STEP
from tests.delivery import post


def spread(db: Database, count: int, *, over: int, now: int, once: str = "issue:bench") -> int:
    with db.write() as tx:
        mailing = mailings.announce(
            tx,
            {"everyone": post.LETTER},
            about="bench",
            once=once,
            starts_at=now,
            spread=over,
            now=now,
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=post.people(count), values={}, now=now)
    return mailing


def stretches(db: Database, mailing: int) -> list[tuple[int, int]]:
    """(due_at, size) of each, in order."""
    with db.read() as connection:
        return [
            (row[0], row[1])
            for row in connection.rows(
                """
                SELECT due_at, last_delivery - first_delivery + 1 FROM leases
                 WHERE mailing_id = :mailing ORDER BY id
                """,
                mailing=mailing,
            )
        ]


def due_at(db: Database, now: int) -> int:
    """How many stretches may go at a moment."""
    with db.read() as connection:
        found: int = connection.value("SELECT count(*) FROM leases WHERE due_at <= :now", now=now)
    return found


@pytest.mark.parametrize(
    ("count", "over", "size"),
    [(3, 2 * HOUR, 1), (100, 2 * HOUR, 1), (1_440, 2 * HOUR, 2), (60, MINUTE, 10), (5, SECOND, 5)],
)
def test_even_a_small_list_is_spread(
    db: Database, now: int, count: int, over: int, size: int
) -> None:
    found = stretches(db, spread(db, count, over=over, now=now))

    assert {one for _, one in found} == {size}
    assert sum(one for _, one in found) == count
    assert found[0][0] == now
    assert found[-1][0] < now + over


@hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(count=st.integers(1, 3_000), over=st.integers(1, 3 * DAY))
def test_every_letter_is_in_one_stretch_and_the_steps_are_even(
    db: Database, now: int, count: int, over: int
) -> None:
    found = stretches(db, spread(db, count, over=over, now=now, once=f"issue:{count}:{over}"))

    times = [due for due, _ in found]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert sum(size for _, size in found) == count
    assert all(0 < size <= LEASE_SIZE for _, size in found)
    assert times[0] == now
    assert now <= times[-1] < now + over
    assert not steps or max(steps) - min(steps) <= 1
    assert len(found) >= min(count, over // STEP) // 2


def test_it_is_given_up_only_so_much_later(db: Database, now: int) -> None:
    mailing = spread(db, 3, over=2 * HOUR, now=now)

    assert post.look(db, mailing).expires_at == now + 2 * HOUR + 48 * HOUR


def test_a_scheduled_one_is_spread_from_when_it_begins(db: Database, now: int) -> None:
    later = now + DAY
    with db.write() as tx:
        mailing = mailings.announce(
            tx,
            {"everyone": post.LETTER},
            about="bench",
            once="issue:bench",
            starts_at=later,
            spread=HOUR,
            now=now,
        )
    assert mailing is not None

    with db.write() as tx:
        mailings.freeze(tx, mailing, audience=post.people(60), values={}, now=later)

    assert [due for due, _ in stretches(db, mailing)][:2] == [later, later + MINUTE]


def test_a_stretch_is_not_taken_before_its_turn(db: Database, now: int) -> None:
    spread(db, 2, over=HOUR, now=now)
    ledger.take(db, "issue", worker="anna", hold=HOUR, now=now)

    early = ledger.take(db, "issue", worker="ben", hold=post.HOLD, now=now + HOUR // 2 - 1)

    assert early is None
    assert post.take(db, worker="ben", now=now + HOUR // 2)


def test_a_pause_moves_the_rest_and_crowds_nobody(db: Database, now: int) -> None:
    mailing = spread(db, 60, over=HOUR, now=now)
    mailings.pause(db, mailing, why="lunch", now=now + 30 * MINUTE)

    mailings.resume(db, mailing, now=now + 90 * MINUTE)

    assert due_at(db, now + 90 * MINUTE) == 31
    assert due_at(db, now + 91 * MINUTE) == 32
    assert due_at(db, now + 2 * HOUR) == 60


def test_after_a_stop_it_goes_on_with_what_is_due(db: Database, now: int) -> None:
    spread(db, 60, over=HOUR, now=now)

    assert due_at(db, now + 30 * MINUTE) == 31


def test_a_sender_stays_as_long_as_letters_have_their_turn_within_the_hour(
    db: Database, now: int
) -> None:
    mailing = spread(db, 2, over=HOUR, now=now)
    held = post.take(db, now=now)
    ledger.release(db, held, worker="anna", now=now)

    with db.read() as connection:
        assert ledger.is_open(db, now=now + 1)
        assert store.next_turn(connection, mailing, now=now) is None  # one may go now

    with db.write() as tx:
        tx.run("UPDATE leases SET due_at = NULL WHERE due_at <= :now", now=now)
    with db.read() as connection:
        assert store.next_turn(connection, mailing, now=now) == now + HOUR // 2
        assert store.is_moving(connection, mailing, now=now)


def test_without_it_all_may_go_at_once(db: Database, now: int) -> None:
    mailing = post.mail(db, 1_200, now=now)

    assert [due for due, _ in stretches(db, mailing)] == [now, now, now]
