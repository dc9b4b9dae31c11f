"""Senders in processes of their own, born in a millisecond, to be killed without a warning.

One process has everything loaded and forks a sender when it is told to, so that a life costs no
start of an interpreter.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from connector import database, settings
from connector.database import opening
from connector.delivery import worker
from connector.settings import Settings

SECRET = "a test's own secret, long enough to be one"


class Nursery:
    """`start` a sender, `kill` it, or `wait` until it has ended by itself."""

    def __init__(self, told: IO[str], asked: IO[str]) -> None:
        self._told = told
        self._asked = asked

    def start(self) -> int:
        """The process id of a sender that works until nothing is left to send."""
        return self._ask("start")

    def kill(self, sender: int) -> None:
        """kill -9; it is dead when this returns."""
        self._ask(f"kill {sender}")

    def wait(self, sender: int) -> int:
        """The exit code of a sender that has ended by itself."""
        return self._ask(f"wait {sender}")

    def _ask(self, order: str) -> int:
        print(order, file=self._told, flush=True)
        return int(self._asked.readline())


@contextlib.contextmanager
def nursery(root: Path, url: str) -> Iterator[Nursery]:
    """Senders of the publication in `root` and its database; those that live at the end are killed."""
    command = [sys.executable, "-m", __name__, str(root), url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Nursery(process.stdin, process.stdout)
        process.stdin.close()


def _obey(ours: Settings) -> None:
    """Follow the orders on our standard input until it ends; no line to a database is ours."""
    opening.engine(ours.database).close()  # what a sender has to load is loaded
    alive: set[int] = set()
    while order := sys.stdin.readline().split():
        if order[0] == "start":
            answer = os.fork()
            if answer == 0:
                _live(ours)
            alive.add(answer)
        else:
            sender = int(order[1])
            if order[0] == "kill":
                os.kill(sender, signal.SIGKILL)
            answer = os.waitstatus_to_exitcode(os.waitpid(sender, 0)[1])
            alive.discard(sender)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for sender in alive:
        os.kill(sender, signal.SIGKILL)
        os.waitpid(sender, 0)


def _live(ours: Settings) -> NoReturn:
    try:
        db = database.open(ours.database)
        asyncio.run(worker.run(db, ours, stop=asyncio.Event(), until_done=True))
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    _obey(
        settings.load(
            Path(sys.argv[1]), {"CONNECTOR_SECRET": SECRET, "CONNECTOR_DATABASE": sys.argv[2]}
        )
    )
