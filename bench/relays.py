"""Relays on this machine that take letters and keep none: smtp-sink, our own sink, Postfix.

Postfix runs in a folder of its own and leaves the machine's, if there is one, alone.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.frame import child, hear

PATIENCE = 30
MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = relay.example.org
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
relay_domains = example.org
relay_transport = discard:
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def why_no_tools() -> str:
    """Why Postfix's test programs cannot be used here; empty when they can."""
    if shutil.which("smtp-sink") and shutil.which("smtp-source"):
        return ""
    return "Debian's postfix package is not installed"


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's own sink; its port."""
    port = free_port()
    command = ["smtp-sink"]
    if os.geteuid() == 0:
        # smtp-sink drops root's rights only when told whose to take.
        command += ["-u", "nobody"]
    command += [f"127.0.0.1:{port}", "1024"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sink:
        try:
            _wait(port)
            yield port
        finally:
            sink.terminate()


@contextmanager
def own_sink(delay: float = 0) -> Iterator[int]:
    """The sink of `bench.sink`, which answers after `delay` milliseconds; its port."""
    with child("sink", "--delay", delay) as process:
        yield int(hear(process))


def tally(port: int) -> dict[str, float]:
    """What our own sink has taken so far."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        file = line.makefile("rb")
        file.readline()
        line.sendall(b"XTALLY\r\n")
        found: dict[str, float] = json.loads(file.readline()[4:])
    return found


# Postfix


def why_no_postfix() -> str:
    """Why a Postfix cannot be started here; empty when it can."""
    if not (shutil.which("postfix") and shutil.which("smtp-source")):
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "only root can start a Postfix"
    return ""


class Postfix:
    """A running instance; what it takes for example.org it throws away, after its queue."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def settle(self) -> None:
        """Wait until its queue is empty, so that one run does not work on another's letters."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if not any(self._waiting()):
                return
            time.sleep(0.05)
        sys.exit("Postfix did not empty its queue.")

    def _waiting(self) -> Iterator[Path]:
        for name in ("maildrop", "incoming", "active", "deferred"):
            for path in (self.folder / "spool" / name).rglob("*"):
                if len(path.name) > 1:  # deferred mail is in folders of one letter
                    yield path


@contextmanager
def postfix() -> Iterator[Postfix]:
    """Start a Postfix of our own in a folder of its own, and stop it at the end."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postfix's processes are not root
        for part in ("spool", "data"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "main.cf").write_text(MAIN_CF.format(folder=folder), encoding="utf-8")
        (folder / "master.cf").write_text(MASTER_CF.format(port=port), encoding="utf-8")
        command = ["postfix", "-c", name, "start-fg"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as master:
            try:
                _wait(port)
                yield Postfix(folder, port)
            finally:
                subprocess.run(
                    ["postfix", "-c", name, "stop"], check=False, stderr=subprocess.DEVNULL
                )
                master.wait(PATIENCE)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
                if line.recv(3) == b"220":
                    return
        except OSError:
            time.sleep(0.02)
    sys.exit("The relay did not start.")
