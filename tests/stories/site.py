"""A publication that runs as its owner runs it: `connector serve` in a process of its own, seen from outside."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connector import clock, database, sending, settings, templates
from connector.database import Database
from connector.publishing import publish as pages
from connector.settings import Settings
from tests.conftest import TOML
from tests.database import tables
from tests.fakes.smtp import FakeRelay
from tests.stories import sender
from tests.waiting import until

SECRET = {"CONNECTOR_SECRET": "a test's own secret, long enough to be one"}
PUBLIC = "https://letters.example.org"
HERE = "http://127.0.0.1:8000"
# What readers may pay, in stories about money.
TIERS = """
[tiers.supporter]
monthly = "5"
yearly = "50"

[tiers.founding]
name = "Founding member"
suggested = ["8", "15", "30"]
minimum = "2"

[tiers.tip]
suggested = ["3", "7"]
"""
# Everybody in a story asks from the same machine.
LIMITS = "\n[limits]\nconfirmations_per_client = 1000\n"
ADDRESS = re.compile(r" (?:is|it) at (http://[^\s/]+)")
# What a sender notes about itself while it waits.
RESTLESS = {"senders", "relays", "rounds"}


@dataclass(frozen=True)
class Site:
    """`url` is where it listens; letters name its `home`, which may be elsewhere."""

    root: Path
    url: str
    is_public: bool
    client: httpx2.Client
    database: str

    @property
    def home(self) -> str:
        return PUBLIC if self.is_public else self.url

    @property
    def environment(self) -> dict[str, str]:
        # The port is only known once the site listens, so whoever publishes is told.
        return {**SECRET, "CONNECTOR_PUBLICATION_URL": self.home, **_at(self.database)}

    @property
    def settings(self) -> Settings:
        return settings.load(self.root, self.environment)

    @contextlib.contextmanager
    def db(self) -> Iterator[Database]:
        opened = database.open(self.settings.database)
        try:
            yield opened
        finally:
            opened.close()

    def tell(self, *words: str | Path) -> str:
        """Run `connector …` in the publication's folder; what it said."""
        done = subprocess.run(
            command(self.root, *words),
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(self, file: Path) -> None:
        """What `connector publish` does, in this process; returns when every letter has left."""
        now = clock.now()
        prepared = pages.prepare(file, self.settings, templates.environment(self.root))
        with self.db() as db:
            sending.publish(db, prepared, at=now, web_only=False, now=now)
        self.settled()

    def get(self, link: str) -> httpx2.Response:
        return self.ask_for("GET", link)

    def post(self, link: str, **form: str) -> httpx2.Response:
        """Press a button on a page of ours, as a browser does."""
        return self.ask_for("POST", link, data=form, headers={"Origin": self.home})

    def ask_for(self, method: str, link: str, **values: Any) -> httpx2.Response:
        """One request, with no cookies and no redirects followed, for a path or a link of ours."""
        headers = {"Host": urlsplit(self.home).netloc} | values.pop("headers", {})
        address = self.url + link.removeprefix(self.home)
        return self.client.request(method, address, headers=headers, **values)

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table, but for what a sender does by itself."""
        with self.db() as db:
            return {
                name: list(map(repr, rows))
                for name, rows in tables.dump(db).items()
                if name not in RESTLESS
            }

    def change(self, sql: str, **values: object) -> None:
        """Change the database behind the site's back, to turn its time."""
        with self.db() as db, db.write() as tx:
            tx.run(sql, **values)

    def rows(self, sql: str, **values: object) -> list[tuple[object, ...]]:
        with self.db() as db, db.read() as connection:
            return connection.rows(sql, **values)

    def settled(self) -> None:
        """Wait until no letter is on its way any more."""
        until(
            lambda: (
                not self.rows(
                    "SELECT 1 FROM mailings WHERE finished_at IS NULL AND cancelled_at IS NULL"
                )
            ),
            "every mailing to finish",
            seconds=20,
        )


def _at(database: str) -> dict[str, str]:
    return {"CONNECTOR_DATABASE": database} if database else {}


def command(root: Path, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "connector", "-C", str(root), *map(str, words)]


def found(folder: Path, *, relay: FakeRelay | None = None, url: str = HERE) -> Path:
    """Found a publication in `folder`; with a relay it is a public one, else `url` says."""
    (folder / "issues").mkdir()
    toml = (TOML if relay else TOML.replace(PUBLIC, url)) + LIMITS
    (folder / "connector.toml").write_text(toml, encoding="utf-8")
    if relay:
        sender.relayed(folder, relay)
    return folder


@contextlib.contextmanager
def serving(
    root: Path, *words: str | Path, database: str = "", complaints: int = 0
) -> Iterator[Site]:
    """`connector serve` on a free port, or another command that stays; stopped at the end.

    It says so many lines to its operator, and no more.
    """
    heard, complained = root / "heard.txt", root / "complained.txt"
    with heard.open("w") as out, complained.open("w") as errors:
        process = subprocess.Popen(
            command(root, *(words or ["serve"]), "--port", "0"),
            env=os.environ | SECRET | _at(database),
            stdout=out,
            stderr=errors,
        )
    try:
        until(
            lambda: "Ctrl-C" in heard.read_text() or process.poll() is not None,
            "the site to start",
            seconds=20,
        )
        address = ADDRESS.search(heard.read_text())
        assert address, (heard.read_text(), complained.read_text())
        is_public = PUBLIC in (root / "connector.toml").read_text(encoding="utf-8")
        # All of it is plain HTTP, and a TLS context takes longer than the request.
        with httpx2.Client(verify=False, trust_env=False) as client:
            yield Site(root, address[1], is_public, client, database)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        finally:
            process.kill()
    assert process.returncode == 0, (process.returncode, complained.read_text())
    assert len(complained.read_text().splitlines()) == complaints, complained.read_text()
