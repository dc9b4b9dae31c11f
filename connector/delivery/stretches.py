"""The stretches of letters a sender holds, dealt out in order a few at a time.

It knows how many letters of each stretch are under way, and gives a stretch back when none
is; it never sends.
"""

import logging
from collections import deque
from dataclasses import dataclass

from connector import clock
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.errors import DatabaseUnavailable

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Stretch:
    """A stretch in our hands: `waiting` letters still to go, `open` ones without a recorded outcome."""

    lane: "Stretches"
    lease: Lease
    waiting: deque[Delivery]
    open: int = 0

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.open


@dataclass(slots=True, eq=False)
class Hand:
    """Letters of one stretch, dealt: open until each has a recorded outcome."""

    stretch: Stretch
    letters: list[Delivery]


class Stretches:
    """What a sender holds of one lane; `hold` is how long a stretch is ours, in milliseconds."""

    def __init__(self, db: Database, kind: Kind, *, worker: str, hold: int) -> None:
        self.kind: Kind = kind
        self._db = db
        self._worker = worker
        self._hold = hold
        self._held: list[Stretch] = []
        self._is_dry = False

    def look_again(self) -> None:
        """Let the next `deal` ask the database, although nothing was due a moment ago."""
        self._is_dry = False

    @property
    def has_more(self) -> bool:
        """Whether another `deal` may give something."""
        return not self._is_dry or any(stretch.waiting for stretch in self._held)

    def deal(self, count: int) -> list[Hand]:
        """Up to `count` letters, open from now on; none when none may go now."""
        hands: list[Hand] = []
        while count > 0:
            stretch = next((one for one in self._held if one.waiting), None) or self._take()
            if stretch is None:
                break
            waiting = stretch.waiting
            letters = [waiting.popleft() for _ in range(min(count, len(waiting)))]
            stretch.open += len(letters)
            count -= len(letters)
            hands.append(Hand(stretch, letters))
        return hands

    def take_back(self, hand: Hand) -> None:
        """Letters that were dealt and not handed over wait again, in their order."""
        hand.stretch.waiting.extendleft(reversed(hand.letters))
        hand.stretch.open -= len(hand.letters)

    def _take(self) -> Stretch | None:
        """Hold one more stretch that has letters which may go now, if there is one.

        Once nothing is due it does not ask again before `look_again`: it is called whenever
        a connection of the lane has nothing to send.
        """
        while not self._is_dry:
            now = clock.now()
            try:
                lease = ledger.take(
                    self._db, self.kind, worker=self._worker, hold=self._hold, now=now
                )
                if lease is None:
                    self._is_dry = True
                    return None
                stretch = Stretch(self, lease, deque(ledger.due(self._db, lease, now=now)))
            except DatabaseUnavailable as error:
                log.warning("%s", error)
                self._is_dry = True
                return None
            self._held.append(stretch)
            if stretch.waiting:
                return stretch
        return None

    def release(self, *, everything: bool = False) -> None:
        """Give back what is done; with `everything` also what has only waiting letters."""
        for stretch in [one for one in self._held if one.is_done or (everything and not one.open)]:
            try:
                ledger.release(self._db, stretch.lease, worker=self._worker, now=clock.now())
            except DatabaseUnavailable as error:
                log.warning("%s", error)
            else:
                self._held.remove(stretch)
