"""Everything in a database, whatever its engine."""

from typing import Any, cast

from connector.database import Database
from connector.database.opening import Engine  # noqa: TC001


def dump(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table."""
    names = [name for name in cast("Engine", db).tables() if not name.startswith(("_", "sqlite_"))]
    with db.read() as connection:
        return {
            name: sorted(connection.rows(f"SELECT * FROM {name}"), key=repr)
            for name in sorted(names)
        }
