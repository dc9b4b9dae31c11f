"""Waiting for another process or thread: until something is true, and not a moment longer."""

import time
from collections.abc import Callable

TICK = 0.005


def until(is_so: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Return as soon as `is_so()` is true; fail, saying `what` was awaited, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(TICK)
