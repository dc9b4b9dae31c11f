"""The times between attempts: sooner at first, later and later, and never when it is too late."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import database
from connector.clock import HOUR, MINUTE
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.mailing import EXPIRES, RETRIES
from connector.delivery.outcome import Outcome
from tests.delivery import post

NOW = 1_790_000_000_000
LATER = Outcome("deferred", "451 4.7.1 Greylisted", 451, "4.7.1", "rcpt")
ATTEMPTS = st.integers(1, 60)
TIMES = st.integers(0, 2**42)


@given(attempts=ATTEMPTS, now=TIMES)
def test_a_wait_is_the_schedules_and_a_tenth_more_at_most(attempts: int, now: int) -> None:
    wait = ([1, 5, 15, 30, 60] + [60] * 60)[attempts - 1] * MINUTE

    assert wait <= ledger.retry_at(attempts, now=now) - now < wait * 1.1


@given(attempts=ATTEMPTS, now=TIMES)
def test_no_wait_is_much_shorter_than_the_one_before(attempts: int, now: int) -> None:
    before, after = (ledger.retry_at(tries, now=now) for tries in (attempts, attempts + 1))

    assert after > before or attempts >= len(RETRIES)
    assert after > before - HOUR // 10


@given(now=TIMES)
def test_letters_put_off_together_do_not_come_back_together(now: int) -> None:
    assert len({ledger.retry_at(1, now=now) for _ in range(100)}) > 10


@given(now=TIMES)
def test_every_letter_is_tried_for_two_days(now: int) -> None:
    at = now
    for attempts in range(1, 49):
        at = ledger.retry_at(attempts, now=at)

    assert at > now + EXPIRES["issue"] - 6 * HOUR


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = database.open(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'subscribers.db'}")
    yield opened
    opened.close()


@given(attempts=st.integers(0, 60), late=st.integers(0, 2 * EXPIRES["issue"]))
def test_no_letter_waits_for_a_time_when_it_is_too_late(
    shared: Database, attempts: int, late: int
) -> None:
    with shared.write() as tx:
        for table in ("deliveries", "leases", "letters", "mailings"):
            tx.run(f"DELETE FROM {table}")
    mailing = post.mail(shared, 1, now=NOW)
    with shared.write() as tx:
        tx.run("UPDATE deliveries SET attempts = :attempts", attempts=attempts)
    lease = post.take(shared, now=NOW)
    letters = post.hand_over(shared, lease, ledger.due(shared, lease, now=NOW), now=NOW)

    post.settle(shared, lease, letters, LATER, now=NOW + late)

    with shared.read() as connection:
        ((state, due_at, reply),) = connection.rows("SELECT state, due_at, reply FROM deliveries")
    expires_at = post.look(shared, mailing).expires_at
    assert state in ("queued", "refused")
    if state == "queued":
        assert NOW + late < due_at < expires_at
    else:
        assert NOW + late + 1.1 * HOUR >= expires_at, "it could have been tried once more"
        assert reply.startswith("Given up after 48 hours.")
