"""What every test can ask for: a publication of its own, its database, and a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from connector import database, settings, templates
from connector.database import Database
from connector.settings import Settings

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
