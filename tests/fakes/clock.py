"""Time that a test can turn: an event loop that never waits, and a wall clock that keeps up with it.

Sockets and databases are real; only the waiting is left out.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 60  # real seconds that a test may take
# What was written to a socket of this machine may take a moment to come out at its other end.
MOMENT = 0.001
MOMENTS = 10
STRIDE = 1.0  # so that whoever must do something every few seconds still gets to it


class Clock:
    """Seconds that were skipped, and how far the wall clock was turned besides."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.turned = 0.0

    def now(self) -> int:
        """The wall clock in milliseconds, as `connector.clock.now` has it."""
        return int((time.time() + self.skipped + self.turned) * 1000)

    def turn(self, milliseconds: int) -> None:
        """Set the wall clock forward, or back; nobody has waited meanwhile."""
        self.turned += milliseconds / 1000

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `asyncio.run`, in a loop that skips the time in which nothing happens."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(work)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return super().time() + self._clock.skipped


class _Selector(selectors.DefaultSelector):
    """Skips to the next timer once nothing is on its way any more."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._quiet = 0
        self._deadline = time.monotonic() + PATIENCE

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if time.monotonic() > self._deadline:
            raise AssertionError(f"not done after {PATIENCE} s")
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        found = super().select(MOMENT if self._quiet < MOMENTS else 0)
        if found:
            self._quiet = 0
        else:
            self._quiet += 1
            self._clock.skipped += min(timeout or 0, STRIDE)
        return found
