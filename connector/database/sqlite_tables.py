"""The tables of a file. It reads and writes rows one by one, and never holds more of them."""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from graphlib import TopologicalSorter

from connector.database.connection import Row, Transaction

NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
REFERENCES = 'SELECT "table" FROM pragma_foreign_key_list(:table)'
COLUMNS = "SELECT name FROM pragma_table_info(:table)"
COUNTERS = "SELECT name, seq FROM sqlite_sequence"


class SqliteTables:
    holds_nul = True

    def __init__(
        self,
        tx: Transaction,
        raw: sqlite3.Connection,
        trouble: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.tx = tx
        self._raw = raw
        self._trouble = trouble

    def names(self) -> list[str]:
        return list(
            TopologicalSorter(
                {
                    name: {row[0] for row in self.tx.rows(REFERENCES, table=name)} - {name}
                    for (name,) in self.tx.rows(NAMES)
                    if not name.startswith(("_", "sqlite_"))
                }
            ).static_order()
        )

    def columns(self, table: str) -> list[str]:
        return [row[0] for row in self.tx.rows(COLUMNS, table=table)]

    def take(self, table: str, columns: Sequence[str]) -> Generator[Row, None, None]:
        order = " ORDER BY id" if "id" in columns else ""
        with self._trouble():
            yield from self._raw.execute(f'SELECT {_listed(columns)} FROM "{table}"{order}')

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(columns))
        self._raw.executemany(f'INSERT INTO "{table}" ({_listed(columns)}) VALUES ({places})', rows)

    def counters(self) -> dict[str, int]:
        # SQLite makes it with the first table that counts.
        if not self.tx.rows("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return {}
        return {
            name: number
            for name, number in self.tx.rows(COUNTERS)
            if not name.startswith(("_", "sqlite_"))
        }

    def count_from(self, table: str, number: int) -> None:
        # https://www.sqlite.org/autoinc.html: an ordinary table, to be changed as any other.
        is_there = self.tx.run(
            "UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :table",
            table=table,
            number=number,
        )
        if not is_there and number:
            self.tx.run(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)",
                table=table,
                number=number,
            )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
