"""The tables of a schema on a server, read and written with COPY, row by row in flat memory."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from graphlib import TopologicalSorter

import psycopg
from psycopg import sql

from connector.database.connection import Row, Transaction

NAMES = """
    SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename
"""
REFERENCES = """
    SELECT who.relname, whom.relname
      FROM pg_constraint
      JOIN pg_class AS who ON who.oid = conrelid
      JOIN pg_class AS whom ON whom.oid = confrelid
     WHERE contype = 'f' AND connamespace = to_regnamespace(quote_ident(current_schema()))
       AND conrelid <> confrelid
"""
COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = :table
     ORDER BY ordinal_position
"""
SEQUENCES = """
    SELECT table_name,
           pg_get_serial_sequence(
               quote_ident(table_schema) || '.' || quote_ident(table_name), column_name)
      FROM information_schema.columns
     WHERE table_schema = current_schema() AND is_identity = 'YES'
"""
LAST = """
    SELECT greatest(
        (SELECT max(id) FROM "{table}"), pg_sequence_last_value(CAST(:sequence AS regclass)), 0)
"""
# It answers at once even in a transaction that is undone later: ids are left out then, never reused.
COUNT_FROM = """
    SELECT setval(CAST(:sequence AS regclass), :number)
     WHERE :number > coalesce(pg_sequence_last_value(CAST(:sequence AS regclass)), 0)
"""
COPY_OUT = "COPY (SELECT {columns} FROM {table}{order}) TO STDOUT (FORMAT BINARY)"
COPY_IN = "COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"


class PostgresTables:
    holds_nul = False

    def __init__(
        self,
        tx: Transaction,
        raw: psycopg.Connection[Row],
        trouble: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.tx = tx
        self._raw = raw
        self._trouble = trouble
        self._sequences: dict[str, str] = {}

    def names(self) -> list[str]:
        found: dict[str, set[str]] = {
            name: set() for (name,) in self.tx.rows(NAMES) if not name.startswith("_")
        }
        for who, whom in self.tx.rows(REFERENCES):
            found[who].add(whom)
        return list(TopologicalSorter(found).static_order())

    def columns(self, table: str) -> list[str]:
        return list(self._types(table))

    def take(self, table: str, columns: Sequence[str]) -> Generator[Row, None, None]:
        types = self._types(table)
        asked = _composed(COPY_OUT, table, columns)
        with self._trouble(), self._raw.cursor() as cursor, cursor.copy(asked) as copy:
            copy.set_types([types[column] for column in columns])
            yield from copy.rows()

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        types = self._types(table)
        asked = _composed(COPY_IN, table, columns)
        with self._raw.cursor() as cursor, cursor.copy(asked) as copy:
            copy.set_types([types[column] for column in columns])
            for row in rows:
                copy.write_row(row)

    def counters(self) -> dict[str, int]:
        self._sequences = {
            table: sequence
            for table, sequence in self.tx.rows(SEQUENCES)
            if not table.startswith("_")
        }
        return {
            table: self.tx.value(LAST.format(table=table), sequence=sequence)
            for table, sequence in self._sequences.items()
        }

    def count_from(self, table: str, number: int) -> None:
        if sequence := self._sequences.get(table):
            self.tx.rows(COUNT_FROM, sequence=sequence, number=number)

    def _types(self, table: str) -> dict[str, str]:
        return dict(self.tx.rows(COLUMNS, table=table))


def _composed(text: str, table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(text).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        order=sql.SQL(" ORDER BY id" if "id" in columns else ""),
    )
