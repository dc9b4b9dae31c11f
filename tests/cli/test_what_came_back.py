"""`status` tells what came back of a mailing; `doctor` asks whether anybody would hear of it."""

import re
from pathlib import Path

import pytest

from connector import clock
from connector.cli.watching import Watch
from connector.database import Database
from connector.settings import Settings
from tests.cli.conftest import Connector
from tests.conftest import TOML
from tests.delivery import post
from tests.fakes.smtp import FakeRelay
from tests.inbound import returned
from tests.inbound.test_complaints import complain, letters, mailed
from tests.stories import sender


def test_status_counts_bounces_and_complaints(
    connector: Connector, db: Database, configured: Settings
) -> None:
    now = clock.now()
    mailing = mailed(db, 100, now=now)
    complain(db, configured, mailing, 1, now=now)
    for sent in letters(db, configured, mailing, 3, now=now)[1:]:
        returned.receive(db, configured, returned.report(sent), now=now)

    said = connector("status").out

    assert "\nMailing 1, bench:\n" in said
    assert "  2 letters came back.\n" in said
    assert "  1 of 100 letters were called spam (1.00 %).\n" in said


def test_the_view_that_follows_says_what_came_back(db: Database, configured: Settings) -> None:
    now = clock.now()
    complain(db, configured, mailed(db, 100, now=now), 1, now=now)
    watch = Watch(db, configured)
    watch.lines(now=now)

    said = watch.beside(now=now)

    assert "1 bench: 1 of 100 letters were called spam (1.00 %)." in said


def test_status_says_why_a_mailing_stopped_once(
    connector: Connector, db: Database, configured: Settings
) -> None:
    now = clock.now()
    complain(db, configured, mailed(db, 900, now=now), 3, now=now)

    said = connector("status").out

    assert re.search(r"^ *1 +bench +paused", said, re.MULTILINE)
    assert said.count("were called spam") == 1
    assert "Then: connector resume 1, or connector cancel 1\n" in said


@pytest.mark.parametrize(("people", "advice"), [(900, "At 0.3 % "), (2_000, "Stay below 0.1 %")])
def test_of_a_mailing_that_has_left_status_and_the_doctor_warn(
    connector: Connector, db: Database, configured: Settings, people: int, advice: str
) -> None:
    now = clock.now()
    mailing = mailed(db, people, now=now)
    with db.write() as tx:
        tx.run("UPDATE mailings SET finished_at = :now", now=now)
    complain(db, configured, mailing, 3, now=now)

    status, doctor = connector("status"), connector("doctor")

    assert f"  3 of {people:,} letters were called spam" in status.out
    assert advice in status.out
    assert f"! Complaints: mailing 1, bench: 3 of {people:,} letters were called spam" in doctor.out
    assert doctor.code == 0


def test_the_doctor_has_nothing_to_say_of_few_complaints(
    connector: Connector, db: Database, configured: Settings
) -> None:
    complain(db, configured, mailed(db, 100, now=clock.now()), 2, now=clock.now())

    assert "✓ Complaints\n" in connector("doctor").out


def test_status_tells_of_messages_until_somebody_looked(
    connector: Connector, db: Database, configured: Settings
) -> None:
    for words in ("hello", "goodbye"):
        returned.receive(db, configured, f"Subject: {words}\n\n".encode(), now=clock.now())

    assert "\n2 messages wait to be read: connector inbound --list\n" in connector("status").out
    assert "goodbye" in connector("inbound", "--list").out
    assert "to be read" not in connector("status").out

    returned.receive(db, configured, b"Subject: again\n\n", now=clock.now())
    assert "\n1 message waits to be read: connector inbound --list\n" in connector("status").out
    assert "goodbye" in connector("inbound", "--list").out


@pytest.mark.parametrize(
    "set_up",
    [
        '[inbound]\nimap_host = "imap.example.org"\nuser = "bounces"\n',
        "[inbound]\nhanded_over = true\n",
        '[hooks]\nses_topic = "arn:aws:sns:eu-west-1:123456789012:bounces"\n',
    ],
)
def test_the_doctor_asks_who_reads_what_comes_back(
    connector: Connector, db: Database, root: Path, monkeypatch: pytest.MonkeyPatch, set_up: str
) -> None:
    monkeypatch.setenv("CONNECTOR_INBOUND_PASSWORD", "x")
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay)
        before = connector("doctor", "--nameserver", "127.0.0.1:1").out
        with (root / "connector.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{set_up}")
        after = connector("doctor", "--nameserver", "127.0.0.1:1").out

    assert "! What comes back: nobody reads bounces@letters.example.org, so dead" in before
    assert "Set [inbound] imap_host, or [inbound] handed_over = true" in before
    assert "✓ What comes back\n" in after


def test_what_stays_in_the_tray_never_comes_back(
    connector: Connector, db: Database, root: Path
) -> None:
    (root / "connector.toml").write_text(TOML, encoding="utf-8")

    assert "✓ What comes back\n" in connector("doctor").out


def test_notices_are_no_mailing_to_warn_of(
    connector: Connector, db: Database, configured: Settings
) -> None:
    mailing = mailed(db, 50, now=clock.now())
    with db.write() as tx:
        tx.run("UPDATE mailings SET kind = 'notice'")

    complain(db, configured, mailing, 5, now=clock.now())

    assert post.look(db, mailing).paused_at is None
    assert "✓ Complaints\n" in connector("doctor").out
