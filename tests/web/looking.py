"""What a test sees of an answer and of the database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from httpx2 import Response

from connector.database import Connection, Database
from connector.delivery import links
from connector.errors import DatabaseUnavailable
from connector.settings import Settings


def template(response: Response) -> str:
    """The page that was rendered; a page from memory was rendered earlier."""
    name: str = vars(response)["template"].name
    return name


def context(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = vars(response)["context"]
    return found


def dump(db: Database) -> list[str]:
    """Everything in the database, as text."""
    raw = sqlite3.connect(db.url.removeprefix("sqlite:///"))
    try:
        return list(raw.iterdump())
    finally:
        raw.close()


def leaving(settings: Settings, recipient: int) -> str:
    """The path of somebody's unsubscribe link."""
    return urlsplit(links.unsubscribe(settings, recipient)).path


def own(settings: Settings, recipient: int) -> str:
    """The path of somebody's preferences."""
    return urlsplit(links.preferences(settings, recipient)).path


class Away:
    """A database that can be gone: a disk that fails, a file that is locked."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.url = db.url
        self.skip_locked = db.skip_locked
        self.write = db.write
        self.close = db.close
        self.is_away = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self.is_away:
            raise DatabaseUnavailable("The database /srv/subscribers.db is busy.")
        with self._db.read() as connection:
            yield connection
