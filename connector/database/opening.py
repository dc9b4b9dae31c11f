"""From a URL to an open database whose tables are ours and of this version.

A new, empty database is set up at once. An older one is left alone until `connector
migrate`; one made by a newer version, or by another program, is refused.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from connector.database import mark as marks
from connector.database.connection import BUSY_SECONDS, Database
from connector.database.migrations import STEPS, Step
from connector.database.sqlite import Sqlite
from connector.database.tables import Tables
from connector.errors import Misconfigured, WrongSchema


class Engine(Database, Protocol):
    """A database, and what opening and migrating ask of it."""

    cure: str

    @property
    def name(self) -> str: ...
    def adopt(self) -> None: ...
    def tables(self) -> list[str]: ...
    def applied(self) -> list[str]: ...
    def apply(self, steps: Sequence[Step]) -> list[str]: ...
    def alone(self, *, is_new: bool = False) -> AbstractContextManager[Tables]: ...
    def heed_marks(self) -> None: ...


def open(url: str, *, busy_seconds: float = BUSY_SECONDS) -> Database:  # noqa: A001
    """The database at `url`, set up if it is new.

    Raises Misconfigured for a URL we cannot read and a database that was moved away,
    WrongSchema for tables of another version or program, DatabaseUnavailable when it
    cannot be opened.
    """
    db = engine(url, busy_seconds=busy_seconds)
    try:
        applied = _refuse_strangers(db)
        db.adopt()
        if not applied:
            migrate(db)
        check(db)
        _refuse_marked(db)
        db.heed_marks()
    except BaseException:
        db.close()
        raise
    return db


def upgrade(url: str) -> list[str]:
    """Open the database at `url`, bring its tables up to this version; the steps applied."""
    db = engine(url)
    try:
        return migrate(db)
    finally:
        db.close()


def migrate(db: Engine) -> list[str]:
    """Apply every pending step; the names of those applied.

    Two processes at once apply each step once. Raises WrongSchema as `check` does.
    """
    _refuse_strangers(db)
    return db.apply(STEPS)


def check(db: Engine) -> None:
    """Raise WrongSchema unless the tables are exactly those of this version."""
    applied = _refuse_strangers(db)
    missing = [step.name for step in STEPS if step.name not in applied]
    if missing:
        raise WrongSchema(
            f"The database {db.name} was made by an older version of Connector. "
            "Make a backup, then run: connector migrate"
        )


def engine(url: str, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """The engine a URL asks for, not looked into yet; raises Misconfigured."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        return Sqlite(Path(rest[1:]), busy_seconds=busy_seconds)
    if scheme in ("postgresql", "postgres"):
        try:
            from connector.database.postgres import Postgres
        except ImportError as error:
            raise Misconfigured(
                "CONNECTOR_DATABASE names a PostgreSQL database, and the library for it is "
                "missing. Install it with: pip install 'connector[postgres]'"
            ) from error
        return Postgres(url, busy_seconds=busy_seconds)
    # Not repeated here: the address of a server may have a password in it.
    raise Misconfigured(
        "CONNECTOR_DATABASE: this is not a database I can open; write it like "
        "sqlite:////srv/letters/subscribers.db or postgresql://letters@db.example.org/letters"
    )


def without_password(url: str) -> str:
    """The same address, to be shown."""
    parts = urlsplit(url)
    who, at, where = parts.netloc.rpartition("@")
    kept = [
        wish
        for wish in parts.query.split("&")
        if wish and wish.partition("=")[0] not in ("password", "sslpassword")
    ]
    start = f"{parts.scheme}://{who.partition(':')[0]}{at}{where}{parts.path}"
    return f"{start}?{'&'.join(kept)}" if kept else start


def _refuse_marked(db: Engine) -> None:
    with db.read() as connection:
        mark = marks.mark(connection)
    if mark is not None:
        raise Misconfigured(mark.told_of(db.name))


def _refuse_strangers(db: Engine) -> set[str]:
    with db.read():
        tables, applied = db.tables(), set(db.applied())
    if tables and not applied:
        raise WrongSchema(f"The database {db.name} belongs to another program. {db.cure}")
    newer = applied - {step.name for step in STEPS}
    if newer:
        raise WrongSchema(
            f"The database {db.name} was made by a newer version of Connector "
            f"({', '.join(sorted(newer))}). Install that version, or restore an older backup."
        )
    return applied
