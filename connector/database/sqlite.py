"""SQLite through sqlite-utils: WAL, one connection a thread, one writer at a time."""

import contextlib
import functools
import itertools
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlite_utils
from sqlite_utils import Migrations

from connector.database import mark as marks
from connector.database.connection import BUSY_SECONDS, Row
from connector.database.migrations import Step, statements
from connector.database.sqlite_tables import SqliteTables
from connector.database.tables import Tables, keep_counting
from connector.errors import DatabaseUnavailable

T = TypeVar("T")
SET = "connector"
WORDS = {
    # AUTOINCREMENT: ids appear in links and Message-IDs, so one must never be used again.
    "id": "integer PRIMARY KEY AUTOINCREMENT",
    "int": "integer",
    "blob": "blob",
    "strict": "STRICT",
}
LINUX_BOOT = Path("/proc/sys/kernel/random/boot_id")
# https://www.sqlite.org/rescode.html: what each primary result code means to an operator.
TROUBLE = {
    sqlite3.SQLITE_BUSY: "is busy: another program holds it. Try again, or stop that program.",
    sqlite3.SQLITE_LOCKED: "is busy: another program holds it. Try again, or stop that program.",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Nothing was changed; make room and try again.",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk failed or is full. Nothing was changed.",
    sqlite3.SQLITE_READONLY: "is read-only. Check the owner and mode of the file and its folder.",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check that its folder exists and may be written to.",
    sqlite3.SQLITE_CORRUPT: "is damaged. Restore it from a backup.",
    sqlite3.SQLITE_NOTADB: "is not a database of ours. Name another file, or move this one away.",
    sqlite3.SQLITE_PERM: "may not be opened by this user. Check its owner and mode.",
}


class Sqlite:
    """A database file; `url` is `sqlite:///path`."""

    cure = "Name another file in CONNECTOR_DATABASE, or move this one away."

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self._busy_seconds = busy_seconds
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._heeds_marks = False

    @property
    def name(self) -> str:
        """What we call it in a sentence."""
        return str(self.path)

    @functools.cached_property
    def boot(self) -> str:
        # Without FULL a commit survives the death of every process, but not of the machine.
        return _boot_of_this_machine()

    def skip_locked(self, table: str) -> str:  # noqa: ARG002 - each engine has its own words
        return ""  # one writer at a time: nobody else can be claiming

    @contextlib.contextmanager
    def read(self) -> Iterator["_Connection"]:
        with self._trouble():
            connection = self._connection()
            if connection.raw.in_transaction:  # a view inside a transaction is that transaction's
                yield connection
                return
            connection.raw.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.raw.rollback()

    @contextlib.contextmanager
    def write(
        self,
        *,
        durable: bool = False,
        side_by_side: bool = False,  # noqa: ARG002 - a file has one writer, whatever is asked
    ) -> Iterator["_Connection"]:
        with self._trouble():
            connection = self._connection()
            if connection.raw.in_transaction:
                raise RuntimeError("write() inside write(): pass the open transaction on instead")
            connection.sync(full=durable)
            # IMMEDIATE: a deferred transaction that reads and then writes fails at once when
            # another connection wrote in between, however long the busy timeout is.
            connection.raw.execute("BEGIN IMMEDIATE")
            try:
                self._refuse_marked(connection)
                yield connection
                connection.raw.commit()
            except BaseException:
                connection.raw.rollback()
                raise

    def _refuse_marked(self, connection: "_Connection") -> None:
        if self._heeds_marks and (mark := marks.mark(connection)):
            raise DatabaseUnavailable(mark.told_of(self.name))

    def copy_to(self, path: Path) -> None:
        with self._trouble(), contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection().raw.backup(copy, pages=4096)

    def close(self) -> None:
        with self._lock:
            for raw in self._opened:
                raw.close()
            self._opened.clear()
        self._local = threading.local()

    # What opening and migrating need

    def adopt(self) -> None:
        """Keep the file as ours from now on: whoever reads and whoever writes do not wait."""
        with self._trouble():
            # It stays in the file, so it is not asked of one that may be somebody else's.
            self._connection().raw.execute("PRAGMA journal_mode=wal")

    def tables(self) -> list[str]:
        """Every table in the file."""
        with self.read():
            return self._utils().table_names()

    def applied(self) -> list[str]:
        """The steps this database has had, oldest first."""
        with self.read():
            return [step.name for step in Migrations(SET).applied(self._utils())]

    def apply(self, steps: Sequence[Step]) -> list[str]:
        """Apply those of `steps` that are pending, all or none; their names."""
        with self.alone() as tables:
            utils, migrations = self._utils(), _migrations(steps)
            names = [step.name for step in migrations.pending(utils)]
            before = tables.counters()
            migrations.apply(utils)
            keep_counting(tables, before)
            return names

    @contextlib.contextmanager
    def alone(self, *, is_new: bool = False) -> Iterator[Tables]:  # noqa: ARG002 - one writer
        """All tables, durably, while nobody else writes anything."""
        with self.write(durable=True) as connection:
            yield SqliteTables(connection, connection.raw, self._trouble)

    def heed_marks(self) -> None:
        """Write no more once the content was moved away."""
        self._heeds_marks = True

    def _utils(self) -> sqlite_utils.Database:
        return sqlite_utils.Database(self._connection().raw, execute_plugins=False)

    def _connection(self) -> "_Connection":
        held: _Connection | None = getattr(self._local, "connection", None)
        if held is None:
            held = self._local.connection = _Connection(self._open())
        return held

    def _open(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self.path, isolation_level=None, timeout=self._busy_seconds, check_same_thread=False
        )
        try:
            for pragma in (
                "foreign_keys=on",
                "temp_store=memory",
                "cache_size=-16384",
                "journal_size_limit=67108864",
            ):
                raw.execute(f"PRAGMA {pragma}")
        except BaseException:
            raw.close()
            raise
        with self._lock:
            self._opened.append(raw)
        return raw

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in TROUBLE:
                raise
            raise DatabaseUnavailable(f"The database {self.path} {TROUBLE[code]}") from error


