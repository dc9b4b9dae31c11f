"""A sender in a process of its own, to be stopped, or killed."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.smtp import FakeRelay


def relayed(root: Path, relay: FakeRelay, *, lease: int = 1, connections: int = 4) -> None:
    """Let the publication in `root` send through `relay`."""
    toml = root / "connector.toml"
    toml.write_text(
        f"{toml.read_text(encoding='utf-8')}\n"
        f'[mail]\nhost = "127.0.0.1"\nport = {relay.relay().port}\nsecurity = "none"\n'
        f"lease = {lease}\nconnections = {connections}\n",
        encoding="utf-8",
    )


def start(root: Path, *options: str, database: str = "") -> subprocess.Popen[bytes]:
    """A sender of the publication in `root`; what it complains of is added to complaints.txt."""
    command = [sys.executable, "-m", "connector", "-C", str(root), "work", *options]
    environment = {**os.environ, "CONNECTOR_SECRET": "a test's own secret, long enough to be one"}
    if database:
        environment["CONNECTOR_DATABASE"] = database
    with (root / "complaints.txt").open("ab") as complaints:
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=complaints
        )


@contextlib.contextmanager
def running(root: Path, *options: str, database: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A sender that is killed at the end, if it still runs."""
    process = start(root, *options, database=database)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
