"""The mail server on this machine hands over what came back, and keeps what we could not record."""

import asyncio
import smtplib
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from connector.database import Database
from connector.delivery import links
from connector.delivery.kept import packed
from connector.errors import DatabaseUnavailable, Refused
from connector.inbound import lmtp, store
from connector.settings import Settings
from tests.inbound import returned
from tests.inbound.returned import recorded, why

T = TypeVar("T")
HERE = "127.0.0.1:0"


def served(
    db: Database,
    settings: Settings,
    client: Callable[[str], T],
    *,
    where: str = HERE,
    left: list[int] | None = None,
) -> T:
    """What `client`, in a thread of its own, makes of a listener's place."""

    async def go() -> T:
        def leave(reader: int, _how: str) -> None:
            if left is not None:
                left.append(reader)

        async with lmtp.listening(db, settings, where, leave=leave) as place:
            return await asyncio.to_thread(client, place)

    return asyncio.run(go())


def deliver(message: bytes, *recipients: str) -> Callable[[str], Any]:
    """A mail server that delivers one message; what it was told of each refused recipient."""

    def client(place: str) -> Any:
        host, _, port = place.rpartition(":")
        server = (
            smtplib.LMTP(place.removeprefix("unix:"))
            if place.startswith("unix:")
            else smtplib.LMTP(host, int(port))
        )
        with server:
            try:
                return server.sendmail("", list(recipients), message)
            except smtplib.SMTPException as error:
                return error

    return client


def talk(*lines: bytes) -> Callable[[str], bytes]:
    """Somebody who types, and sees everything that is answered until the end."""

    def client(place: str) -> bytes:
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(b"".join(lines))
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(4096), b""))

    return client


def test_a_bounce_stops_the_letters(db: Database, configured: Settings, now: int) -> None:
    sent = returned.letter(db, configured, now=now)
    raw = returned.report(sent, to="bounces@letters.example.org")

    refused = served(db, configured, deliver(raw, sent.verp))

    assert refused == {}
    assert why(db) == "bounced"
    assert [row.source for row in recorded(db)] == ["lmtp"]


def test_a_mail_server_may_use_a_socket_file(
    db: Database, configured: Settings, now: int, tmp_path: Path
) -> None:
    sent = returned.letter(db, configured, now=now)

    served(
        db,
        configured,
        deliver(returned.report(sent), sent.verp),
        where=f"unix:{tmp_path}/connector.sock",
    )

    assert why(db) == "bounced"


def test_each_recipient_has_an_answer(db: Database, configured: Settings, now: int) -> None:
    first = returned.letter(db, configured, now=now)
    other = returned.letter(db, configured, now=now, once="issue:lamps")

    said = served(
        db,
        configured,
        talk(
            b"LHLO mx\r\nMAIL FROM:<>\r\n",
            f"RCPT TO:<{first.verp}>\r\nRCPT TO:<{other.verp}>\r\nDATA\r\n".encode(),
            returned.report(first).replace(b"\n", b"\r\n") + b".\r\nQUIT\r\n",
        ),
    )

    assert said.splitlines()[-3:] == [
        b"250 2.0.0 bounce, suppressed",
        b"250 2.0.0 bounce, suppressed",
        b"221 2.0.0 bye",
    ]


