"""From a URL to an open database whose tables are ours and of this version.

A new, empty database is set up at once. An older one is left alone until `connector
migrate`; one made by a newer version, or by another program, is refused.
"""

from string import Template

from sqlite_utils import Migrations

from connector.database.connection import Database
from connector.database.migrations import STEPS, Step
from connector.database.sqlite import BUSY_SECONDS, Sqlite, path_of
from connector.errors import WrongSchema

SET = "connector"
WORDS = {
    # AUTOINCREMENT: ids appear in links and Message-IDs, so one must never be used again.
    "id": "integer PRIMARY KEY AUTOINCREMENT",
    "int": "integer",
    "blob": "blob",
    "strict": "STRICT",
}


def open(url: str, *, busy_seconds: float = BUSY_SECONDS) -> Database:  # noqa: A001
    """The database at `url`, set up if it is new.

    Raises Misconfigured for a URL we cannot read, WrongSchema for tables of another
    version or program, DatabaseUnavailable when it cannot be opened.
    """
    db = Sqlite(path_of(url), busy_seconds=busy_seconds)
    try:
        applied = _refuse_strangers(db)
        db.adopt()
        if not applied:
            migrate(db)
        check(db)
    except BaseException:
        db.close()
        raise
    return db


def upgrade(url: str) -> list[str]:
    """Open the database at `url`, bring its tables up to this version; the steps applied."""
    db = Sqlite(path_of(url))
    try:
        return migrate(db)
    finally:
        db.close()


def migrate(db: Sqlite) -> list[str]:
    """Apply every pending step; the names of those applied.

    Two processes at once apply each step once. Raises WrongSchema as `check` does.
    """
    _refuse_strangers(db)
    with db.write(durable=True):
        utils = db.utils()
        migrations = _migrations()
        names = [step.name for step in migrations.pending(utils)]
        migrations.apply(utils)
        return names


def check(db: Sqlite) -> None:
    """Raise WrongSchema unless the tables are exactly those of this version."""
    applied = _refuse_strangers(db)
    missing = [step.name for step in STEPS if step.name not in applied]
    if missing:
        raise WrongSchema(
            f"The database {db.path} was made by an older version of Connector. "
            "Make a backup, then run: connector migrate"
        )


def _refuse_strangers(db: Sqlite) -> set[str]:
    with db.read():
        utils = db.utils()
        tables = utils.table_names()
        applied = {step.name for step in _migrations().applied(utils)}
    if tables and not applied:
        raise WrongSchema(
            f"The database {db.path} belongs to another program. "
            "Name another file in CONNECTOR_DATABASE, or move this one away."
        )
    newer = applied - {step.name for step in STEPS}
    if newer:
        raise WrongSchema(
            f"The database {db.path} was made by a newer version of Connector "
            f"({', '.join(sorted(newer))}). Install that version, or restore an older backup."
        )
    return applied


def _migrations() -> Migrations:
    migrations = Migrations(SET)
    for step in STEPS:
        _add(migrations, step)
    return migrations


def _add(migrations: Migrations, step: Step) -> None:
    @migrations(name=step.name)
    def apply(db: object) -> None:
        for statement in Template(step.sql).substitute(WORDS).split(";\n"):
            if statement.strip():
                db.execute(statement)  # type: ignore[attr-defined]
