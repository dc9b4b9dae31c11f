"""The command line in this process, which is quick, and an issue to try it on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import clock
from connector.cli.main import main
from connector.database import Database
from connector.readers import signup
from connector.settings import Settings
from connector.till import opening
from tests.cli.terminal import SECRET, Said
from tests.conftest import People
from tests.membership.conftest import Life

Connector = Callable[..., Said]
READERS = ("ada", "bea", "cas")
TEXT = "---\ntitle: The bench\npreheader: Who owns it\n---\n\nNobody owns the bench.\n"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CONNECTOR_")]:
        if name != "CONNECTOR_DATABASE":  # the engine this test runs on
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONNECTOR_SECRET", SECRET)


@pytest.fixture
def _senders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Senders that a command leaves behind are waited for."""
    started: list[subprocess.Popen[bytes]] = []

    class Remembered(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **values: Any) -> None:
            super().__init__(*args, **values)
            if "work" in args[0]:
                started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Remembered)
    yield
    assert [process.wait(60) for process in started] == [0] * len(started)


@pytest.fixture
def connector(
    engine: str,
    _senders: None,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Connector:
    """`connector("status")` in the publication's folder; nobody is at the terminal."""

    def run(*words: str | Path) -> Said:
        argv = ["connector", "-C", str(root), *map(str, words)]
        monkeypatch.setattr(sys, "argv", argv)
        capsys.readouterr()
        on_term = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:
            signal.signal(signal.SIGTERM, on_term)
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return Said(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture
def issue(root: Path) -> Path:
    path = root / "issues" / "2026-12-01-the-bench.md"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def readers(db: Database, configured: Settings, now: int) -> tuple[str, ...]:
    """Three people on the list."""
    for name in READERS:
        signup.add(db, configured, email=f"{name}@example.org", now=now)
    return tuple(f"{name}@example.org" for name in READERS)


@pytest.fixture
def life(db: Database, configured: Settings, people: People) -> Life:
    """Ada at the Till, at the time that commands go by."""
    client = opening.client(configured, db)
    return Life(db, configured, client, people.ada, start=clock.now())
