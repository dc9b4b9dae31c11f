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

    lease: Lease
    waiting: deque[Delivery]
    open: int = 0

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.open


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
        """Let the next `take` ask the database, although nothing was due a moment ago."""
        self._is_dry = False

    def deal(self, count: int) -> tuple[Stretch, list[Delivery]] | None:
        """Up to `count` letters of one stretch, open from now on; None when none may go now."""
        for stretch in self._held:
            if stretch.waiting:
                break
        else:
            return None
        waiting = stretch.waiting
        dealt = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        stretch.open += len(dealt)
        return stretch, dealt

    def take(self) -> bool:
        """Hold one more stretch, if one is due; whether it has letters that may go now.

        Once nothing is due it does not ask again before `look_again`: every connection of a
        lane comes here whenever it has nothing to send.
        """
        if self._is_dry:
            return False
        now = clock.now()
        try:
            lease = ledger.take(self._db, self.kind, worker=self._worker, hold=self._hold, now=now)
            if lease is None:
                self._is_dry = True
                return False
            stretch = Stretch(lease, deque(ledger.due(self._db, lease, now=now)))
        except DatabaseUnavailable as error:
            log.warning("%s", error)
            return False
        self._held.append(stretch)
        return bool(stretch.waiting)

    def release(self, *, everything: bool = False) -> None:
        """Give back what is done; with `everything` also what has only waiting letters."""
        for stretch in [one for one in self._held if one.is_done or (everything and not one.open)]:
            try:
                ledger.release(self._db, stretch.lease, worker=self._worker, now=clock.now())
            except DatabaseUnavailable as error:
                log.warning("%s", error)
            else:
                self._held.remove(stretch)
