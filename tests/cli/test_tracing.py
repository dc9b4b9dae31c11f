"""`connector trace`, as it is read."""

from pathlib import Path

from connector.database import Database
from tests.cli.conftest import Connector


def test_the_story_of_an_address_is_told_line_by_line(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    assert connector("publish", issue, "--yes").code == 0

    said = connector("trace", "ada@example.org").out

    head, empty, *lines = said.splitlines()
    assert head == "ada@example.org: On the list since 2026-09-21."
    assert empty == ""
    assert lines[0].endswith("  They were put on the list by hand (command).")
    assert lines[1].endswith("  “The bench” was queued (mailing 1, the-bench).")
    assert lines[2].startswith(" " * 21 + "Message-ID: <1.")
    assert lines[3].endswith("  “The bench” was taken by the relay, after 1 try.")
    assert lines[4].startswith(" " * 21 + "250 ")


def test_an_address_nobody_knows_is_said_so(connector: Connector, db: Database) -> None:
    assert connector("trace", "eva@example.org").error == "Nothing is known about eva@example.org."
