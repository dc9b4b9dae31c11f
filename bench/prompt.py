"""How long somebody waits: for the first letter, for a notice among a million, for a pause.

A sender runs and waits, as it does on a server. What arrives, and when, our own sink says; both
sides look at the same clock.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import frame, post, relays
from bench.frame import Row
from connector import sending, settings, templates
from connector.clock import now as clock_now
from connector.database import Database
from connector.delivery import mailings
from connector.delivery.address import parse
from connector.delivery.letter import Letter
from connector.publishing import publish

if TYPE_CHECKING:
    import subprocess

BAR = 1000
PATIENCE = 60
# Nothing has arrived for so long: the mailing stands still.
STILL = 1.5
ISSUE = "---\ntitle: The bench\n---\n\nNobody owns the bench.\n"


@dataclass
class Waits:
    """Milliseconds."""

    published: list[float] = field(default_factory=list)
    freezing: list[float] = field(default_factory=list)
    frozen: list[float] = field(default_factory=list)
    notice: list[float] = field(default_factory=list)
    pause: list[float] = field(default_factory=list)


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--readers", type=int, default=10_000, help="of the issue published")
    arguments.add_argument("--letters", type=int, default=1_000_000, help="of the mailing")
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--notices", type=int, default=5, help="in a round")
    arguments.add_argument("--delay", type=float, default=0, help="of the sink, milliseconds")
    arguments.add_argument("--rounds", type=int, default=3)


def measure(chosen: argparse.Namespace) -> list[Row]:
    waits = Waits()
    for _ in range(chosen.rounds):
        _publish(chosen, waits)
        _interrupt(chosen, waits)
    print(f"\nMilliseconds until the sink had it, {chosen.rounds} rounds: median [all]")
    rows = []
    for what, found in (
        (f"first letter of {chosen.readers:,}, after publish", waits.published),
        (f"first letter of {chosen.letters:,}, after the freeze", waits.frozen),
        ("a notice during that mailing", waits.notice),
        ("the last letter, after a pause", waits.pause),
    ):
        middle = statistics.median(found)
        print(f"  {what:44} {middle:6,.0f} [{', '.join(f'{one:.0f}' for one in found)}]")
        # The worst has to be good enough: nobody waits for a median.
        rows.append(frame.below(f"{what} (worst)", max(found), BAR, "ms"))
    print(f"  freezing {chosen.letters:,} took {statistics.median(waits.freezing):.1f} s")
    return rows


def _publish(chosen: argparse.Namespace, waits: Waits) -> None:
    with _at_work(chosen) as (folder, port, db):
        _subscribe(db, chosen.readers)
        (folder / "issues").mkdir()
        path = folder / "issues" / "the-bench.md"
        path.write_text(ISSUE, encoding="utf-8")
        here = settings.load(folder, {})
        now = clock_now()
        prepared = publish.prepare(path, here, templates.environment(folder), now=now)
        began = time.time()
        sending.publish(db, prepared, at=now, web_only=False, now=now)
        waits.published.append(_first(port) - began * 1000)


def _interrupt(chosen: argparse.Namespace, waits: Waits) -> None:
    """Begin a long mailing, send notices while it runs, then stop it."""
    with _at_work(chosen) as (_, port, db):
        called = time.time()
        mailing = post.queue_in(db, letters=chosen.letters, kilobytes=chosen.kilobytes)
        began = time.time()
        waits.freezing.append(began - called)
        # The sender sees the letters a moment before our own transaction has returned.
        waits.frozen.append(max(0.0, _first(port) - began * 1000))
        for number in range(1, chosen.notices + 1):
            began = time.time()
            _notify(db)
            waits.notice.append(_notice(port, number) - began * 1000)
            time.sleep(0.2)
        began = time.time()
        mailings.pause(db, mailing, why="bench", now=clock_now())
        waits.pause.append(max(0.0, _last(port) - began * 1000))
        assert 0 < relays.tally(port)["letters"] < chosen.letters


@contextmanager
def _at_work(chosen: argparse.Namespace) -> Iterator[tuple[Path, int, Database]]:
    """A publication whose sender runs and has nothing to do: its folder, sink and database."""
    with (
        relays.own_sink(chosen.delay) as port,
        post.publication(port, connections=chosen.connections) as folder,
    ):
        db = post.opened(folder)
        with frame.child("sender", folder, "--stay") as sender:
            frame.begin(sender)
            time.sleep(0.5)
            yield folder, port, db
            _end(sender)
        db.close()


def _end(sender: "subprocess.Popen[str]") -> None:
    sender.terminate()
    sender.wait(PATIENCE)


def _subscribe(db: Database, readers: int) -> None:
    with db.write() as tx:
        tx.many(
            """
            INSERT INTO subscribers (email, email_key, name, state, source, created_at, confirmed_at)
            VALUES (:email, :email, :name, 'active', 'import', :now, :now)
            """,
            (
                {"email": f"reader{n}@example.org", "name": f"Reader {n}", "now": clock_now()}
                for n in range(readers)
            ),
        )


def _notify(db: Database) -> None:
    letter = Letter("Please confirm", "bench@letters.example.org", "Bench", "", "Hi.", "<p>Hi.</p>")
    with db.write(durable=True) as tx:
        mailings.notify(
            tx,
            letter,
            to=parse("notice@example.org"),
            recipient=None,
            about="bench",
            now=clock_now(),
        )


def _first(port: int) -> float:
    return _when(port, lambda found: found["first"])


def _notice(port: int, number: int) -> float:
    return _when(port, lambda found: found["last_notice"] if found["notices"] >= number else 0)


def _last(port: int) -> float:
    """When the last letter arrived, once none arrives any more."""
    return _when(port, lambda found: found["last"] if time.time() - found["last"] > STILL else 0)


def _when(port: int, moment: Callable[[dict[str, float]], float]) -> float:
    """Milliseconds since 1970 of a moment that the sink will know; ask it until it does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := moment(relays.tally(port)):
            return found * 1000
        time.sleep(0.02)
    sys.exit("What this measure waits for did not arrive.")


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
