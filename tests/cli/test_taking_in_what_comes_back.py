"""A mail server hands what came back to `connector inbound`, and keeps it when that fails."""

import os
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import clock
from connector.clock import DAY
from connector.database import Database
from connector.delivery import links
from connector.readers import preferences, signup
from connector.settings import Settings
from tests import waiting
from tests.cli import terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import Said
from tests.database import files
from tests.fakes import imap
from tests.fakes.certificates import certificate
from tests.fakes.imap import Mailboxes
from tests.inbound import returned
from tests.inbound.returned import why

TRY_AGAIN = 75  # sysexits.h, EX_TEMPFAIL


def pipe(root: Path, message: bytes, *words: str, **values: str) -> Said:
    done = subprocess.run(
        terminal.command(root, "inbound", *words),
        env=terminal.environment(**values),
        input=message,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_bounce_from_the_pipe_stops_the_letters(
    db: Database, configured: Settings, root: Path
) -> None:
    sent = returned.letter(db, configured, now=clock.now())
    message = returned.report(sent, to="bounces@letters.example.org")

    said = pipe(root, message, "--to", sent.verp)

    assert said == Said(0, "bounce: suppressed\n", "")
    assert why(db) == "bounced"


def test_the_same_message_again_is_taken_and_changes_nothing(
    db: Database, configured: Settings, root: Path
) -> None:
    sent = returned.letter(db, configured, now=clock.now())
    pipe(root, returned.report(sent))

    assert pipe(root, returned.report(sent)) == Said(0, "bounce: repeated\n", "")


@pytest.mark.parametrize("trouble", ["no database", "no publication", "old database"])
def test_nothing_is_lost_while_we_cannot_take_it(
    db: Database, configured: Settings, root: Path, tmp_path: Path, trouble: str
) -> None:
    values = {}
    if trouble == "no database":
        values = {"CONNECTOR_DATABASE": f"sqlite:///{tmp_path}/nowhere/subscribers.db"}
    elif trouble == "no publication":
        (root / "connector.toml").unlink()
    else:
        files.forget_newest_step(configured.database)

    said = pipe(root, b"Subject: hello\n\n", **values)

    assert said.code == TRY_AGAIN
    assert said.err.startswith("connector: ")
    assert "Traceback" not in said.err


def test_a_reader_who_writes_to_the_unsubscribe_address_leaves(
    db: Database, configured: Settings, root: Path
) -> None:
    ada = signup.add(db, configured, email="ada@example.org", now=clock.now())
    token = links.token(configured, "unsubscribe", ada.id)
    message = f"From: ada@example.org\nSubject: unsubscribe {token}\n\n".encode()

    said = pipe(root, message)

    assert said.out == "unsubscribe: unsubscribed\n"
    assert preferences.find(db, ada.id).state == "unsubscribed"
    [consent] = preferences.export(db, ada.id)["consents"][1:]
    assert (consent["what"], consent["how"]) == ("unsubscribed", "mail")


def test_twenty_megabytes_are_taken_and_shown_but_not_read(
    db: Database, configured: Settings, root: Path
) -> None:
    sent = returned.letter(db, configured, now=clock.now())

    said = pipe(root, returned.report(sent) + b"x" * 20_000_000)

    assert said.out == "unreadable: kept\n"
    assert why(db) == ""


def test_what_could_not_be_read_is_listed_and_shown(
    db: Database, root: Path, connector: Connector
) -> None:
    assert connector("inbound", "--list").out == "Everything that came in could be read.\n"
    pipe(root, b"From: x@example.com\nSubject: A question\n\nWhose bench is it?\n")

    listed = connector("inbound", "--list").out

    assert "pipe" in listed
    assert "A question" in listed
    assert "Whose bench is it?" in connector("inbound", "--show", "1").out
    assert "No message 2 is kept" in connector("inbound", "--show", "2").error


def test_it_listens_for_a_mail_server_until_it_is_stopped(
    db: Database, configured: Settings, root: Path
) -> None:
    sent = returned.letter(db, configured, now=clock.now())

    with terminal.running(root, "inbound", "--lmtp", "127.0.0.1:0") as process:
        assert process.stdout is not None
        place = process.stdout.readline().split()[2].rstrip(".")
        host, _, port = place.rpartition(":")
        with smtplib.LMTP(host, int(port)) as server:
            server.sendmail("", [sent.verp], returned.report(sent))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    assert why(db) == "bounced"


def test_without_a_mailbox_there_is_none_to_read(db: Database, connector: Connector) -> None:
    assert connector("inbound", "--imap").error == (
        "No mailbox is set. Name one in connector.toml: [inbound] imap_host."
    )


@pytest.fixture
def mailboxes(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailboxes]:
    """A mailbox, and a publication that is told of it."""
    made = certificate(root)
    monkeypatch.setenv("SSL_CERT_FILE", str(root / "authority.pem"))
    monkeypatch.setenv("CONNECTOR_INBOUND_PASSWORD", imap.PASSWORD)
    with imap.serving(Mailboxes(), made.server) as served, (root / "connector.toml").open("a") as f:
        f.write(f'[inbound]\nimap_host = "127.0.0.1"\nport = {served.port}\nuser = "bounces"\n')
        f.flush()
        yield served


def test_the_mailbox_is_read_once(
    db: Database, configured: Settings, connector: Connector, mailboxes: Mailboxes
) -> None:
    sent = returned.letter(db, configured, now=clock.now())
    mailboxes.put(returned.report(sent), b"Subject: x\r\n\r\n")

    assert connector("inbound", "--imap").out == "Read 2 messages: 1 kept, 1 suppressed.\n"
    assert connector("inbound", "--imap").out == "Read 0 messages.\n"
    assert why(db) == "bounced"


def test_whoever_sends_reads_the_mailbox_too(
    db: Database, configured: Settings, root: Path, mailboxes: Mailboxes
) -> None:
    sent = returned.letter(db, configured, now=clock.now())
    mailboxes.put(returned.report(sent))
    values = {name: os.environ[name] for name in ("SSL_CERT_FILE", "CONNECTOR_INBOUND_PASSWORD")}

    process = subprocess.Popen(
        terminal.command(root, "work"),
        env=terminal.environment(**values),
        stdout=subprocess.DEVNULL,
    )
    try:
        waiting.until(lambda: why(db) == "bounced", "the bounce to be read")
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_whoever_sends_forgets_old_reports_that_led_to_nothing(
    db: Database, configured: Settings, connector: Connector
) -> None:
    long_ago = clock.now() - 400 * DAY
    returned.receive(db, configured, b"Subject: old\n\n", now=long_ago)
    returned.receive(db, configured, b"Subject: new\n\n", now=clock.now())

    assert connector("work", "--until-done").code == 0

    assert [row.detail for row in returned.recorded(db)] == ["new"]
