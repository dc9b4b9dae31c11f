"""What came back long ago and led to nothing is forgotten, a few thousand reports at a time.

What stopped letters, counted against an address, or let a reader go is kept.
"""

import logging

from connector.clock import DAY, MINUTE
from connector.database import Database
from connector.inbound import store

log = logging.getLogger(__name__)

OLD = 365 * DAY
AT_ONCE = 2_000


class Broom:
    """Sweeps once a day, and again soon while much is left."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._due_at = 0

    def sweep(self, now: int) -> None:
        """Forget what is old when it is time; to be called again and again."""
        if now < self._due_at:
            return
        with self._db.write() as tx:
            gone = store.delete_idle(tx, before=now - OLD, limit=AT_ONCE)
        self._due_at = now + (MINUTE if gone == AT_ONCE else DAY)
        if gone:
            log.info("Forgot %s old reports that led to nothing.", f"{gone:,}")
