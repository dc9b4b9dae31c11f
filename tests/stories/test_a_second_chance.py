"""Letters that did not arrive get a second chance from their author, through a real relay."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import clock
from connector.database import Database
from connector.readers import preferences, signup
from connector.settings import Settings
from tests.cli import terminal
from tests.fakes.smtp import TAKE_AND_HANG_UP, FakeRelay
from tests.stories import sender

NAMES = ("ada", "bea", "cas")
TEXT = "---\ntitle: The bench\npreheader: Who owns it\n---\n\nNobody owns the bench.\n"
POLICY = "550 5.7.26 This mail is unauthenticated"


@pytest.fixture
def relay(root: Path, db: Database, configured: Settings) -> Iterator[FakeRelay]:
    """A relay, a publication that uses it, an issue, and three readers."""
    (root / "issues" / "the-bench.md").write_text(TEXT, encoding="utf-8")
    for name in NAMES:
        signup.add(db, configured, email=f"{name}@example.org", now=clock.now())
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, connections=1)
        yield relay


def tell(root: Path, *words: str) -> str:
    said = terminal.run(root, *words)
    assert said.code == 0, said
    return said.out


def publish(root: Path, *options: str) -> str:
    return tell(root, "publish", str(root / "issues" / "the-bench.md"), "--yes", *options)


def message_ids(relay: FakeRelay) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for one in relay.received:
        (identity,) = re.findall(rb"^Message-ID: (\S+)", one.message, re.MULTILINE)
        found.setdefault(one.recipient, set()).add(identity)
    return found


def test_after_a_cure_the_refused_ones_get_it_once(
    relay: FakeRelay, root: Path, db: Database, configured: Settings
) -> None:
    relay.answer("CONTENT", POLICY)
    assert f"3 refused: {POLICY}" in publish(root)
    ada = signup.add(db, configured, email="ada@example.org", now=clock.now())
    preferences.unsubscribe(db, configured, ada.id, how="link", page="", client="", now=clock.now())
    relay.obey()

    said = tell(root, "resend", "1", "--refused", "--yes")

    assert "2 letters go once more.\n1 left refused" in said
    assert Counter(relay.recipients) == {f"{name}@example.org": 1 for name in NAMES[1:]}
    assert terminal.run(root, "resend", "1", "--refused", "--yes").code == 1
    assert POLICY in tell(root, "trace", "bea@example.org")


def test_a_letter_in_doubt_that_is_sent_again_is_the_same_letter(
    relay: FakeRelay, root: Path, db: Database
) -> None:
    relay.answer("CONTENT", TAKE_AND_HANG_UP, to="ada@example.org", times=1)
    publish(root)
    tell(root, "work", "--until-done")
    shown = tell(root, "uncertain", "1")
    relay.obey()

    tell(root, "uncertain", "1", "--resend", "--yes")

    assert Counter(relay.recipients)["ada@example.org"] == 2
    (identity,) = message_ids(relay)["ada@example.org"]
    assert identity.decode() in shown
    assert set(Counter(relay.recipients).values()) == {1, 2}


def test_newcomers_and_then_a_correction(
    relay: FakeRelay, root: Path, db: Database, configured: Settings
) -> None:
    publish(root)
    signup.add(db, configured, email="eva@example.org", now=clock.now())
    tell(root, "resend", "1", "--joined-since", "--yes")
    assert Counter(relay.recipients) == {f"{name}@example.org": 1 for name in (*NAMES, "eva")}
    signup.add(db, configured, email="kai@example.org", now=clock.now())
    path = root / "issues" / "the-bench.md"
    path.write_text(TEXT + "\nThe harbour board does.\n", encoding="utf-8")

    publish(root, "--correction")

    got = Counter(relay.recipients)
    assert got == {f"{name}@example.org": 2 for name in (*NAMES, "eva")}
    last = relay.received[-1].message
    assert b"Subject: Correction: The bench\r\n" in last
    assert b"The harbour board does." in last
    assert all(len(ids) == 2 for ids in message_ids(relay).values())
