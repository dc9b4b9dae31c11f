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
from connector.errors import Misconfigured, WrongSchema
from tests import clusters
from tests.database import files

NAMES = [step.name for step in STEPS]
ADA = (
    "INSERT INTO subscribers (email, email_key, state, source, created_at) "
    "VALUES ('ada@example.org', 'ada@example.org', 'active', 'form', 7)"
)


@pytest.fixture(params=clusters.ENGINES)
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that nobody has set up."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'letters.db'}"
        return
    with clusters.empty() as url:
        yield url


@pytest.fixture
def made(new: str) -> str:
    """A database of ours, of this version, closed."""
    with opened(new):
        return new


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "letters.db"


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    with contextlib.closing(database.open(url)) as db:
        yield db


def applied(url: str) -> list[str]:
    with files.raw(url) as connection:
        steps = connection.execute(
            f"SELECT name FROM {files.steps_in(url)} WHERE migration_set = 'connector' ORDER BY id"
        )
        return [row[0] for row in steps.fetchall()]


def content(url: str) -> object:
    """All of it, to see whether anything changed."""
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:///")).read_bytes()
    with files.raw(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables ORDER BY 1").fetchall()
        own = [name for (name,) in names if not name.startswith(("pg_", "sql_"))]
        return names, [connection.execute(f"SELECT * FROM {one}").fetchall() for one in own]


def test_a_new_database_is_set_up_at_once(new: str) -> None:
    with opened(new) as db, db.read() as connection:
        assert connection.rows("SELECT name, number FROM versions") == [("pages", 1)]

    assert applied(new) == NAMES


def test_a_file_keeps_its_own_rules(path: Path) -> None:
    with opened(f"sqlite:///{path}") as db, db.read() as connection:
        assert connection.value("PRAGMA foreign_keys") == 1
        assert connection.value("PRAGMA journal_mode") == "wal"


def test_opening_it_again_changes_nothing(made: str) -> None:
    before = content(made)

    with opened(made):
        pass

    assert content(made) == before
    assert opening.upgrade(made) == []


def test_every_table_of_a_file_checks_its_types(path: Path) -> None:
    with opened(f"sqlite:///{path}"), files.raw(path) as connection:
        tables = connection.execute(
            "SELECT name, strict FROM pragma_table_list "
            "WHERE schema = 'main' AND type = 'table' AND name NOT LIKE '%sqlite_%'"
        ).fetchall()

    assert len(tables) > 10
    assert [name for name, strict in tables if not strict] == []


def test_threads_that_open_a_new_database_together_set_it_up_once(new: str) -> None:
    wrong: list[BaseException] = []

    def open_it() -> None:
        try:
            with opened(new):
                pass
        except BaseException as error:  # noqa: BLE001 - asserted on below
            wrong.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert wrong == []
    assert applied(new) == NAMES


def test_processes_that_open_a_new_database_together_set_it_up_once(new: str) -> None:
    program = (
        "import sys; from connector import database; sys.stdin.readline();"
        "database.open(sys.argv[1]).close()"
    )
    command = [sys.executable, "-c", program, new]
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
    assert applied(new) == NAMES


def test_an_older_one_is_left_alone_until_it_is_migrated(made: str) -> None:
    files.forget_newest_step(made)

    with pytest.raises(WrongSchema, match=r"older version .* run: connector migrate"):
        database.open(made)

    assert applied(made) == NAMES[:-1]


def test_migrating_brings_an_older_one_up_to_date_and_keeps_what_is_in_it(new: str) -> None:
    with contextlib.closing(opening.engine(new)) as older:
        older.apply(STEPS[:-1])
        with older.write() as tx:
            tx.run(ADA)

    assert opening.upgrade(new) == NAMES[-1:]

    with opened(new) as db, db.read() as connection:
        assert connection.value("SELECT email FROM subscribers") == "ada@example.org"


def test_processes_that_migrate_an_older_one_together_migrate_it_once(new: str) -> None:
    with contextlib.closing(opening.engine(new)) as older:
        older.apply(STEPS[:2])
    program = (
        "import sys; from connector.database import opening; sys.stdin.readline();"
        "print(len(opening.upgrade(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, new],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    said = [process.communicate("go\n", timeout=60) for process in processes]

    assert sorted(said) == [("0\n", ""), ("0\n", ""), (f"{len(STEPS) - 2}\n", "")]
    assert applied(new) == NAMES


def test_a_step_that_fails_leaves_everything_as_it_was(
    made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Step("m900_broken", "CREATE TABLE half (id $id);\nCREATE TABLE half (id $id);")
    monkeypatch.setattr(opening, "STEPS", (*STEPS, broken))
    before = content(made)

    with pytest.raises(Exception, match=r"half\"? already exists"):
        opening.upgrade(made)

    assert applied(made) == NAMES
    assert content(made) == before


@pytest.mark.parametrize("enter", [database.open, opening.upgrade])
def test_a_newer_one_is_refused_with_the_way_out(made: str, enter: object) -> None:
    files.add_unknown_step(made)

    with pytest.raises(WrongSchema, match=r"newer version of Connector \(m999_of_tomorrow\)"):
        enter(made)  # type: ignore[operator]


@pytest.mark.parametrize("enter", [database.open, opening.upgrade])
def test_the_database_of_another_program_is_refused_and_untouched(new: str, enter: object) -> None:
    files.of_another_program(new)
    before = content(new)

    with pytest.raises(WrongSchema, match="belongs to another program"):
        enter(new)  # type: ignore[operator]

    assert content(new) == before


def test_nothing_is_left_beside_the_file_of_another_program(path: Path) -> None:
    files.of_another_program(path)

    with pytest.raises(WrongSchema):
        database.open(f"sqlite:///{path}")

    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ines:opensesame@db.example.org/letters",
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


def test_sqlite_utils_shows_the_tables(path: Path) -> None:
    with opened(f"sqlite:///{path}"):
        pass
    shown = subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "tables", str(path), "--counts"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    for table in ("subscribers", "issues", "mailings", "deliveries"):
        assert f'{{"table": "{table}", "count": 0}}' in shown
