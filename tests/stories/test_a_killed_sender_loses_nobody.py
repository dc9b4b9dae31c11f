"""kill -9 of the sender at random points: nobody is lost, and nobody gets two by themselves."""

import contextlib
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from connector.database import Database
from tests.delivery import post
from tests.fakes.smtp import FakeRelay
from tests.stories import sender
from tests.waiting import until

LETTERS = 2_000
KILLS = 20
CONNECTIONS = 4
WINDOW = 4  # letters of one connection that may be in doubt when a sender dies


@pytest.mark.parametrize("senders", [1, 3])
def test_twenty_kills_in_a_mailing_of_two_thousand(
    db: Database, root: Path, now: int, senders: int
) -> None:
    mailing = post.mail(db, LETTERS, now=post_now())
    random_but_the_same = random.Random(now)  # noqa: S311 - no secret hangs on it
    points = sorted(random_but_the_same.sample(range(LETTERS - 200), KILLS))

    with FakeRelay().in_thread() as relay, contextlib.ExitStack() as at_the_end:
        sender.relayed(root, relay, connections=CONNECTIONS)
        alive = [at_the_end.enter_context(sender.running(root)) for _ in range(senders)]
        for point in points:
            _wait_for(relay, point)
            alive.pop(random_but_the_same.randrange(senders)).kill()
            alive.append(at_the_end.enter_context(sender.running(root)))
        until(lambda: post.look(db, mailing).finished_at, "the mailing to finish", seconds=120)
        for one in alive:
            one.terminate()
        # The youngest may not have begun, and ends as any program does.
        assert {one.wait(30) for one in alive} <= {0, -signal.SIGTERM}

    counts = post.counts(db, mailing)
    with db.read() as connection:
        uncertain = {row[0] for row in connection.rows(UNCERTAIN)}
        sent = {row[0] for row in connection.rows(SENT)}
    got = Counter(relay.recipients)
    ids = Counter(_message_id(letter.wire) for letter in relay.received)
    assert sum(counts.values()) == LETTERS
    assert set(counts) <= {"sent", "uncertain"}
    assert max(got.values()) == 1, "nobody gets two by themselves"
    assert max(ids.values()) == 1
    assert sent <= set(got), "what is marked sent was accepted"
    assert set(got) <= sent | uncertain
    assert len(uncertain) <= KILLS * CONNECTIONS * WINDOW


UNCERTAIN = "SELECT address FROM deliveries WHERE state = 'uncertain'"
SENT = "SELECT address FROM deliveries WHERE state = 'sent'"


def test_a_sender_asked_to_stop_leaves_nothing_in_doubt(db: Database, root: Path) -> None:
    mailing = post.mail(db, LETTERS, now=post_now())

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60)
        with sender.running(root) as first:
            until(lambda: len(relay.received) > 300, "three hundred letters")
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
        stopped_at = post.counts(db, mailing)
        with sender.running(root, "--until-done") as second:
            assert second.wait(60) == 0

    assert set(stopped_at) == {"sent", "queued"}
    assert post.counts(db, mailing) == {"sent": LETTERS}
    assert max(Counter(relay.recipients).values()) == 1


def _wait_for(relay: FakeRelay, point: int) -> None:
    until(lambda: len(relay.received) >= point, f"letter {point}")


def _message_id(wire: bytes) -> bytes:
    return wire.partition(b"\r\nMessage-ID: ")[2].partition(b"\r\n")[0]


def post_now() -> int:
    from connector import clock

    return clock.now()
