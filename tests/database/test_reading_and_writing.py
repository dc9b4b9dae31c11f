"""What a read sees, what a write keeps, and who waits for whom."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from connector import database
from connector.database import Connection, Database, Transaction
from connector.database.sqlite import Sqlite
from connector.errors import DatabaseUnavailable
from connector.settings import Settings
from tests.database import files

INTEGRITY = (sqlite3.IntegrityError, psycopg.IntegrityError)
PUT = "INSERT INTO suppressions (address_key, why, at) VALUES (:key, 'bounced', :at)"
KEYS = "SELECT address_key FROM suppressions ORDER BY address_key"


@dataclass(frozen=True)
class Suppressed:
    address_key: str
    at: int


def put(tx: Transaction, *keys: str) -> int:
    return tx.many(PUT, [{"key": key, "at": 7} for key in keys])


def keys(connection: Connection) -> list[str]:
    return [row[0] for row in connection.rows(KEYS)]


def kept(db: Database) -> list[str]:
    with db.read() as connection:
        return keys(connection)


def apart(work: Callable[[], None]) -> None:
    """Do it in another thread, and bring back what went wrong there."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            wrong.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    for error in wrong:
        raise error


def test_each_way_of_asking(db: Database) -> None:
    with db.write() as tx:
        assert put(tx, "a", "b") == 2
        assert tx.run("UPDATE suppressions SET at = 8 WHERE address_key = :key", key="b") == 1
        assert tx.run("UPDATE suppressions SET at = 9 WHERE address_key = :key", key="z") == 0
        assert tx.value(f"{PUT} RETURNING at", key="c", at=9) == 9

    sql = "SELECT address_key, at FROM suppressions WHERE at >= :at ORDER BY address_key"
    with db.read() as connection:
        assert connection.rows(sql, at=8) == [("b", 8), ("c", 9)]
        assert list(connection.stream(sql, at=9)) == [("c", 9)]
        assert connection.all(sql, into=Suppressed, at=8) == [
            Suppressed("b", 8),
            Suppressed("c", 9),
        ]
        assert connection.one(sql, into=Suppressed, at=7) == Suppressed("a", 7)
        assert connection.one(sql, into=Suppressed, at=10) is None
        assert connection.value("SELECT count(*) FROM suppressions") == 3
        assert connection.value(KEYS + " LIMIT 0") is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, sqlite3.IntegrityError])
def test_a_write_that_fails_keeps_nothing(db: Database, error: type[BaseException]) -> None:
    def fail() -> None:
        with db.write() as tx:
            put(tx, "a", "b")
            raise error

    with pytest.raises(error):
        fail()

    assert kept(db) == []
    with db.write() as tx:
        put(tx, "a")
    assert kept(db) == ["a"]


def test_a_statement_that_fails_takes_the_whole_write_with_it(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a")

    with pytest.raises(INTEGRITY), db.write() as tx:
        put(tx, "b", "a")

    assert kept(db) == ["a"]


def test_a_write_inside_a_write_is_a_mistake_and_keeps_nothing(db: Database) -> None:
    def write_twice() -> None:
        with db.write() as tx:
            put(tx, "a")
            with db.write():
                pass

    with pytest.raises(RuntimeError, match="pass the open transaction on"):
        write_twice()

    assert kept(db) == []


def test_a_read_inside_a_write_sees_what_is_not_kept_yet(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a")
        with db.read() as connection:
            assert keys(connection) == ["a"]
        put(tx, "b")

    assert kept(db) == ["a", "b"]


def test_a_read_cannot_change_anything_for_good(db: Database) -> None:
    # A file forgets it; a server refuses it.
    with contextlib.suppress(DatabaseUnavailable), db.read() as connection:
        connection.rows(PUT, key="a", at=7)

    assert kept(db) == []


def test_threads_do_not_see_each_others_open_transactions(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a")
        apart(lambda: _expect(db, []))

    apart(lambda: _expect(db, ["a"]))


def _expect(db: Database, expected: list[str]) -> None:
    assert kept(db) == expected


def test_a_view_stays_the_same_while_others_write(db: Database) -> None:
    def write() -> None:
        with db.write() as tx:
            put(tx, "a")

    with db.read() as connection:
        assert keys(connection) == []
        apart(write)
        assert keys(connection) == []

    assert kept(db) == ["a"]


def test_writers_wait_for_each_other(db: Database) -> None:
    begun = threading.Event()

    def write() -> None:
        begun.set()
        with db.write() as tx:
            put(tx, "of the second")

    second = threading.Thread(target=write)
    with db.write() as tx:
        second.start()
        begun.wait(5)
        put(tx, "of the first")
        assert keys(tx) == ["of the first"]
    second.join(30)

    assert kept(db) == ["of the first", "of the second"]


def test_many_threads_at_once_lose_nothing(db: Database) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            with db.write() as tx:
                put(tx, f"{number}:{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(kept(db)) == 160


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_write_waits_for_the_disk(db: Database, *, durable: bool) -> None:
    full, normal = 2, 1

    with db.write(durable=durable) as tx:
        level = tx.value("PRAGMA synchronous")

    assert level == (full if durable else normal)
    with db.write(durable=not durable) as tx:
        assert tx.value("PRAGMA synchronous") != level


def test_what_was_written_outlives_a_process_that_is_killed(
    db: Database, configured: Settings
) -> None:
    program = (
        "import os, sys; from connector import database; db = database.open(sys.argv[1])\n"
        "with db.write(durable=True) as tx: tx.run(sys.argv[2], key='kept', at=7)\n"
        "with db.write() as tx: tx.run(sys.argv[2], key='lost', at=7); os.kill(os.getpid(), 9)\n"
    )

    killed = subprocess.run([sys.executable, "-c", program, configured.database, PUT], check=False)

    assert killed.returncode == -9
    assert kept(db) == ["kept"]


@pytest.mark.only("sqlite")
def test_a_copy_made_while_others_write_is_whole(db: Database, tmp_path: Path) -> None:
    stop = threading.Event()
    pairs = iter(range(1_000_000))

    def write() -> None:
        while not stop.is_set():
            number = next(pairs)
            with db.write() as tx:
                put(tx, f"{number}a", f"{number}b")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            db.copy_to(tmp_path / f"copy{number}.db")
    finally:
        stop.set()
        writer.join(30)

    for number in range(5):
        with contextlib.closing(database.open(f"sqlite:///{tmp_path}/copy{number}.db")) as copy:
            found = kept(copy)
            assert len(found) % 2 == 0, "no write is there by half"
            with copy.read() as connection:
                assert connection.value("PRAGMA integrity_check") == "ok"


def test_a_row_that_belongs_to_nobody_is_refused(db: Database) -> None:
    with pytest.raises(INTEGRITY), db.write() as tx:
        tx.run("INSERT INTO consents (subscriber_id, what, how, at) VALUES (7, 'a', 'form', 1)")


@pytest.mark.only("sqlite")
def test_a_closed_database_holds_no_file(db: Database, configured: Settings) -> None:
    apart(lambda: _expect(db, []))
    kept(db)
    assert isinstance(db, Sqlite)

    db.close()

    with files.raw(db.path) as connection:
        connection.execute("PRAGMA locking_mode=exclusive")
        connection.execute("BEGIN EXCLUSIVE")
