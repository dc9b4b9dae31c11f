"""A bad day for the disk: one sentence that says what is wrong, and nothing half written."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import database
from connector.database import Database, Transaction
from connector.errors import DatabaseUnavailable
from tests.database import files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of ours, closed; tests that change it use it alone."""
    folder = tmp_path / "data"
    folder.mkdir()
    with opened(folder / "letters.db"):
        return folder / "letters.db"


@contextlib.contextmanager
def opened(path: Path, *, busy_seconds: float = 1) -> Iterator[Database]:
    db = database.open(f"sqlite:///{path}", busy_seconds=busy_seconds)
    with contextlib.closing(db):
        yield db


def put(tx: Transaction, *keys: str, detail: str = "") -> None:
    tx.many(
        "INSERT INTO suppressions (address_key, why, detail, at) VALUES (:key, 'x', :detail, 1)",
        [{"key": key, "detail": detail} for key in keys],
    )


def write(db: Database, *keys: str, detail: str = "") -> None:
    with db.write(durable=True) as tx:
        put(tx, *keys, detail=detail)


def keys(path: Path) -> list[str]:
    with files.raw(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [
            row[0] for row in connection.execute("SELECT address_key FROM suppressions ORDER BY 1")
        ]


def test_one_that_another_process_holds(path: Path) -> None:
    with opened(path, busy_seconds=0.05) as db, files.held(path):
        with db.read() as connection:
            assert connection.value("SELECT count(*) FROM suppressions") == 0
        with pytest.raises(DatabaseUnavailable, match="is busy: another program holds it"):
            write(db, "a")

    assert keys(path) == []


def test_one_that_is_let_go_of_is_written_after_all(path: Path) -> None:
    with opened(path, busy_seconds=0.05) as db:
        with files.held(path), pytest.raises(DatabaseUnavailable):
            write(db, "a")
        write(db, "a")

    assert keys(path) == ["a"]


def test_opening_one_that_another_process_holds_is_no_trouble(path: Path) -> None:
    with files.held(path), opened(path, busy_seconds=0.05) as db, db.read() as connection:
        assert connection.value("SELECT count(*) FROM suppressions") == 0


def test_setting_up_a_new_one_that_another_process_holds(tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    with (
        files.held(new),
        pytest.raises(DatabaseUnavailable, match="is busy"),
        opened(new, busy_seconds=0.05),
    ):
        pass


def test_a_full_disk_keeps_nothing_of_a_write(path: Path) -> None:
    with opened(path) as db:
        with db.write() as tx:
            put(tx, "before")
            pages = tx.value("PRAGMA page_count")
            tx.value(f"PRAGMA max_page_count={pages + 4}")

        with pytest.raises(DatabaseUnavailable, match=r"the disk is full\. Nothing was changed"):
            write(db, *map(str, range(100)), detail="x" * 4000)
        write(db, "after")

    assert keys(path) == ["after", "before"]


LIMITED = """
import resource, sys
from connector import database
from connector.errors import DatabaseUnavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    db = database.open(sys.argv[1])
    for number in range(1000):
        with db.write(durable=True) as tx:
            for half in "ab":
                tx.run("INSERT INTO suppressions (address_key, why, detail, at)"
                       " VALUES (:key, 'x', :detail, 1)", key=f"{number}{half}", detail="x" * 9000)
except DatabaseUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file")
def test_a_disk_that_takes_no_more_bytes_keeps_whole_writes_only(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, f"sqlite:///{path}", "1000000"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "is full" in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    found = keys(path)
    assert found
    assert len(found) % 2 == 0, "no write is there by half"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file")
def test_a_disk_too_full_for_the_tables_leaves_a_file_that_can_be_set_up_later(
    tmp_path: Path,
) -> None:
    new = tmp_path / "new.db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, f"sqlite:///{new}", "40000"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "is full" in done.stdout
    with opened(new) as db, db.write() as tx:
        put(tx, "a")
    assert keys(new) == ["a"]


WRITING = """
import sys
from connector import database
from connector.errors import DatabaseUnavailable
try:
    db = database.open(sys.argv[1])
    with db.write() as tx:
        tx.run("INSERT INTO suppressions (address_key, why, at) VALUES ('a', 'x', 1)")
except DatabaseUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="modes are another thing there")
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "what"),
    [
        (0o400, 0o700, "is read-only. Check the owner and mode"),
        (0o400, 0o500, "is read-only. Check the owner and mode"),
        (0o000, 0o700, "cannot be opened"),
        (0o600, 0o000, "cannot be opened"),
    ],
)
def test_one_that_may_not_be_written(
    path: Path, file_mode: int, folder_mode: int, what: str
) -> None:
    path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    try:
        done = subprocess.run(
            files.humble([sys.executable, "-c", WRITING, f"sqlite:///{path}"]),
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)

    assert what in done.stdout
    assert done.stdout.count("\n") == 1
    assert keys(path) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(
            DatabaseUnavailable, match=r"cannot be opened\. Check that its folder exists"
        ),
        opened(tmp_path / "gone" / "letters.db"),
    ):
        pass


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be opened"), opened(tmp_path):
        pass


def test_a_file_that_is_no_database_is_left_as_it_was(path: Path) -> None:
    path.write_text("Dear reader, " * 100)

    with pytest.raises(DatabaseUnavailable, match="is not a database of ours"), opened(path):
        pass

    assert path.read_text() == "Dear reader, " * 100
    assert list(path.parent.iterdir()) == [path]


def test_one_that_is_damaged_says_what_helps(path: Path) -> None:
    files.damaged(path)

    with (
        pytest.raises(DatabaseUnavailable, match=r"is damaged\. Restore it from a backup"),
        opened(path),
    ):
        pass
