"""What every test can ask for: a publication of its own, its database, and a clock that stands still."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import jinja2
import pytest

from connector import database, settings, templates
from connector.database import Database
from connector.delivery import mailings
from connector.membership import complimentary
from connector.readers import preferences, signup
from connector.readers.subscriber import Subscriber
from connector.settings import Settings

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

NOW = 1_790_000_000_000  # a Monday in September 2026
TOML = """
[publication]
title = "The Commons Desk"
author = "Ines Marlow"
email = "ines@letters.example.org"
description = "Letters about the public things a town shares."
url = "https://letters.example.org"
address = "12 Harbour Row, Port Ellery"
"""


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a publication with nothing published yet."""
    (tmp_path / "issues").mkdir()
    (tmp_path / "connector.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


@pytest.fixture
def configured(root: Path) -> Settings:
    return settings.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough to be one"})


@pytest.fixture
def environment(root: Path) -> jinja2.Environment:
    return templates.environment(root)


@pytest.fixture
def db(configured: Settings) -> Iterator[Database]:
    opened = database.open(configured.database)
    yield opened
    opened.close()


@dataclass(frozen=True)
class People:
    """The same four people everywhere."""

    ada: Subscriber  # reads for free
    bea: Subscriber  # a member, as a gift
    cas: Subscriber  # has unsubscribed
    dan: Subscriber  # on the list, but letters to him bounced


@pytest.fixture
def people(db: Database, configured: Settings, now: int) -> People:
    names = ("ada", "bea", "cas", "dan")
    ada, bea, cas, dan = (
        signup.add(db, configured, email=f"{name}@example.org", name=name.title(), now=now)
        for name in names
    )
    complimentary.comp(db, bea.id, until=None, now=now)
    preferences.unsubscribe(db, configured, cas.id, how="link", page="", client="", now=now)
    with db.write() as tx:
        mailings.suppress(tx, dan.email_key, why="bounced", detail="550 5.1.1", now=now)
    return People(ada, bea, preferences.find(db, cas.id), dan)
