"""`status --watch`: what is on its way, again every second, with the pace and the time left.

On a terminal the view renews itself in its place; elsewhere each look is a line or two. It
changes nothing, and leaving it stops nothing.
"""

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from connector import clock
from connector.cli import console
from connector.clock import SECOND

if TYPE_CHECKING:
    from rich.console import RenderableType

    from connector.database import Database
    from connector.delivery.mailing import Mailing, State
    from connector.settings import Settings

# Long enough to smooth a relay's hiccups, short enough to follow a change of pace.
SPAN = 10 * SECOND
SHOWN = 10
LATELY = 3  # mailings of which is said what came back


@dataclass
class Pace:
    """How fast letters of one mailing are settled, from looks at it in the last ten seconds."""

    looks: deque[tuple[int, int]] = field(default_factory=deque)

    def look(self, settled: int, *, now: int) -> None:
        if self.looks and settled < self.looks[-1][1]:
            self.looks.clear()  # letters got a second chance
        self.looks.append((now, settled))
        while self.looks[0][0] < now - SPAN:
            self.looks.popleft()

    @property
    def rate(self) -> float:
        """Letters in a second."""
        (began, before), (ended, after) = self.looks[0], self.looks[-1]
        return (after - before) * SECOND / (ended - began) if ended > began else 0.0

    def left(self, waiting: int) -> str:
        """How long `waiting` letters take at this pace, in words; empty when nobody can say."""
        return console.span(waiting / self.rate) if waiting and self.rate else ""


@dataclass(frozen=True)
class Line:
    """One mailing at one look."""

    mailing: "Mailing"
    stands: str
    counts: "dict[State, int]"
    pace: Pace

    @property
    def waiting(self) -> int:
        return self.counts.get("queued", 0) + self.counts.get("sending", 0)

    @property
    def is_open(self) -> bool:
        return self.stands in ("sending", "paused", "scheduled")

    def __str__(self) -> str:
        words = f"{self.mailing.id} {self.mailing.name}: {self.stands}"
        if self.mailing.frozen_at is not None:
            done = self.mailing.size - self.waiting
            words += f", {done:,} of {self.mailing.size:,}"
        if self.pace.rate:
            words += f", {self.pace.rate:,.0f} letters/s"
        left = self.pace.left(self.waiting)
        return f"{words}, {left} left" if left else words


class Watch:
    """Looks again and again, and remembers what it needs for the pace."""

    def __init__(self, db: "Database", settings: "Settings") -> None:
        self._db = db
        self._settings = settings
        self._paces: dict[int, Pace] = {}
        self._finished: dict[tuple[int, int | None], dict[State, int]] = {}
        self._shown: list[Line] = []

    def lines(self, *, now: int) -> list[Line]:
        """The newest mailings, newest first."""
        from connector.delivery import mailings, store

        found = []
        with self._db.read() as connection:
            for mailing in store.issue_mailings(connection, limit=SHOWN):
                key = (mailing.id, mailing.finished_at)
                counts = self._finished.get(key)
                if counts is None:
                    counts = store.counts(connection, mailing)
                if mailing.finished_at is not None:
                    self._finished[key] = counts
                pace = self._paces.setdefault(mailing.id, Pace())
                line = Line(mailing, mailings.state_of(mailing), counts, pace)
                pace.look(mailing.size - line.waiting, now=now)
                found.append(line)
        self._shown = found
        return found

    def beside(self, *, now: int) -> list[str]:
        """What else matters: what came back, limits, relays, notices, whether anybody sends."""
        from connector.cli import inbound, pacing
        from connector.delivery import ledger, store

        with self._db.read() as connection:
            known = [store.relay(connection, name) for name in ledger.relay_names(self._settings)]
            notices = store.waiting_notices(connection)
            said = [
                f"{line.mailing.id} {line.mailing.name}: {words}"
                for line in self._shown[:LATELY]
                for words in inbound.came_back(
                    connection, line.mailing, sent=line.counts.get("sent", 0)
                )
            ]
            unseen = inbound.unseen(connection)
        said += [unseen] if unseen else []
        said += pacing.standing(self._db, self._settings, now=now, is_quick=True)
        for relay in filter(None, known):
            retry = clock.moment(relay.retry_at, self._settings.publication.zone)
            said.append(f"{relay.why} Next try at {retry:%H:%M:%S}.")
        if notices:
            said.append(f"{console.counted(notices, 'notice')} waiting.")
        if not ledger.is_attended(self._db, now=now):
            said.append("No sender is running.")
        return said


def watch(db: "Database", settings: "Settings", *, every: float = 1) -> None:
    """Show what is on its way until Ctrl-C."""
    watched = Watch(db, settings)
    try:
        if sys.stdout.isatty():
            _live(watched, every=every)
        else:
            _lines(watched, settings.publication.zone, every=every)
    except KeyboardInterrupt:
        click.echo("Nothing was stopped but the looking.")


def _lines(watched: Watch, zone: str, *, every: float) -> None:
    while True:
        now = clock.now()
        said = [str(line) for line in watched.lines(now=now) if line.is_open]
        said = said or ["Nothing is on its way."]
        for words in [*said, *watched.beside(now=now)]:
            click.echo(f"{clock.moment(now, zone):%H:%M:%S}  {words}")
        sys.stdout.flush()
        time.sleep(every)


def _live(watched: Watch, *, every: float) -> None:
    from rich.live import Live

    with Live(_view(watched), auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(_view(watched), refresh=True)


def _view(watched: Watch) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    now = clock.now()
    table = Table(box=None, pad_edge=False, header_style="")
    for head in ("Mailing", "Issue", "Stands"):
        table.add_column(head)
    for head in ("People", "Sent", "Waiting", "Refused", "Uncertain", "Pace", "Left"):
        table.add_column(head, justify="right")
    for line in watched.lines(now=now):
        table.add_row(
            str(line.mailing.id),
            Text(line.mailing.name),
            line.stands,
            f"{line.mailing.size:,}",
            f"{line.counts.get('sent', 0):,}",
            f"{line.waiting:,}",
            f"{line.counts.get('refused', 0):,}",
            f"{line.counts.get('uncertain', 0):,}",
            f"{line.pace.rate:,.0f}/s" if line.pace.rate else "",
            line.pace.left(line.waiting),
        )
    beside = [Text(words) for words in ("", *watched.beside(now=now), "Leave with Ctrl-C.")]
    return Group(table, *beside)
