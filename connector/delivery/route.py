"""A relay as one sender knows it: whether it works, and how many connections it stands.

What it learns of a relay that fails it shares with every sender through the ledger.
"""

import contextlib
import logging
from collections.abc import Sequence
from typing import TypeVar

from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger
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
        self._db = db
        self._steady = steady
        self._outage = outage
        self._concurrency = Concurrency(connections)
        self._is_suspect = False
        self._is_probing = False
        self._broken_until = 0

    @property
    def is_broken(self) -> bool:
        """Whether it should be left alone now; no attempt is spent meanwhile."""
        return self._is_suspect and 0 < self._broken_until - self._steady.now() < LONGEST_REST

    @property
    def limit(self) -> int:
        """How many connections it may have now; one that failed is tried with a single one."""
        return 1 if self._is_suspect else self._concurrency.limit

    def usable(self, places: Sequence[T]) -> Sequence[T]:
        """As many of these places at the relay as it stands now."""
        if self.is_broken:
            return ()
        limit = self.limit
        return places if limit >= len(places) else places[:limit]

    def look(self, broken: dict[str, int]) -> None:
        """See what any sender knows: relays that failed, and when to try each again."""
        self._is_suspect = self.name in broken
        self._broken_until = broken.get(self.name, 0)
        self.is_well = self.is_well and not self._is_suspect

    def may_try(self) -> bool:
        """Whether to open a connection; a relay that failed is tried by one sender at a time."""
        if not self._is_suspect:
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
        if outcome.is_goodbye:
            self._concurrency.refused(now=self._steady.now())
        elif outcome.kind == "sent":
            self._concurrency.worked()
        was_tried, self._is_suspect, self._is_probing = self.is_tried, False, False
        self.is_tried = True
        self.is_well = self._concurrency.is_full
        if not was_tried:
            with contextlib.suppress(DatabaseUnavailable):
                ledger.relay_works(self._db, self.name)

    def failed(self, error: RelayUnavailable) -> None:
        """Leave the relay alone for a while, longer each time; or use fewer connections."""
        now = self._steady.now()
        if self.is_broken and not self._is_probing:
            return
        self.is_well = False
        if isinstance(error, RelayBusy) and self.limit > 1:
            log.info("%s", error)
            self._concurrency.refused(now=now)
            return
        log.warning("%s", error)
        is_probe, self._is_probing = self._is_probing, False
        self._is_suspect, self.is_tried = True, False
        try:
            self._broken_until = ledger.relay_broke(
                self._db, self.name, why=str(error), is_probe=is_probe, now=now
            )
        except DatabaseUnavailable as trouble:
            self._outage.tell(trouble)
            self._broken_until = now + SECOND
