"""A database as so many tables, for those who copy or rebuild all of it. Knows no table by name."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Protocol

from connector.database.connection import Row, Transaction


class Tables(Protocol):
    """One transaction, seen as tables."""

    tx: Transaction
    holds_nul: bool  # whether a text may have the character of number nought in it

    def names(self) -> list[str]:
        """Every table but those that keep the steps; one referred to comes before who refers."""

    def columns(self, table: str) -> list[str]:
        """The names of its columns."""

    def take(self, table: str, columns: Sequence[str]) -> Generator[Row, None, None]:
        """Every row, one by one in flat memory; by id where there is one."""

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows, as many as wanted, as fast as can be."""

    def counters(self) -> dict[str, int]:
        """The highest id that was ever given, for each table that gives ids."""

    def count_from(self, table: str, number: int) -> None:
        """See that the next id of a table is higher than `number`; ask for the counters first."""


def keep_counting(tables: Tables, before: Mapping[str, int]) -> None:
    """See that no id is given twice, whatever was done to the tables since `before`."""
    now = tables.counters()
    for table in tables.names():
        if number := max(now.get(table, 0), before.get(table, 0)):
            tables.count_from(table, number)
