"""Claims letters and writes down that they were sent, as a sender does, and sends none.

Run as `python -m bench.clerk FOLDER`; it begins when it gets a line, and says what it needed.
"""

import argparse
import contextlib
import json
import os
from pathlib import Path

from bench import frame, post
from connector.clock import SECOND
from connector.clock import now as clock_now
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Lease
from connector.delivery.outcome import Outcome
from connector.errors import DatabaseUnavailable

# What a sender with sixteen connections writes down at a time.
BATCH = 32
HOLD = 60 * SECOND
SENT = Outcome("sent", "250 2.0.0 Ok")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    db = post.opened(arguments.parse_args().folder)
    frame.told_to_begin()
    start_up, began = frame.processor(), clock_now()
    worker = f"clerk {os.getpid()}"
    while work(db, worker):
        pass
    found = {"began": began, "processor": frame.processor() - start_up, "megabytes": frame.peak()}
    print(json.dumps(found | {"start_up": start_up}), flush=True)


def work(db: Database, worker: str) -> bool:
    """Take a stretch and do all of it; False when there is none."""
    lease = ledger.take(db, "issue", worker=worker, hold=HOLD, now=clock_now())
    if lease is None:
        return False
    done: list[Settled] = []
    due = ledger.due(db, lease, now=clock_now())
    for start in range(0, len(due), BATCH):
        done = write(db, worker, lease, done, due[start : start + BATCH])
    write(db, worker, lease, done, [])
    ledger.release(db, lease, worker=worker, now=clock_now())
    return True


def write(
    db: Database, worker: str, lease: Lease, done: list[Settled], letters: list[Delivery]
) -> list[Settled]:
    """One commit: what became of the letters before, and the marks of these."""
    while True:
        with (
            contextlib.suppress(DatabaseUnavailable),
            db.write(durable=not db.boot, side_by_side=True) as tx,
        ):
            ledger.settle(tx, done, now=clock_now())
            marked = ledger.hand_over(tx, lease, letters, worker=worker, now=clock_now())
            return [Settled(lease, letter, SENT) for letter in marked]


if __name__ == "__main__":
    main()
