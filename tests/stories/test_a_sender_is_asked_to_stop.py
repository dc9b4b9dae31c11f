"""A sender that is asked to stop finishes what is under way, and the next one does the rest."""

import signal
from collections import Counter
from pathlib import Path

from connector import clock
from connector.database import Database
from tests.delivery import post
from tests.fakes.smtp import FakeRelay
from tests.stories import sender
from tests.waiting import until

LETTERS = 2_000


def test_a_sender_asked_to_stop_leaves_nothing_in_doubt(db: Database, root: Path) -> None:
    mailing = post.mail(db, LETTERS, now=clock.now())

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
