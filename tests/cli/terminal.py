"""A person at a terminal: types a command, reads what it says, answers, presses Ctrl-C."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.database import files

SECRET = "a test's own secret, long enough to be one"
CTRL_C = "\x03"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True)
class Said:
    """What a command that has ended left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error of a command that was refused."""
        assert self.code == 1, self
        assert self.err.startswith("connector: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("connector: ").strip()

    @property
    def misunderstood(self) -> str:
        """The last line of a command that was not understood."""
        assert self.code == 2, self
        assert "Traceback" not in self.err, self.err
        return self.err.strip().splitlines()[-1]


def environment(**values: str) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONNECTOR_") or name == "CONNECTOR_DATABASE"
    }
    return clean | {"CONNECTOR_SECRET": SECRET, "PYTHONDEVMODE": ""} | values


def command(root: Path, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "connector", "-C", str(root), *map(str, words)]


def run(root: Path, *words: str | Path, humble: bool = False, **values: str) -> Said:
    """Run a command in a process of its own, with nobody at the terminal.

    A `humble` one is bound by the modes of files, whoever runs it.
    """
    typed = command(root, *words)
    done = subprocess.run(
        files.humble(typed) if humble else typed,
        env=environment(**values),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def running(root: Path, *words: str | Path, **values: str) -> Iterator[subprocess.Popen[str]]:
    """A command that stays, killed at the end if it still runs."""
    process = subprocess.Popen(
        command(root, *words),
        env=environment(**values),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


def rest(process: "subprocess.Popen[str]", *, seconds: float = 60) -> tuple[str, str]:
    """What a command says until its end: on its output, and of errors.

    Through the files it is read from line by line; `communicate` would lose what they hold.
    """
    assert process.stdout
    assert process.stderr
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        said = process.stdout.read(), process.stderr.read()
        process.wait(seconds)
    finally:
        late.cancel()
    return said


class Terminal:
    """`with Terminal(root, "publish", …) as terminal:` a command on a terminal of its own."""

    def __init__(self, root: Path, *words: str | Path) -> None:
        self._root = root
        self._words = words
        self.shown = ""

    def __enter__(self) -> Self:
        ours, theirs = pty.openpty()
        self._fd = ours
        self._process = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL, *command(self._root, *self._words)],
            env=environment(TERM="xterm", COLUMNS="120"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What was shown, without its colours."""
        return COLOURS.sub("", self.shown).replace("\r\n", "\n")

    def wait_for(self, words: str) -> None:
        """Read on until `words` were shown."""
        deadline = time.monotonic() + 30
        while words not in self.text:
            assert time.monotonic() < deadline, f"waited for “{words}”, saw: {self.text}"
            assert self._read(), f"ended without “{words}”: {self.text}"

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Read on until the command ends; its exit code."""
        while self._read():
            pass
        return self._process.wait(30)

    def give_up(self) -> int:
        """Press Ctrl-C at a question until the command ends; its exit code."""
        # Python misses a signal in the instant between its last look and its wait for input.
        self.type(CTRL_C)
        while self._is_silent(2):
            self.type(CTRL_C)
        return self.end()

    def _is_silent(self, seconds: float) -> bool:
        asked = time.monotonic()
        while "Stopped." not in self.text and time.monotonic() - asked < seconds:
            if select.select([self._fd], [], [], seconds)[0] and not self._read():
                return False
        return "Stopped." not in self.text

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], 30)
        assert ready, f"nothing more was shown after: {self.text}"
        try:
            found = os.read(self._fd, 65536)
        except OSError:  # Linux says so when the last program has left the terminal
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)


# Makes the terminal the one that Ctrl-C is typed at.
AT_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


LIMITED = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execv(sys.argv[2], sys.argv[2:])
"""


def limited(root: Path, *words: str | Path, size: int) -> Said:
    """Run a command where no file can grow beyond `size` bytes, as on a disk that is full."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *command(root, *words)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout, done.stderr)
