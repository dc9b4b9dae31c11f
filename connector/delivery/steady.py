"""A clock that never goes back, for as long as one process lives.

A machine whose clock was wrong is set right in the middle of a mailing: what was due a moment
ago must not be due in an hour.
"""

import time
from collections.abc import Callable

from connector import clock


class Steady:
    """Milliseconds since 1970 as the wall clock has them, or as they would be had it not been set back."""

    def __init__(self, passing: Callable[[], float] = time.monotonic) -> None:
        self._passing = passing  # seconds, from anywhere
        self._wall = clock.now()
        self._since = passing()

    def now(self) -> int:
        wall, passed = clock.now(), self._passing()
        expected = self._wall + int((passed - self._since) * clock.SECOND)
        if wall >= expected:
            self._wall, self._since = wall, passed
            return wall
        return expected