def test_the_mail_server_keeps_what_we_cannot_record(
    db: Database, configured: Settings, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = returned.letter(db, configured, now=now)

    def refuse(**_: object) -> None:
        raise DatabaseUnavailable("The database /srv/subscribers.db is busy.")

    monkeypatch.setattr(db, "write", refuse)

    refused = served(db, configured, deliver(returned.report(sent), sent.verp))

    assert isinstance(refused, smtplib.SMTPDataError) or refused[sent.verp][0] == 451
    assert recorded(db) == []


def test_a_reader_who_asks_by_mail_leaves(db: Database, configured: Settings) -> None:
    left: list[int] = []
    token = links.token(configured, "unsubscribe", 7)

    served(
        db,
        configured,
        deliver(f"Subject: unsubscribe {token}\r\n\r\n".encode(), "ines@letters.example.org"),
        left=left,
    )

    assert left == [7]


def test_lmtp_is_not_smtp(db: Database, configured: Settings) -> None:
    said = served(db, configured, talk(b"EHLO mx\r\nQUIT\r\n"))

    assert b"502 5.5.2" in said


def test_an_empty_message_is_a_message(db: Database, configured: Settings) -> None:
    said = served(
        db,
        configured,
        talk(b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"),
    )

    assert said.splitlines()[-2:] == [b"250 2.0.0 unreadable, kept", b"221 2.0.0 bye"]


def test_a_line_with_a_dot_of_its_own_stays(db: Database, configured: Settings) -> None:
    served(
        db,
        configured,
        deliver(b"Subject: .dots\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n", "a@example.org"),
    )

    with db.read() as connection:
        assert store.raw(connection, 1) == packed(
            b"Subject: .dots\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"
        )


def test_a_message_cut_off_is_no_message(db: Database, configured: Settings) -> None:
    served(
        db,
        configured,
        talk(b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\nSubject: x\r\n"),
    )

    assert recorded(db) == []


@pytest.mark.parametrize(
    "lines",
    [b"x" * 100_000, b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<" + b"a" * 100_000 + b">\r\n"],
)
def test_an_endless_line_is_cut_short(db: Database, configured: Settings, lines: bytes) -> None:
    def client(place: str) -> bytes:
        try:
            return talk(lines)(place)
        except OSError:  # it hung up while we were still talking
            return b"552"

    assert b"552" in served(db, configured, client)


def test_twenty_megabytes_are_taken_and_kept_unread(
    db: Database, configured: Settings, now: int
) -> None:
    sent = returned.letter(db, configured, now=now)
    raw = returned.report(sent) + b"\r\n".join([b"x" * 900] * 22_000)

    assert served(db, configured, deliver(raw, sent.verp)) == {}
    assert [row.effect for row in recorded(db)] == ["kept"]
    assert why(db) == ""


def flood(*recipients: str, megabytes: int) -> Callable[[str], bytes]:
    """A hostile report, written a little at a time, so that only the listener could hold it all."""
    block = b"x" * 998 + b"\r\n"
    head = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)

    def client(place: str) -> bytes:
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(f"LHLO mx\r\nMAIL FROM:<>\r\n{head}DATA\r\n".encode())
            line.sendall(b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n")
            for _ in range(megabytes * 1000):
                line.sendall(block)
            line.sendall(b".\r\nQUIT\r\n")
            return b"".join(iter(lambda: line.recv(4096), b""))

    return client


def test_a_hostile_report_of_twenty_megabytes_costs_little_memory(
    db: Database, configured: Settings, now: int
) -> None:
    sent = returned.letter(db, configured, now=now)
    tracemalloc.start()
    try:
        said = served(db, configured, flood(sent.verp, megabytes=20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert said.splitlines()[-2:] == [b"250 2.0.0 unreadable, kept", b"221 2.0.0 bye"]
    assert peak < 12_000_000
    assert [row.effect for row in recorded(db)] == ["kept"]
    assert why(db) == ""


def test_what_follows_a_hostile_report_is_read(
    db: Database, configured: Settings, now: int
) -> None:
    sent = returned.letter(db, configured, now=now)
    hostile = b"x" * 3_000_000 + b"\r\n.\r\n"

    said = served(
        db,
        configured,
        talk(
            b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n" + hostile,
            f"MAIL FROM:<>\r\nRCPT TO:<{sent.verp}>\r\nDATA\r\n".encode(),
            returned.report(sent).replace(b"\n", b"\r\n") + b".\r\nQUIT\r\n",
        ),
    )

    assert b"250 2.0.0 unreadable, kept" in said
    assert said.splitlines()[-2:] == [b"250 2.0.0 bounce, suppressed", b"221 2.0.0 bye"]


def test_a_letter_without_an_end_is_hung_up_on(db: Database, configured: Settings) -> None:
    def client(place: str) -> bytes:
        try:
            return flood("a@example.org", megabytes=40)(place)
        except OSError:  # it hung up while we were still talking
            return b"552"

    assert b"552" in served(db, configured, client)
    assert recorded(db) == []


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"LHLO mx\r\n",
        b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\nSubject: x\r\n",
    ],
    ids=["silent", "greeted", "within a letter"],
)
def test_a_client_that_hangs_is_let_go_and_stops_nobody_else(
    db: Database,
    configured: Settings,
    now: int,
    monkeypatch: pytest.MonkeyPatch,
    begun: bytes,
) -> None:
    monkeypatch.setattr("connector.delivery.reception.PATIENCE", 0.3)
    sent = returned.letter(db, configured, now=now)

    def client(place: str) -> bytes:
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(begun)
            assert deliver(returned.report(sent), sent.verp)(place) == {}
            return b"".join(iter(lambda: line.recv(4096), b""))

    assert served(db, configured, client).endswith(b"421 4.4.2 too quiet for too long\r\n")
    assert [row.kind for row in recorded(db)] == ["bounce"]


def test_a_client_that_never_listens_is_let_go(
    db: Database, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.delivery.reception.PATIENCE", 0.3)

    def client(place: str) -> bool:
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as line:
            try:
                for _ in range(100_000):
                    line.sendall(b"LHLO mx\r\n" * 1000)
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    assert served(db, configured, client)


@pytest.mark.parametrize("where", ["here", "127.0.0.1", ":25", "127.0.0.1:99999", "unix:/no/x"])
def test_a_place_where_nobody_can_listen_is_refused(
    db: Database, configured: Settings, where: str
) -> None:
    with pytest.raises(Refused, match="listen at"):
        served(db, configured, lambda _place: None, where=where)
