"""A sender in a process of its own, as `connector work` runs it, which says what it needed.

Run as `python -m bench.sender FOLDER`; it says that it is ready and begins when it gets a line.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from bench import frame, post
from bench.running import run
from connector import database, sending
from connector.clock import now as clock_now
from connector.delivery import worker


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument(
        "--stay", action="store_true", help="wait for more when all is sent, until asked to end"
    )
    chosen = arguments.parse_args()
    print(json.dumps(send(chosen.folder, stay=chosen.stay, wait=True)), flush=True)


def send(folder: Path, *, stay: bool = False, wait: bool = False) -> dict[str, float]:
    """Send what is queued in a publication; when it began (ms), and what it needed since."""
    here = post.here(folder)
    db = database.open(here.database)
    if wait:
        frame.told_to_begin()
    start_up, began = frame.processor(), clock_now()

    def begin(now: int) -> None:
        sending.begin_due(db, now=now)

    async def work() -> None:
        stop = asyncio.Event()
        if stay:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await worker.run(db, here, stop=stop, chores=(begin,), until_done=not stay)

    run(work())
    used = frame.processor() - start_up
    db.close()
    return {
        "began": began,
        "processor": used,
        "start_up": start_up,
        "megabytes": frame.peak(),
    }


if __name__ == "__main__":
    main()
