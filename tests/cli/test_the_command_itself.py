"""What holds for every command: exit codes, one line for an error, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.main import COMMANDS
from connector.database import Database
from connector.readers import signup
from connector.settings import Settings
from tests.cli import terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import Terminal

HEAVY = {"starlette", "uvicorn", "rich", "PIL", "markdown_it", "sqlite_utils", "jinja2"}


def test_help_names_every_command_and_is_quick_to_load(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "connector", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert "click" in loaded
    assert not loaded & HEAVY
    assert not [name for name in COMMANDS if f"  {name} " not in done.stdout]


def test_help_is_there_for_every_command(connector: Connector) -> None:
    for name in COMMANDS:
        said = connector(name, "-h")

        assert said.code == 0
        assert said.out.startswith(f"Usage: connector {name}")
        assert said.err == ""


def test_the_version(connector: Connector) -> None:
    assert connector("--version").out.startswith("Connector 0.")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["publish"], "Missing argument 'FILE'"),
        (["publish", "x.md", "--loud"], "No such option"),
        (["pause", "one"], "'one' is not a valid integer"),
        (["pause", "99999999999999999999"], "is not in the range"),
        (["pause", "0"], "is not in the range"),
        (["serve", "--port", "70000"], "is not in the range"),
        (["readers", "list", "--limit", "0"], "is not in the range"),
        (["readers", "list", "--state", "happy"], "'happy' is not one of"),
        (["test", "x.md"], "Missing option '--to'"),
    ],
)
def test_what_is_not_understood_is_exit_2(
    connector: Connector, words: list[str], what: str
) -> None:
    assert what in connector(*words).misunderstood


@pytest.mark.parametrize(
    "words",
    [
        ["check", "x.md"],
        ["publish", "x.md", "--yes"],
        ["test", "x.md", "--to", "ada@example.org"],
        ["preview", "x.md"],
        ["serve"],
        ["work"],
        ["demo"],
        ["status"],
        ["pause", "1"],
        ["resume", "1"],
        ["cancel", "1", "--yes"],
        ["resend", "1", "--refused"],
        ["uncertain", "1"],
        ["trace", "ada@example.org"],
        ["readers", "add", "ada@example.org"],
        ["readers", "import", "x.csv"],
        ["readers", "list"],
        ["readers", "export"],
        ["readers", "erase", "ada@example.org", "--yes"],
        ["members", "comp", "ada@example.org"],
        ["members", "end", "ada@example.org"],
        ["members", "list"],
        ["dkim", "new"],
        ["dkim", "show"],
        ["doctor"],
        ["migrate"],
        ["backup", "x.tar.gz"],
    ],
    ids=" ".join,
)
def test_every_command_says_where_a_publication_is_missing(
    connector: Connector, root: Path, words: list[str]
) -> None:
    (root / "connector.toml").unlink()

    assert (
        "Go to a publication's folder, or make one with: connector new" in connector(*words).error
    )


def test_every_problem_of_the_settings_is_a_line_of_its_own(
    connector: Connector, root: Path
) -> None:
    (root / "connector.toml").write_text('[publication]\ntitle = ""\ncolour = "red"\n')

    said = connector("status")

    assert said.code == 1
    lines = said.err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("connector: connector.toml: [publication] ") for line in lines)


def test_the_folder_may_come_from_the_environment(tmp_path: Path, root: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = subprocess.run(
        [sys.executable, "-m", "connector", "status"],
        env=terminal.environment(CONNECTOR_DIRECTORY=str(root)),
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "Nothing has been mailed yet" in said.stdout


def test_ctrl_c_at_a_question_is_exit_130_and_changes_nothing(
    root: Path, db: Database, configured: Settings, now: int
) -> None:
    signup.add(db, configured, email="ada@example.org", now=now)

    with Terminal(root, "readers", "erase", "ada@example.org") as person:
        person.wait_for("Erase everything about ada@example.org? [y/N]")
        code = person.give_up()

    assert code == 130
    assert person.text.endswith("Stopped.\n")
    assert "Traceback" not in person.text
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM subscribers") == 1


def test_a_reader_that_has_seen_enough_is_not_told_so(
    root: Path, db: Database, configured: Settings, now: int
) -> None:
    for number in range(300):
        signup.add(db, configured, email=f"reader{number}@example.org", now=now)

    for words in (["readers", "export"], ["readers", "list", "--limit", "300"]):
        ours, theirs = os.pipe()
        os.close(ours)
        with open(theirs, "wb") as nobody:  # noqa: PTH123 - a descriptor
            done = subprocess.run(
                terminal.command(root, *words),
                env=terminal.environment(),
                stdout=nobody,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
@pytest.mark.parametrize("words", [["readers", "export"], ["status"], ["--help"]], ids=" ".join)
def test_words_that_nobody_can_keep_are_one_line(
    root: Path, db: Database, words: list[str]
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            terminal.command(root, *words),
            env=terminal.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == b"connector: No space left on device.\n"


def test_a_terminal_that_knows_no_signs_is_spoken_to(root: Path) -> None:
    said = terminal.run(root, "doctor", PYTHONIOENCODING="iso-8859-1")

    assert "? The database\n" in said.out
    assert "Traceback" not in said.err


def test_names_are_exported_whole_whatever_the_terminal_knows(
    root: Path, db: Database, configured: Settings, now: int
) -> None:
    signup.add(db, configured, email="ada@example.org", name="Ada Łódź ✓", now=now)

    said = terminal.run(root, "readers", "export", PYTHONIOENCODING="iso-8859-1")

    assert "Ada Łódź ✓" in said.out
