"""A relay as one sender knows it: whether it works, and when to try it again if it does not.

It learns from what becomes of letters and tells the ledger; it never speaks to the relay.
"""

import asyncio
import contextlib
import logging

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.outcome import Outcome
from connector.delivery.smtp import Relay
from connector.errors import DatabaseUnavailable, RelayUnavailable

log = logging.getLogger(__name__)


class Route:
    """A way out for letters; `name` is what the ledger calls it."""

    def __init__(self, db: Database, relay: Relay, *, name: str) -> None:
        self.relay = relay
        self.name = name
        self.in_groups = True  # until the relay shows that it does not mean its PIPELINING
        # Whether it took the last letter it was given, so that there is nothing to take back.
        self.is_proven = False
        self._db = db
        self._broken_until = 0.0
        self._failures = 0

    @property
    def is_broken(self) -> bool:
        """Whether we are waiting before we try the relay again; no attempt is spent meanwhile."""
        return self._failures > 0 and asyncio.get_running_loop().time() < self._broken_until

    def watch(self, outcome: Outcome) -> None:
        """Learn from what became of a letter whether the relay works."""
        if outcome.kind in ("unreached", "uncertain"):
            self.failed(RelayUnavailable(f"The relay hung up on us: {outcome.reply}"))
        elif not self.is_proven:
            self._failures, self._broken_until, self.is_proven = 0, 0.0, True
            with contextlib.suppress(DatabaseUnavailable):
                ledger.relay_works(self._db, self.name)

    def failed(self, error: RelayUnavailable) -> None:
        """Leave the relay alone for a while, longer each time."""
        if self.is_broken:
            return
        self._failures += 1
        self.is_proven = False
        log.warning("%s", error)
        now = asyncio.get_running_loop().time()
        try:
            retry = ledger.relay_failed(
                self._db, self.name, why=str(error), failures=self._failures, now=clock.now()
            )
            self._broken_until = now + (retry - clock.now()) / SECOND
        except DatabaseUnavailable as trouble:
            log.warning("%s", trouble)
            self._broken_until = now + 1
