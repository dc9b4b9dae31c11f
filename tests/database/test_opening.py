"""From a file to tables of ours: set up at once, brought up to date by hand, strangers left alone."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import database
from connector.database import Database, opening
from connector.database.migrations import STEPS, Step
from connector.database.sqlite import Sqlite
from connector.errors import Misconfigured, WrongSchema
from tests.database import files

NAMES = [step.name for step in STEPS]
APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'connector' ORDER BY id"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "letters.db"


@pytest.fixture
def made(path: Path) -> Path:
    """A database of ours, of this version, closed."""
    with opened(path):
        return path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Database]:
    with contextlib.closing(database.open(f"sqlite:///{path}")) as db:
        yield db


def applied(path: Path) -> list[str]:
    with files.raw(path) as connection:
        return [row[0] for row in connection.execute(APPLIED)]


def test_a_new_database_is_set_up_at_once(path: Path) -> None:
    with opened(path) as db, db.read() as connection:
        assert [row[0] for row in connection.rows(APPLIED)] == NAMES
        assert connection.value("PRAGMA foreign_keys") == 1
        assert connection.value("PRAGMA journal_mode") == "wal"


def test_opening_it_again_changes_nothing(made: Path) -> None:
    before = made.read_bytes()

    with opened(made):
        pass

    assert made.read_bytes() == before
    assert opening.upgrade(f"sqlite:///{made}") == []


def test_every_table_checks_its_types(made: Path) -> None:
    with files.raw(made) as connection:
        tables = connection.execute(
            "SELECT name, strict FROM pragma_table_list "
            "WHERE schema = 'main' AND type = 'table' AND name NOT LIKE '%sqlite_%'"
        ).fetchall()

    assert len(tables) > 10
    assert [name for name, strict in tables if not strict] == []


def test_threads_that_open_a_new_database_together_set_it_up_once(path: Path) -> None:
    wrong: list[BaseException] = []

    def open_it() -> None:
        try:
            with opened(path):
                pass
        except BaseException as error:  # noqa: BLE001 - asserted on below
            wrong.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert wrong == []
    assert applied(path) == NAMES


def test_processes_that_open_a_new_database_together_set_it_up_once(path: Path) -> None:
    program = (
        "import sys; from connector import database; sys.stdin.readline();"
        "database.open(sys.argv[1]).close()"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{path}"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]

    assert said == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert applied(path) == NAMES


def test_an_older_one_is_left_alone_until_it_is_migrated(made: Path) -> None:
    files.forget_newest_step(made)

    with pytest.raises(WrongSchema, match=r"older version .* run: connector migrate"):
        database.open(f"sqlite:///{made}")

    assert applied(made) == NAMES[:-1]


def test_migrating_brings_an_older_one_up_to_date_and_keeps_what_is_in_it(path: Path) -> None:
    with files.raw(path) as connection:
        older = Sqlite(path)
        opening._migrations().apply(older.utils(), stop_before=NAMES[-1])
        older.close()
        connection.execute(
            "INSERT INTO subscribers (email, email_key, state, source, created_at) "
            "VALUES ('ada@example.org', 'ada@example.org', 'active', 'form', 7)"
        )

    assert opening.upgrade(f"sqlite:///{path}") == NAMES[-1:]

    with opened(path) as db, db.read() as connection:
        assert connection.value("SELECT email FROM subscribers") == "ada@example.org"


def test_a_step_that_fails_leaves_everything_as_it_was(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Step("m900_broken", "CREATE TABLE half (id $id);\nCREATE TABLE half (id $id);")
    monkeypatch.setattr(opening, "STEPS", (*STEPS, broken))

    with pytest.raises(Exception, match="half already exists"):
        opening.upgrade(f"sqlite:///{made}")

    assert applied(made) == NAMES
    with files.raw(made) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()


@pytest.mark.parametrize("enter", [database.open, opening.upgrade])
def test_a_newer_one_is_refused_with_the_way_out(made: Path, enter: object) -> None:
    files.add_unknown_step(made)

    with pytest.raises(WrongSchema, match=r"newer version of Connector \(m999_of_tomorrow\)"):
        enter(f"sqlite:///{made}")  # type: ignore[operator]


@pytest.mark.parametrize("enter", [database.open, opening.upgrade])
def test_the_database_of_another_program_is_refused_and_untouched(
    path: Path, enter: object
) -> None:
    files.of_another_program(path)
    before = path.read_bytes()

    with pytest.raises(WrongSchema, match="belongs to another program"):
        enter(f"sqlite:///{path}")  # type: ignore[operator]

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ines:opensesame@db.example.org/letters",
        "sqlite://",
        "sqlite:///",
        "letters.db",
        "",
    ],
)
def test_a_database_of_another_kind_says_how_to_name_one(url: str) -> None:
    with pytest.raises(Misconfigured, match="write it like sqlite:////srv/letters") as caught:
        database.open(url)

    assert "opensesame" not in str(caught.value)


def test_sqlite_utils_shows_the_tables(made: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "tables", str(made), "--counts"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    for table in ("subscribers", "issues", "mailings", "deliveries"):
        assert f'{{"table": "{table}", "count": 0}}' in shown
