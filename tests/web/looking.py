"""What a test sees of an answer and of the database."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx2 import Response

from connector.database import Database
from connector.delivery import links
from connector.errors import DatabaseUnavailable
from connector.settings import Settings
from tests.database import tables


def template(response: Response) -> str:
    """The page that was rendered; a page from memory was rendered earlier."""
    name: str = vars(response)["template"].name
    return name


def context(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = vars(response)["context"]
    return found


def dump(db: Database) -> list[str]:
    """Everything in the database, as text."""
    return [f"{table}: {row}" for table, rows in tables.dump(db).items() for row in rows]


def leaving(settings: Settings, recipient: int) -> str:
    """The path of somebody's unsubscribe link."""
    return urlsplit(links.unsubscribe(settings, recipient)).path


def own(settings: Settings, recipient: int) -> str:
    """The path of somebody's preferences."""
    return urlsplit(links.preferences(settings, recipient)).path


def take_away(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the database cannot be read: a disk that fails, a file that is locked."""

    def refuse() -> None:
        raise DatabaseUnavailable("The database /srv/subscribers.db is busy.")

    monkeypatch.setattr(db, "read", refuse)
