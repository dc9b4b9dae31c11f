"""What a database says of itself when it is not the one to use: it was moved away, or half arrived.

Whoever opens one that is marked is told where to go; whoever has it open writes no more.
"""

from typing import Literal, NamedTuple

from connector.clock import utc
from connector.database.connection import Connection, Transaction

FIND = "SELECT state, token, place, at FROM moves LIMIT 1"


class Mark(NamedTuple):
    """`gone`: its content was moved to `place`. `arriving`: it holds a copy nobody may use yet."""

    state: Literal["gone", "arriving"]
    token: str
    place: str
    at: int

    def told_of(self, name: str) -> str:
        """One sentence on the database of that name, and the cure."""
        if self.state == "arriving":
            return (
                f"The database {name} holds a copy of {self.place} that was not finished. "
                "Run connector move again, with the old one in CONNECTOR_DATABASE."
            )
        return (
            f"The database {name} was moved to {self.place} on {utc(self.at)[:10]}, and is kept "
            "as it was. Name the new one in CONNECTOR_DATABASE."
        )


def mark(connection: Connection) -> Mark | None:
    """The mark of a database whose tables are of this version."""
    found = connection.rows(FIND)
    return Mark(*found[0]) if found else None


def put(tx: Transaction, mark: Mark) -> None:
    tx.run(
        """
        INSERT INTO moves (state, token, place, at) VALUES (:state, :token, :place, :at)
        ON CONFLICT (state) DO UPDATE
           SET token = excluded.token, place = excluded.place, at = excluded.at
        """,
        **mark._asdict(),
    )


def remove(tx: Transaction) -> None:
    tx.run("DELETE FROM moves")
