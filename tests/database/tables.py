"""Everything in a database, whatever its engine."""

from typing import Any, cast

from connector.database import Database
from connector.database.opening import Engine  # noqa: TC001


def names(db: Database) -> list[str]:
    """Every table of ours."""
    found = cast("Engine", db).tables()
    return sorted(name for name in found if not name.startswith(("_", "sqlite_")))


def dump(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table."""
    with db.read() as connection:
        return {
            name: sorted(connection.rows(f"SELECT * FROM {name}"), key=repr) for name in names(db)
        }