class _Connection:
    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self._full: bool | None = None

    def sync(self, *, full: bool) -> None:
        if full != self._full:
            self.raw.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            self._full = full

    def all(self, sql: str, /, *, into: type[T], **values: Any) -> list[T]:
        cursor = self.raw.execute(sql, values)
        names = tuple(column[0] for column in cursor.description)
        if names == getattr(into, "__match_args__", ())[: len(names)]:
            return list(itertools.starmap(into, cursor))
        return [into(**dict(zip(names, row, strict=True))) for row in cursor]

    def one(self, sql: str, /, *, into: type[T], **values: Any) -> T | None:
        found = self.all(sql, into=into, **values)
        return found[0] if found else None

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        return self.raw.execute(sql, values).fetchall()

    def stream(self, sql: str, /, **values: Any) -> Iterator[Row]:
        return iter(self.raw.execute(sql, values))

    def value(self, sql: str, /, **values: Any) -> Any:
        row = self.raw.execute(sql, values).fetchone()
        return row[0] if row else None

    def run(self, sql: str, /, **values: Any) -> int:
        cursor = self.raw.execute(sql, values)
        cursor.fetchall()
        return max(cursor.rowcount, 0)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | Row], /) -> int:
        return max(self.raw.executemany(sql, rows).rowcount, 0)


def _migrations(steps: Sequence[Step]) -> Migrations:
    migrations = Migrations(SET)
    for step in steps:
        _add(migrations, step)
    return migrations


def _add(migrations: Migrations, step: Step) -> None:
    @migrations(name=step.name)
    def apply(db: object) -> None:
        for statement in statements(step.sql, WORDS):
            db.execute(statement)  # type: ignore[attr-defined]


def _boot_of_this_machine() -> str:
    with contextlib.suppress(OSError):
        return LINUX_BOOT.read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5)  # noqa: S603
            return told.stdout.strip()
    return ""
