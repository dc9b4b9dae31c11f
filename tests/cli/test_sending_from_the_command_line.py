"""Publishing on bad days: twice at once, no relay, a wrong password, a sender that died, Ctrl-C."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector import clock
from connector.cli import attending
from connector.clock import HOUR
from connector.database import Database
from connector.delivery import ledger as post
from connector.delivery import mailings
from tests.cli import ledger, terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import CTRL_C, Terminal
from tests.fakes.smtp import FakeRelay, Step
from tests.stories import sender
from tests.waiting import until


@contextmanager
def nobody_listens() -> Iterator[int]:
    """A port of this machine that nobody answers, and nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@dataclass
class SlowRelay(FakeRelay):
    """It takes no letter before its gate is open."""

    gate: threading.Event = field(default_factory=threading.Event)

    def _scripted(self, step: Step, to: str) -> str | None:
        if step == "CONTENT":
            self.gate.wait(30)
        return super()._scripted(step, to)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits to see whether a relay only restarts."""
    monkeypatch.setattr(attending, "PATIENCE", 1)


def through(root: Path, port: int, *, user: str = "") -> None:
    """Let the publication in `root` send through the relay at `port`."""
    toml = root / "connector.toml"
    toml.write_text(
        f"{toml.read_text()}\n[mail]\n"
        f'host = "127.0.0.1"\nport = {port}\nsecurity = "none"\nuser = "{user}"\n'
    )


def call_off(db: Database) -> None:
    """Let every sender that waits for something to send go home."""
    for (mailing,) in ledger.rows(db, "SELECT id FROM mailings WHERE finished_at IS NULL"):
        assert isinstance(mailing, int)
        mailings.cancel(db, mailing, now=clock.now())
    until(lambda: not ledger.rows(db, "SELECT 1 FROM senders"), "the sender to leave")


def test_two_publishes_at_once_are_one_mailing_and_everyone_gets_it_once(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    command = terminal.command(root, "publish", issue, "--yes")
    both = [
        subprocess.Popen(
            command, env=terminal.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert [err for _, err in said] == [b"", b""]
    assert sum(b"went out before" in out for out, _ in said) == 1
    until(lambda: len(ledger.in_the_tray(db)) == len(readers), "the letters")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)
    assert ledger.mailings(db) == [("the-bench", 3)]


def test_a_person_is_asked_and_sees_the_letters_leave(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    with Terminal(root, "publish", issue) as person:
        person.wait_for("Publish? [y/N]")
        assert ledger.is_empty(db)
        person.type("y\n")
        code = person.end()

    assert code == 0, person.text
    assert "3 of 3" in person.text
    assert person.text.endswith("3 letters of 3 sent.\n")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


@pytest.mark.parametrize("answer", ["n\n", "\n", CTRL_C], ids=["no", "return", "Ctrl-C"])
def test_a_person_who_does_not_say_yes_publishes_nothing(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...], answer: str
) -> None:
    with Terminal(root, "publish", issue) as person:
        person.wait_for("Publish? [y/N]")
        if answer == CTRL_C:
            code = person.give_up()
        else:
            person.type(answer)
            code = person.end()

    assert code == 130
    assert person.text.endswith("Stopped.\n")
    assert ledger.is_empty(db)


def test_ctrl_c_stops_the_looking_and_not_the_sending(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    with SlowRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60)
        with Terminal(root, "publish", issue, "--yes") as person:
            person.wait_for("of 3")
            until(lambda: "DATA" in relay.commands, "the relay to have a letter")
            person.type(CTRL_C)
            code = person.end()

        assert code == 0, person.text
        assert person.text.endswith("Still sending. Look again with: connector status\n")
        assert relay.received == []
        relay.gate.set()
        until(lambda: not ledger.rows(db, "SELECT 1 FROM senders"), "the sender to leave")

    assert sorted(relay.recipients) == sorted(readers)


def test_a_sender_that_died_a_moment_ago_is_not_waited_for(
    root: Path,
    db: Database,
    issue: Path,
    readers: tuple[str, ...],
) -> None:
    died = clock.now() - post.ALIVE + 1_000
    post.sign_in(db, "of-another-time:1:0", now=died)

    said = terminal.run(root, "publish", issue, "--yes")

    assert said.out.endswith("3 letters of 3 sent.\n")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


def test_a_sender_that_cannot_run_is_noticed(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "aiosmtplib.py").write_text("raise SystemExit(7)\n")

    said = terminal.run(root, "publish", issue, "--yes", PYTHONPATH=str(broken))

    assert said.error == (
        "The letters are queued, but the sender stopped (exit 7). "
        "See why, and send them, with: connector work"
    )
    assert ledger.published(db) == ["the-bench"]
    assert ledger.rows(db, "SELECT count(*) FROM deliveries WHERE state = 'queued'") == [(3,)]


@pytest.mark.parametrize("words", [["publish", "--yes"], ["test", "--to", "me@example.org"]])
@pytest.mark.usefixtures("readers", "hasty")
def test_no_relay_is_one_sentence_and_the_letters_wait(
    connector: Connector, db: Database, issue: Path, words: list[str]
) -> None:
    with nobody_listens() as port:
        through(issue.parent.parent, port)
        said = connector(*words, issue)

        assert "does not answer" in said.error
        assert said.error.endswith(
            "The letters wait, and a sender keeps trying; none is lost. "
            "Look again with: connector status"
        )
        status = connector("status")
        assert "does not answer" in status.out
        assert "No letter is lost." in status.out
        # Its sender goes on trying meanwhile.
        states = "SELECT DISTINCT state, attempts FROM deliveries"
        until(lambda: ledger.rows(db, states) == [("queued", 0)], "the letters to wait")
        call_off(db)


@pytest.mark.usefixtures("readers", "hasty")
def test_a_wrong_password_is_one_sentence_and_the_letters_wait(
    connector: Connector, db: Database, issue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_MAIL_PASSWORD", "guess")
    with FakeRelay(users={"ines": "opensesame"}).in_thread() as relay:
        through(issue.parent.parent, relay.relay().port, user="ines")

        said = connector("publish", issue, "--yes")
        doctor = connector("doctor", "--nameserver", "127.0.0.1:1")
        call_off(db)

    assert "The relay refused user “ines”" in said.error
    assert "CONNECTOR_MAIL_PASSWORD" in said.error
    assert "guess" not in said.error
    assert doctor.code == 1
    assert "✗ The relay: The relay refused user “ines”" in doctor.out
    assert relay.received == []


@pytest.mark.usefixtures("hasty")
def test_a_relay_that_comes_back_gets_every_letter(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    with nobody_listens() as port:
        through(issue.parent.parent, port)
        assert connector("publish", issue, "--yes").code == 1

    with FakeRelay(_port=port).in_thread() as relay:
        until(lambda: len(relay.received) == len(readers), "the letters")

    assert sorted(relay.recipients) == sorted(readers)
    until(lambda: not ledger.rows(db, "SELECT 1 FROM senders"), "the sender to leave")


def test_letters_that_were_refused_are_shown_with_the_relays_words(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    with FakeRelay().in_thread() as relay:
        relay.answer("RCPT", "550 5.1.1 No such user", to="bea@example.org")
        sender.relayed(root, relay)
        said = terminal.run(root, "publish", issue, "--yes")

    assert said.code == 0
    assert said.out.endswith(
        "2 letters of 3 sent.\n1 refused.\n  1 refused: 550 5.1.1 No such user\n"
    )


def test_a_scheduled_mailing_begins_in_time_though_the_sender_was_started_again(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    terminal.run(root, "publish", issue, "--at", "in 2 hours", "--yes")
    with terminal.running(root, "work") as first:
        until(lambda: ledger.rows(db, "SELECT 1 FROM senders"), "the sender")
        first.kill()
        assert first.wait(30) == -9
    assert ledger.in_the_tray(db) == {}

    with db.write() as tx:
        tx.run("UPDATE mailings SET starts_at = starts_at - :span", span=3 * HOUR)
    with terminal.running(root, "work") as second:
        until(lambda: len(ledger.in_the_tray(db)) == len(readers), "the letters")
        second.terminate()
        assert second.wait(30) == 0

    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


def test_a_scheduled_mailing_that_was_called_off_never_begins(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    connector("publish", issue, "--at", "in 2 hours", "--yes")
    connector("cancel", "1", "--yes")
    with db.write() as tx:
        tx.run("UPDATE mailings SET starts_at = starts_at - :span", span=3 * HOUR)

    said = connector("work", "--until-done")

    assert said.code == 0
    assert ledger.in_the_tray(db) == {}
    assert ledger.rows(db, "SELECT count(*) FROM deliveries") == [(0,)]


def test_work_until_done_sends_what_is_due_and_leaves(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    connector("publish", issue, "--at", "in 2 hours", "--yes")
    with db.write() as tx:
        tx.run("UPDATE mailings SET starts_at = starts_at - :span", span=3 * HOUR)

    said = connector("work", "--until-done")

    assert (said.code, said.err) == (0, "")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


def test_one_sender_of_two_is_enough_for_a_publish(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    with terminal.running(root, "work") as running:
        until(lambda: ledger.rows(db, "SELECT 1 FROM senders"), "the sender")
        said = terminal.run(root, "publish", issue, "--yes")
        ((name,),) = ledger.rows(db, "SELECT name FROM senders")
        running.terminate()
        assert running.wait(30) == 0

    assert said.out.endswith("3 letters of 3 sent.\n")
    assert f":{running.pid}:" in str(name)
