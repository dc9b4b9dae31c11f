"""Runs a coroutine as `connector` does: on uvloop where there is one."""

import asyncio
from collections.abc import Coroutine


def run(main: Coroutine[None, None, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
