"""Commands on a PostgreSQL server: the same, or one sentence on what to use instead."""

import contextlib
from pathlib import Path

import pytest

from connector.database import Database, opening
from connector.database.migrations import STEPS
from connector.settings import Settings
from tests import clusters
from tests.cli.conftest import Connector
from tests.database import files

pytestmark = pytest.mark.only("postgres")

NEEDS_TABLES = [
    ["status"],
    ["publish", "issues/2026-12-01-the-bench.md", "--yes"],
    ["readers", "add", "ada@example.org"],
    ["work", "--until-done"],
    ["serve", "--port", "0", "--no-sender"],
]


@pytest.mark.parametrize("words", NEEDS_TABLES, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (files.forget_newest_step, "Make a backup, then run: connector migrate"),
        (files.add_unknown_step, "Install that version, or restore an older backup."),
    ],
    ids=["older", "newer"],
)
@pytest.mark.usefixtures("issue")
def test_a_database_that_is_not_of_this_version_is_refused_everywhere(
    connector: Connector, configured: Settings, words: list[str], spoil: object, what: str
) -> None:
    spoil(configured.database)  # type: ignore[operator]

    assert connector(*words).error.endswith(what)


def test_the_doctor_sees_a_server_in_trouble(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", "postgresql://ines:opensesame@127.0.0.1:1/letters")

    said = connector("doctor")

    assert said.code == 1
    assert "✗ The database: The database letters on 127.0.0.1:1 cannot be reached" in said.out
    assert "opensesame" not in said.out + said.err


@pytest.mark.parametrize("words", [["status"], ["migrate"], ["work"], ["serve", "--port", "0"]])
def test_no_server_is_one_sentence(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", "postgresql://ines:opensesame@127.0.0.1:1/letters")

    said = connector(*words)

    assert "letters on 127.0.0.1:1 cannot be reached" in said.error
    assert "opensesame" not in said.err


def test_a_backup_says_what_to_use_and_leaves_nothing(
    connector: Connector, db: Database, root: Path
) -> None:
    before = sorted(root.iterdir())

    said = connector("backup", root / "x.tar.gz")

    assert said.error.endswith(
        "Save it with pg_dump, and the publication’s folder beside it: see docs/scale.md."
    )
    assert sorted(root.iterdir()) == before


def test_migrating_brings_an_older_one_up_to_date(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clusters.empty() as url:
        with contextlib.closing(opening.engine(url)) as older:
            older.apply(STEPS[:-1])
        monkeypatch.setenv("CONNECTOR_DATABASE", url)

        assert connector("migrate").out == f"Applied {STEPS[-1].name}.\n"
        assert connector("migrate").out == "The database is up to date.\n"
        assert connector("status").code == 0
