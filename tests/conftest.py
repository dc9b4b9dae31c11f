"""What every test can ask for: a publication of its own, its database, and a clock that stands still."""

import json
import os
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
from connector.till import exchange as till
from connector.till.exchange import Exchange
from tests import clusters

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

NOW = 1_790_000_000_000  # a Monday in September 2026
PUBLICATION = """
[publication]
title = "The Commons Desk"
author = "Ines Marlow"
email = "ines@letters.example.org"
description = "Letters about the public things a town shares."
url = "https://letters.example.org"
address = "12 Harbour Row, Port Ellery"
"""
TOML = f"\n[stripe]\nrehearsal = true\n{PUBLICATION}"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # one server for all processes of this run
        clusters.reserve()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        clusters.remove()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever needs a database is tested on both engines, unless it is about one of them."""
    if "engine" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        engines = only.args if only else clusters.ENGINES
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`sqlite` or `postgres`: the engine whose new, empty database this test gets."""
    if request.param == "sqlite":
        yield request.param
        return
    with clusters.database() as url:
        monkeypatch.setenv("CONNECTOR_DATABASE", url)
        yield request.param


@pytest.fixture(autouse=True)
def _engine_first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are read from the environment, so it is told before anybody reads it."""
    monkeypatch.delenv("CONNECTOR_DATABASE", raising=False)
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine")


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
    environment = {"CONNECTOR_SECRET": "a test's own secret, long enough to be one"}
    if url := os.environ.get("CONNECTOR_DATABASE"):
        environment["CONNECTOR_DATABASE"] = url
    return settings.load(root, environment)


@pytest.fixture
def environment(root: Path) -> jinja2.Environment:
    return templates.environment(root)


@pytest.fixture
def db(engine: str, configured: Settings) -> Iterator[Database]:
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


@pytest.fixture(autouse=True, scope="session")
def _everything_said_to_stripe_fits_its_contract() -> Iterator[None]:
    """Whatever passes through the Till, in any test, is checked; nothing is imported before."""

    def look(exchange: Exchange) -> None:
        from tests import contract

        contract.check_exchange(exchange)

    def look_at_event(body: bytes) -> None:
        from tests import contract

        contract.check_event(json.loads(body))

    till.watchers.append(look)
    till.event_watchers.append(look_at_event)
    yield
    till.watchers.remove(look)
    till.event_watchers.remove(look_at_event)
