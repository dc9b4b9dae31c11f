"""What is on its way, asked about and stopped by hand."""

import re
from pathlib import Path

import pytest

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger as post_office
from tests.cli import ledger, terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import COLOURS, Terminal
from tests.delivery import post

STATE = "SELECT paused_at IS NOT NULL, cancelled_at IS NOT NULL FROM mailings"


@pytest.fixture
def mailing(db: Database) -> int:
    """A mailing to three people that no sender has begun."""
    return post.mail(db, 3, now=clock.now())


def test_nothing_mailed_yet_names_the_next_step(connector: Connector, db: Database) -> None:
    said = connector("status")

    assert said.out == (
        "Nothing has been mailed yet. Publish an issue with: connector publish FILE\n"
        "\nNo sender is running; nothing is waiting.\n"
    )


def test_status_is_a_table_that_lines_up(connector: Connector, db: Database, mailing: int) -> None:
    post.mail(db, 1200, now=clock.now(), once="issue:lamps")

    head, *rows = connector("status").out.splitlines()[:3]

    columns = [(word.start(), word.end()) for word in re.finditer(r"\S+", head)]
    assert head.split()[:5] == ["Mailing", "Issue", "Stands", "Began", "People"]
    for row in rows:
        for start, _ in columns:
            assert start == 0 or row[start - 2 : start].strip() == "", "two spaces between columns"
    assert "1,200" in rows[0]
    assert rows[1].split()[:3] == ["1", "bench", "sending"]


def test_status_says_when_nobody_sends(connector: Connector, db: Database, mailing: int) -> None:
    assert connector("status").out.endswith(
        "Letters are waiting and no sender is running. Start one with: connector serve\n"
    )

    post_office.sign_in(db, "here:1:0", now=clock.now())

    assert connector("status").out.endswith("A sender is running.\n")


def test_status_counts_notices_that_wait(
    connector: Connector, db: Database, issue: Path, root: Path
) -> None:
    with db.write() as tx:
        tx.run("INSERT INTO senders VALUES ('here:1:0', :now, :now)", now=clock.now())
    terminal_free = "UPDATE leases SET due_at = due_at + :span"
    post.mail(db, 1, now=clock.now())
    with db.write() as tx:
        tx.run("UPDATE leases SET lane = 0")
        tx.run(terminal_free, span=60 * SECOND)

    assert "1 notice waiting (confirmations and the like)." in connector("status").out


def test_status_forgets_a_relay_that_is_no_longer_ours(
    connector: Connector, db: Database, mailing: int
) -> None:
    post_office.relay_broke(db, "old:25", why="It is gone.", now=clock.now())

    assert "It is gone." not in connector("status").out


def test_status_has_no_colour_in_a_pipe_and_none_is_needed_on_a_terminal(
    root: Path, db: Database, mailing: int
) -> None:
    piped = terminal.run(root, "status").out
    with Terminal(root, "status") as person:
        assert person.end() == 0

    assert not COLOURS.search(piped)
    assert person.text == piped


def test_ten_mailings_are_enough_unless_all_are_asked_for(
    connector: Connector, db: Database
) -> None:
    for number in range(12):
        post.mail(db, 1, now=clock.now(), once=f"issue:{number}")

    few, every = (connector("status", *words).out.count(" bench ") for words in ([], ["--all"]))

    assert (few, every) == (10, 12)


def test_a_mailing_is_paused_and_goes_on(connector: Connector, db: Database, mailing: int) -> None:
    said = connector("pause", str(mailing))

    assert said.out == "Mailing 1 is paused. Go on with: connector resume 1\n"
    assert "paused by hand" in connector("status").out
    assert connector("work", "--until-done").code == 0
    assert ledger.in_the_tray(db) == {}

    assert connector("resume", str(mailing)).out == "Mailing 1 goes on.\n"
    assert connector("work", "--until-done").code == 0
    assert sum(ledger.in_the_tray(db).values()) == 3


def test_a_mailing_is_called_off_for_good(connector: Connector, db: Database, mailing: int) -> None:
    said = connector("cancel", str(mailing), "--yes")

    assert said.out == "Mailing 1 is cancelled; 3 letters withdrawn.\n"
    assert connector("work", "--until-done").code == 0
    assert ledger.in_the_tray(db) == {}
    assert post.counts(db, mailing) == {"withdrawn": 3}


def test_nothing_is_called_off_without_a_yes(
    connector: Connector, root: Path, db: Database, mailing: int
) -> None:
    assert "say --yes" in connector("cancel", str(mailing)).misunderstood
    with Terminal(root, "cancel", str(mailing)) as person:
        person.wait_for("Cancel the rest? [y/N]")
        person.type("n\n")
        assert person.end() == 130
    assert ledger.rows(db, STATE) == [(0, 0)]


@pytest.mark.parametrize("words", [["pause"], ["resume"], ["cancel", "--yes"]])
def test_a_mailing_that_does_not_exist_is_named(
    connector: Connector, db: Database, words: list[str]
) -> None:
    said = connector(*words, "7")

    assert said.error == "There is no mailing 7. See them with: connector status"


@pytest.mark.parametrize(
    ("first", "then", "what"),
    [
        (["pause"], ["pause"], "cannot be paused: it is paused."),
        (["cancel", "--yes"], ["pause"], "cannot be paused: it is cancelled."),
        (["cancel", "--yes"], ["resume"], "cannot be resumed: it is cancelled."),
        (["cancel", "--yes"], ["cancel", "--yes"], "cannot be cancelled: it is cancelled."),
    ],
)
def test_what_cannot_be_done_any_more_is_refused(
    connector: Connector, mailing: int, first: list[str], then: list[str], what: str
) -> None:
    assert connector(*first, str(mailing)).code == 0

    assert connector(*then, str(mailing)).error == f"Mailing 1 {what}"


def test_a_mailing_that_goes_cannot_be_resumed(connector: Connector, mailing: int) -> None:
    assert connector("resume", str(mailing)).error.endswith("it is sending.")
