"""A relay as one sender knows it: whether it works, and how many connections it stands.

What it learns of a relay that fails it shares with every sender through the ledger.
"""

import contextlib
import logging
from collections.abc import Sequence
from typing import TypeVar

from connector.clock import MINUTE, SECOND
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.mailing import Kind
from connector.delivery.outage import Outage
from connector.delivery.outcome import Outcome
from connector.delivery.relays import Concurrency
from connector.delivery.smtp import Relay
from connector.delivery.steady import Steady
from connector.errors import DatabaseUnavailable, RelayBusy, RelayUnavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

# No sender leaves a relay alone for longer than the next try and the time that has.
LONGEST_REST = 2 * 60 * SECOND
# So long a mailing keeps one connection fewer when a notice finds none.
WAY = 3 * SECOND
# So long the others wait for a relay whose turn it is and that has no room.
PATIENCE = 5 * SECOND


class Route:
    """A way out for letters; `name` is what the ledger calls it."""

    def __init__(
        self,
        db: Database,
        relay: Relay,
        *,
        name: str,
        connections: int,
        steady: Steady,
        outage: Outage,
    ) -> None:
        self.relay = relay
        self.name = name
        self.in_groups = True  # until the relay shows that it does not mean its PIPELINING
        # Whether it takes letters, over as many connections as it may have: a letter that was
        # sent tells nothing new then.
        self.is_well = False
        self.is_tried = False  # whether it took a letter since it last failed
        self.rests_until = 0  # milliseconds: no turn through this relay before
        self.is_suspect = False  # whether it failed, and nobody knows yet that it works again
        self._db = db
        self._steady = steady
        self._outage = outage
        self._concurrency = Concurrency(connections)
        self._is_probing = False
        self._broken_until = 0
        self._open: dict[Kind, int] = {"notice": 0, "issue": 0}
        self._busy_until: dict[Kind, int] = {"notice": 0, "issue": 0}
        self._way_until = 0
        self._way_leaves = 0
        self._full_since = 0

    @property
    def is_broken(self) -> bool:
        """Whether it should be left alone now; no attempt is spent meanwhile."""
        return self.is_suspect and 0 < self._broken_until - self._steady.now() < LONGEST_REST

    @property
    def limit(self) -> int:
        """How many connections a mailing may have; one that failed is tried with a single one."""
        if self.is_suspect:
            return 1
        if self._way_until and self._steady.now() < self._way_until:
            return min(self._concurrency.limit, self._way_leaves)
        return self._concurrency.limit

    @property
    def is_tight(self) -> bool:
        """Whether a notice found no connection lately: whoever has one should not keep it idle."""
        return bool(self._way_until) and self._steady.now() < self._way_until + MINUTE

    def usable(self, places: Sequence[T], kind: Kind) -> Sequence[T]:
        """As many of these places at the relay as it stands now."""
        if self.is_broken:
            return ()
        if self._busy_until[kind] and self._steady.now() < self._busy_until[kind]:
            return ()
        limit = 1 if kind == "notice" else self.limit
        return places if limit >= len(places) else places[:limit]

    def has_room(self) -> None:
        """A letter found room here: those that are its share need no patience."""
        self._full_since = 0

    def is_worth_waiting(self) -> bool:
        """Whether letters that are its share wait for it; not for one that stands still."""
        now = self._steady.now()
        self._full_since = self._full_since or now
        return not self.is_suspect and now - self._full_since < PATIENCE

    def opened(self, kind: Kind) -> None:
        """A connection for letters of a kind is open."""
        self._open[kind] += 1

    def closed(self, kind: Kind) -> None:
        """It is no more; what was free for a notice is free for the mailing again."""
        self._open[kind] -= 1
        if kind == "notice" and self._way_until:
            self._way_until = min(self._way_until, self._steady.now())

    def look(self, broken: dict[str, int]) -> None:
        """See what any sender knows: relays that failed, and when to try each again."""
        self.is_suspect = self.name in broken
        self._broken_until = broken.get(self.name, 0)
        self.is_well = self.is_well and not self.is_suspect
        # When others found it broken and a letter of ours goes through, they should know.
        self.is_tried = self.is_tried and not self.is_suspect

    def may_try(self) -> bool:
        """Whether to open a connection; a relay that failed is tried by one sender at a time."""
        if not self.is_suspect:
            return True
        now = self._steady.now()
        with contextlib.suppress(DatabaseUnavailable):
            if ledger.probe(self._db, self.name, now=now):
                self._is_probing = True
                return True
        self._broken_until = now + SECOND
        return False

    def watch(self, outcome: Outcome) -> None:
        """Learn from what became of a letter whether the relay works."""
        if outcome.kind in ("unreached", "uncertain"):
            self.failed(RelayUnavailable(f"The relay hung up on us: {outcome.reply}"))
            return
        if outcome.is_goodbye and not outcome.is_next_line:
            self._concurrency.refused(now=self._steady.now())
        elif outcome.kind == "sent":
            self._concurrency.worked()
        was_tried, self.is_suspect, self._is_probing = self.is_tried, False, False
        self.is_tried = True
        self.is_well = self._concurrency.is_full
        if not was_tried:
            with contextlib.suppress(DatabaseUnavailable):
                ledger.relay_works(self._db, self.name)

    def failed(self, error: RelayUnavailable, kind: Kind = "issue") -> None:
        """Leave the relay alone for a while, longer each time; or use fewer connections.

        `kind` is of the letters that the connection was for.
        """
        now = self._steady.now()
        if self.is_broken and not self._is_probing:
            return
        self.is_well = False
        is_alone = not any(self._open.values())
        if isinstance(error, RelayBusy) and not (is_alone and self.limit <= 1):
            log.info("%s", error)
            self._is_busy(kind, now=now)
            return
        log.warning("%s", error)
        is_probe, self._is_probing = self._is_probing, False
        self.is_suspect, self.is_tried = True, False
        try:
            self._broken_until = ledger.relay_broke(
                self._db, self.name, why=str(error), is_probe=is_probe, now=now
            )
        except DatabaseUnavailable as trouble:
            self._outage.tell(trouble)
            self._broken_until = now + SECOND

    def _is_busy(self, kind: Kind, *, now: int) -> None:
        """One connection too many: a mailing makes do with those it has, or with one fewer."""
        mailing = self._open["issue"]
        if kind == "notice" and mailing:
            self._way_until, self._way_leaves = now + WAY, mailing - 1
            self._busy_until[kind] = now + SECOND // 4
            return
        self._concurrency.refused(working=mailing, now=now)
        if not mailing:
            self._busy_until[kind] = now + SECOND
