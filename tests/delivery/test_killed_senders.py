"""kill -9 of a sender at two hundred random points: nobody is lost, and nobody gets two."""

import itertools
import random
import secrets
import sys
from pathlib import Path

import pytest

from connector import clock
from connector.database import Database
from connector.delivery import ledger
from tests.delivery import mortal, post
from tests.delivery.promise import check_the_promise
from tests.fakes.smtp import FakeRelay
from tests.stories import sender
from tests.waiting import until

KILLS = 200
SIZES = (40, 120, 600)  # of a mailing
LIFE = 60  # letters a sender may live for
CONNECTIONS = 4
WINDOW = 4  # letters of one connection that may be in doubt when a sender dies
RARELY = 20  # looks at the relay for one into the ledger

# What the dead held is held for a while; the living need something to die for meanwhile.
FREE = "SELECT count(*) FROM leases WHERE due_at IS NOT NULL AND held_until <= :now"
IN_DOUBT = "SELECT count(*) FROM deliveries WHERE state IN ('sending', 'uncertain')"
UNCERTAIN = "SELECT count(*) FROM deliveries WHERE state = 'uncertain'"


@pytest.mark.parametrize("senders", [1, 3])
def test_two_hundred_kills_cost_a_few_doubts_each_and_nothing_else(
    db: Database, root: Path, senders: int
) -> None:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")  # shown when this fails
    chance = random.Random(seed)  # noqa: S311 - no secret hangs on it
    mailings: list[int] = []

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=1, connections=CONNECTIONS)
        with mortal.nursery(root, db.url) as nursery:
            alive: list[int] = []
            for kill in range(1, KILLS + 1):
                while ask(db, FREE, now=clock.now()) <= senders:
                    once = f"issue:bench:{len(mailings)}"
                    size = chance.choice(SIZES)
                    mailings.append(post.mail(db, size, now=clock.now(), once=once))
                while len(alive) < senders:
                    alive.append(nursery.start())
                point = len(relay.received) + chance.choice((0, 1, chance.randrange(LIFE)))
                wait_for(db, relay, point)
                nursery.kill(alive.pop(chance.randrange(senders)))
                # The living have letters under way too.
                most = (kill + senders - 1) * CONNECTIONS * WINDOW
                assert ask(db, IN_DOUBT) <= most, f"after kill {kill}, seed {seed}"
            last = [nursery.start(), *alive]
            assert [nursery.wait(one) for one in last] == [0] * len(last)

    check_the_promise(db, relay)
    uncertain = ask(db, UNCERTAIN)
    assert not ledger.is_open(db, now=clock.now())
    for mailing in mailings:
        assert set(post.counts(db, mailing)) <= {"sent", "uncertain"}
        assert post.look(db, mailing).finished_at is not None
    assert 0 < uncertain <= KILLS * CONNECTIONS * WINDOW, f"seed {seed}"


def wait_for(db: Database, relay: FakeRelay, point: int) -> None:
    """Until a letter has arrived, or there is none left to arrive: that costs more to ask."""
    looks = itertools.count(1)
    until(
        lambda: (
            len(relay.received) >= point
            or (next(looks) % RARELY == 0 and not ledger.is_open(db, now=clock.now()))
        ),
        f"letter {point}",
    )


def ask(db: Database, sql: str, **values: int) -> int:
    with db.read() as connection:
        return int(connection.value(sql, **values))
