"""Letters that come back to a mailbox are read over IMAP, and marked only once they are recorded."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connector.clock import MINUTE
from connector.database import Database
from connector.errors import DatabaseUnavailable, Unavailable
from connector.inbound import mailbox, report
from connector.inbound.mailbox import Take, Watch
from connector.settings import Inbound, Settings
from tests import waiting
from tests.fakes import imap
from tests.fakes.certificates import certificate
from tests.fakes.imap import Mailboxes
from tests.inbound import returned
from tests.inbound.returned import why


@pytest.fixture
def mailboxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailboxes]:
    """A mailbox at a server whose certificate we trust."""
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with imap.serving(Mailboxes(), made.server) as served:
        yield served


@pytest.fixture
def inbound(mailboxes: Mailboxes) -> Inbound:
    return Inbound(
        imap_host="127.0.0.1", port=mailboxes.port, user="bounces", password=imap.PASSWORD
    )


def into(taken: list[bytes]) -> Take:
    """Take every message into a list."""

    def take(raw: bytes) -> str:
        taken.append(raw)
        return "kept"

    return take


def test_a_bounce_in_the_mailbox_stops_the_letters(
    db: Database, configured: Settings, mailboxes: Mailboxes, inbound: Inbound, now: int
) -> None:
    sent = returned.letter(db, configured, now=now)
    mailboxes.put(returned.report(sent), b"Subject: hello\r\n\r\nA question.\r\n")

    taken = mailbox.read(inbound, lambda raw: returned.receive(db, configured, raw, now=now).effect)

    assert taken == Counter(suppressed=1, kept=1)
    assert why(db) == "bounced"
    assert mailboxes.flags() == [{r"\Seen"}, {r"\Seen"}]


def test_what_was_read_is_not_read_again(mailboxes: Mailboxes, inbound: Inbound) -> None:
    mailboxes.put(b"one", b"two")
    taken: list[bytes] = []

    for _ in range(2):
        mailbox.read(inbound, into(taken))

    assert taken == [b"one", b"two"]


def test_a_message_stays_new_until_it_is_recorded(mailboxes: Mailboxes, inbound: Inbound) -> None:
    mailboxes.put(b"one", b"two")
    calm = False

    def take(raw: bytes) -> str:
        if raw == b"two" and not calm:
            raise DatabaseUnavailable("The database is busy.")
        return "kept"

    with pytest.raises(DatabaseUnavailable):
        mailbox.read(inbound, take)
    assert mailboxes.flags() == [{r"\Seen"}, set()]

    calm = True
    assert mailbox.read(inbound, take) == Counter(kept=1)
    assert mailboxes.flags() == [{r"\Seen"}, {r"\Seen"}]


@pytest.mark.parametrize("moves", [True, False])
def test_what_was_read_can_be_moved_away(
    mailboxes: Mailboxes, inbound: Inbound, moves: bool
) -> None:
    mailboxes.moves = moves
    mailboxes.put(b"one")

    mailbox.read(replace(inbound, done_folder="Read"), lambda _raw: "kept")

    assert [one.raw for one in mailboxes.folders["Read"].values()] == [b"one"]
    assert any(said.startswith("UID MOVE") for said in mailboxes.said) == moves
    assert mailbox.read(inbound, lambda _raw: "kept") == Counter()


def test_a_huge_message_is_not_fetched_whole(mailboxes: Mailboxes, inbound: Inbound) -> None:
    mailboxes.put(b"x" * 20_000_000)
    taken: list[bytes] = []

    mailbox.read(inbound, into(taken))

    assert [len(raw) for raw in taken] == [report.LARGEST + 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "wrong password"),
        ({"password": "falsch ü"}, "cannot be read"),
        ({"folder": "Nowhere"}, "there is no such folder"),
        ({"done_folder": "Nowhere"}, "there is no such folder"),
        ({"port": 1}, "cannot be reached"),
    ],
)
def test_a_mailbox_that_cannot_be_had_is_named(
    mailboxes: Mailboxes, inbound: Inbound, changes: dict[str, object], words: str
) -> None:
    mailboxes.put(b"one")

    with pytest.raises(Unavailable) as trouble:
        mailbox.read(replace(inbound, **changes), lambda _raw: "kept")  # type: ignore[arg-type]

    assert str(trouble.value).startswith("The mailbox ")
    assert words in str(trouble.value)
    assert "b'" not in str(trouble.value)
    assert imap.PASSWORD not in str(trouble.value)
    assert mailboxes.flags() == [set()]


def test_a_server_that_is_not_who_it_says_gets_no_password(
    mailboxes: Mailboxes, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(Unavailable, match="certificate"):
        mailbox.read(inbound, lambda _raw: "kept")

    assert mailboxes.said == []


def test_the_sender_looks_in_every_few_minutes(
    mailboxes: Mailboxes, inbound: Inbound, now: int
) -> None:
    taken: list[bytes] = []
    watch = Watch(inbound, into(taken))
    mailboxes.put(b"one")

    watch.look(now)
    waiting.until(lambda: taken == [b"one"], "the first look")
    watch.close()
    mailboxes.put(b"two")
    watch = Watch(inbound, into(taken))
    watch.look(now)
    watch.look(now + 5 * MINUTE - 1)
    waiting.until(lambda: taken == [b"one", b"two"], "the next look")
    watch.close()

    assert mailboxes.said.count('SELECT "INBOX"') == 2


def test_a_mailbox_out_of_reach_does_not_stop_the_sender(
    mailboxes: Mailboxes, inbound: Inbound, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(replace(inbound, port=1), lambda _raw: "kept")

    watch.look(now)
    watch.close()

    assert "cannot be reached" in caplog.text
