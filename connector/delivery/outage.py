"""A database that cannot be used, said once: when that begins, and when it is over.

All of a process shares it, since all of it notices. It never tries anything itself.
"""

import logging

from connector.clock import MINUTE, SECOND
from connector.delivery.steady import Steady
from connector.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

# Whoever looks into the log an hour later still finds it there.
AGAIN = 10 * MINUTE


class Outage:
    """What one process says of its database; `again` is how soon the same is said anew, in ms."""

    def __init__(self, steady: Steady, *, again: int = AGAIN) -> None:
        self._steady = steady
        self._again = again
        self._since: int | None = None
        self._is_said = False
        self._tell_at = 0

    def tell(self, error: DatabaseUnavailable) -> None:
        """It cannot be used: a line in the log, unless that was said a while ago."""
        now = self._steady.now()
        if self._since is None:
            self._since, self._is_said = now, False
        # What was said of moments long past is not said of one that stays.
        is_news = not self._is_said and now - self._since >= SECOND
        if is_news or now >= self._tell_at:
            self._is_said = True
            self._tell_at = now + self._again
            log.warning("%s", error)

    def over(self) -> None:
        """Something was written down: it can be used."""
        if self._since is None:
            return
        lasted, self._since = self._steady.now() - self._since, None
        if lasted >= SECOND:
            self._tell_at = 0
            log.warning("The database can be used again, after %s seconds.", lasted // SECOND)
