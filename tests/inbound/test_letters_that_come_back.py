"""What comes back about a letter: bounces, complaints, answers by machines, and what nobody can read."""

import logging
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clock import DAY
from connector.database import Database
from connector.delivery import links, mailings, mime
from connector.inbound import bounces, report, store
from connector.settings import Settings, load
from tests.conftest import TOML
from tests.delivery import post
from tests.inbound import returned
from tests.inbound.returned import Sent, receive, recorded, why


def publication() -> Settings:
    """Settings for tests that read the same mail hundreds of times."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "connector.toml").write_text(TOML, encoding="utf-8")
        return load(Path(folder), {"CONNECTOR_SECRET": "a test's own secret, long enough"})


@pytest.fixture
def sent(db: Database, configured: Settings, now: int) -> Sent:
    """One letter that the relay took and that comes back."""
    return returned.letter(db, configured, now=now)


PUBLICATION = publication()

# Bounces


def test_an_address_that_does_not_exist_is_stopped_at_once(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    received = receive(db, configured, returned.report(sent), now=now)

    assert (received.kind, received.effect) == ("bounce", "suppressed")
    assert why(db) == "bounced"
    [row] = recorded(db)
    assert (row.delivery_id, row.address_key, row.status) == (sent.delivery, sent.address, "5.1.1")
    assert "Recipient address rejected" in row.detail


def test_a_letter_that_is_only_delayed_changes_nothing(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, action="delayed", status="4.4.1", diagnostic="smtp; 451 later")

    received = receive(db, configured, raw, now=now)

    assert (received.kind, received.effect) == ("delayed", "ignored")
    assert why(db) == ""


def test_a_letter_that_arrived_changes_nothing(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, action="relayed", status="2.0.0", diagnostic="")

    assert receive(db, configured, raw, now=now).kind == "delivered"
    assert why(db) == ""


@pytest.mark.parametrize(
    "write",
    [
        returned.by_exim,
        returned.by_old_exim,
        returned.by_exchange,
        returned.by_qmail,
        returned.by_gmail,
    ],
)
def test_every_mail_server_is_understood(
    db: Database, configured: Settings, sent: Sent, now: int, write: Callable[[Sent], bytes]
) -> None:
    received = receive(db, configured, write(sent), now=now)

    assert (received.kind, received.effect) == ("bounce", "suppressed")
    assert recorded(db)[0].status in ("5.1.1", "5.1.10")


def test_a_bounce_without_the_letters_own_headers_is_known_by_its_address(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, to="bounces@letters.example.org")
    assert sent.message_id.encode() not in raw

    received = receive(db, configured, raw, recipient=sent.verp.upper(), now=now)

    assert received.effect == "suppressed"
    assert recorded(db)[0].delivery_id == sent.delivery


def test_a_bounce_to_another_address_is_known_by_the_returned_message_id(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(
        sent,
        to="bounces@letters.example.org",
        returned=f"Message-ID: {sent.message_id}\nReturn-Path: <someone@relay.example.net>\n",
    )

    assert receive(db, configured, raw, now=now).effect == "suppressed"


def test_a_forged_address_is_ignored_and_written_down(
    db: Database,
    configured: Settings,
    sent: Sent,
    now: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    local, _, rest = sent.verp.partition(".")
    forged = f"{local}.{'0' * rest.index('@')}{rest[rest.index('@') :]}"
    raw = returned.report(
        sent,
        to=forged,
        returned=f"Message-ID: <{sent.delivery}.{'0' * 20}@letters.example.org>\n",
    )

    with caplog.at_level(logging.WARNING):
        received = receive(db, configured, raw, recipient=forged, now=now)

    assert received.effect == "unproven"
    assert why(db) == ""
    assert [row.effect for row in recorded(db)] == ["unproven"]
    assert "unproven" in caplog.text


def test_a_proof_for_one_delivery_says_nothing_about_another(
    db: Database, configured: Settings, now: int
) -> None:
    first = returned.letter(db, configured, now=now, people=2)
    other = first.verp.replace(f"+{first.delivery}.", f"+{first.delivery + 1}.")

    received = receive(db, configured, returned.report(first, to=other), now=now)

    assert received.effect == "unproven"
    assert why(db, "reader2@example.org") == ""


def test_the_same_bounce_twice_is_one_event(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full")
    assert receive(db, configured, raw, now=now).effect == "scored"

    again = receive(db, configured, raw, now=now + 3 * DAY)

    assert again.effect == "repeated"
    assert len(recorded(db)) == 1
    with db.read() as connection:
        assert store.score(connection, sent.address).points == 1  # type: ignore[union-attr]


def test_a_delivery_counts_once_however_often_it_is_reported(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, status="5.2.2", diagnostic="smtp; 552 5.2.2 mailbox full")
    receive(db, configured, raw, now=now)

    for day in range(1, 10):
        altered = raw.replace(b"9B095B5", f"QUEUE{day}".encode())
        assert receive(db, configured, altered, now=now + day * DAY).effect == "repeated"

    assert why(db) == ""


def test_an_old_bounce_does_not_undo_a_readers_return(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent)
    receive(db, configured, raw, now=now)
    with db.write() as tx:
        mailings.lift(tx, sent.address)

    received = receive(db, configured, raw.replace(b"9B095B5", b"AAAAAAA"), now=now + DAY)

    assert received.effect == "repeated"
    assert why(db) == ""


def test_a_later_letter_that_comes_back_stops_them_again(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    receive(db, configured, returned.report(sent), now=now)
    with db.write() as tx:
        mailings.lift(tx, sent.address)
    later = returned.letter(db, configured, now=now + DAY, once="issue:lamps")

    assert receive(db, configured, returned.report(later), now=now + DAY).effect == "suppressed"
    assert why(db) == "bounced"


def test_a_letter_refused_for_its_words_is_not_held_against_the_reader(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, status="5.7.1", diagnostic="smtp; 554 5.7.1 looks like spam")

    assert receive(db, configured, raw, now=now).effect == "ignored"
    assert why(db) == ""


def test_one_of_several_mailboxes_behind_an_address_is_not_the_reader(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    arrived = b"\n\nFinal-Recipient: rfc822; team-a@example.org\nAction: expanded\nStatus: 2.0.0"
    raw = returned.report(sent)
    end = raw.index(b"\n\n--9B095B5ADSN=_01C2\nContent-Description: Undelivered")
    raw = raw[:end] + arrived + raw[end:]

    assert receive(db, configured, raw, now=now).kind == "delivered"
    assert why(db) == ""


def test_what_is_queued_for_a_dead_address_stays_here(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    mailing = post.mail(db, 1, now=now, once="issue:lamps")

    receive(db, configured, returned.report(sent), now=now)

    assert post.counts(db, mailing) == {"withdrawn": 1}


def test_a_bounce_about_somebody_erased_is_about_nobody(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    with db.write() as tx:
        mailings.forget(tx, sent.address, now=now)
        bounces.forget(tx, sent.address)

    received = receive(db, configured, returned.report(sent), now=now)

    assert received.effect == "ignored"
    with db.read() as connection:
        assert connection.rows("SELECT * FROM suppressions") == []


def test_erasing_takes_the_address_out_of_what_came_back(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    soft = returned.report(sent, status="4.2.2", diagnostic="smtp; 452 reader1@example.org is full")
    receive(db, configured, soft, now=now)

    with db.write() as tx:
        mailings.forget(tx, sent.address, now=now)
        bounces.forget(tx, sent.address)

    with db.read() as connection:
        everything = repr(connection.rows("SELECT * FROM inbound")) + repr(
            connection.rows("SELECT * FROM soft_bounces")
        )
    assert "reader1" not in everything


def test_erasing_takes_away_what_somebody_wrote_to_us(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = b"From: Reader <Reader1@Example.org>\nSubject: Hello from reader1\n\nMy street is...\n"
    receive(db, configured, raw, now=now)

    with db.write() as tx:
        mailings.forget(tx, sent.address, now=now)
        bounces.forget(tx, sent.address)

    with db.read() as connection:
        assert store.kept(connection, limit=10) == []
    assert "reader1" not in repr(recorded(db))


# Soft bounces


def bounce_on(db: Database, settings: Settings, days: list[int], *, now: int) -> list[str]:
    """One soft bounce, each of a letter of its own, on each of `days`; what each led to."""
    effects: list[str] = []
    for number, day in enumerate(days):
        at = now + day * DAY
        sent = returned.letter(db, settings, now=at, once=f"issue:{number}")
        raw = returned.report(sent, status="4.2.2", diagnostic="smtp; 452 4.2.2 mailbox full")
        effects.append(receive(db, settings, raw, now=at).effect)
    return effects


def test_a_full_mailbox_is_stopped_at_the_fifth_day(
    db: Database, configured: Settings, now: int
) -> None:
    effects = bounce_on(db, configured, [0, 7, 14, 21, 28], now=now)

    assert effects == ["scored"] * 4 + ["suppressed"]
    with db.read() as connection:
        found = mailings.suppression(connection, "reader1@example.org")
    assert found is not None
    assert found.detail.startswith("bounced on 5 days; the last time: 4.2.2 452 4.2.2 mailbox full")


def test_a_day_scores_at_most_one_point(db: Database, configured: Settings, now: int) -> None:
    effects = bounce_on(db, configured, [0, 0, 0, 0, 0, 0], now=now)

    assert effects == ["scored"] * 6
    assert why(db) == ""


def test_a_quiet_week_forgets(db: Database, configured: Settings, now: int) -> None:
    effects = bounce_on(db, configured, [0, 1, 2, 3, 11, 12, 13, 14], now=now)

    assert effects == ["scored"] * 8
    assert why(db) == ""


def test_somebody_who_came_back_starts_from_nothing(
    db: Database, configured: Settings, now: int
) -> None:
    bounce_on(db, configured, [0, 1, 2, 3, 4], now=now)
    with db.write() as tx:
        mailings.lift(tx, "reader1@example.org")

    with db.read() as connection:
        assert store.score(connection, "reader1@example.org") is None


# Complaints


def test_a_complaint_stops_the_letters_at_once_though_its_reader_is_blacked_out(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    received = receive(db, configured, returned.complaint(sent), now=now)

    assert (received.kind, received.effect) == ("complaint", "suppressed")
    assert why(db) == "complained"


def test_a_complaint_is_known_by_the_sender_of_the_envelope_too(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.complaint(sent, verp=sent.verp).replace(sent.message_id.encode(), b"<x@y>")

    assert receive(db, configured, raw, now=now).effect == "suppressed"


def test_a_complaint_that_proves_nothing_is_ignored(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.complaint(sent).replace(sent.message_id.encode(), b"<1.abc@letters.example.org>")

    assert receive(db, configured, raw, now=now).effect == "unproven"
    assert why(db) == ""


def test_a_report_about_something_else_is_kept_for_a_person(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    received = receive(db, configured, returned.complaint(sent, kind="auth-failure"), now=now)

    assert (received.kind, received.effect) == ("unreadable", "kept")
    assert why(db) == ""


# Machines and people


@pytest.mark.parametrize(
    "lines",
    [
        "Auto-Submitted: auto-replied\nSubject: Re: The bench",
        "Auto-Submitted: auto-replied (vacation); owner-email=x\nSubject: Re: The bench",
        "Precedence: auto_reply\nSubject: Re: The bench",
        "X-Autoreply: yes\nSubject: Re: The bench",
        "Subject: Out of Office: The bench",
        "Subject: =?utf-8?q?Abwesenheitsnotiz=3A_The_bench?=",
    ],
)
def test_somebody_on_holiday_is_not_a_bounce(
    db: Database, configured: Settings, sent: Sent, now: int, lines: str
) -> None:
    received = receive(db, configured, returned.away(sent, lines), now=now)

    assert (received.kind, received.effect) == ("auto-reply", "ignored")
    assert why(db) == ""


def test_a_receipt_is_not_a_bounce(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = (
        returned.report(sent)
        .replace(b"Auto-Submitted: auto-replied\n", b"")
        .replace(b"message/delivery-status", b"message/disposition-notification")
        .replace(b"Action: failed\nStatus: 5.1.1", b"Disposition: manual-action; deleted")
    )

    assert receive(db, configured, raw, now=now).kind == "auto-reply"
    assert why(db) == ""


def test_a_letter_by_a_person_is_kept(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.away(sent, "Auto-Submitted: no\nSubject: A question about the bench")

    received = receive(db, configured, raw, now=now)

    assert (received.kind, received.effect) == ("unreadable", "kept")
    with db.read() as connection:
        [kept] = store.kept(connection, limit=10)
    assert kept.detail == "A question about the bench"


def test_a_mail_to_the_unsubscribe_address_asks_for_one_reader(
    db: Database, configured: Settings, now: int
) -> None:
    left: list[tuple[int, str]] = []
    raw = (
        f"From: x@example.com\nSubject: unsubscribe {links.token(configured, 'unsubscribe', 7)}\n\n"
    )

    received = bounces.receive(
        db,
        configured,
        raw.encode(),
        source="test",
        leave=lambda *wish: left.append(wish),
        now=now,
    )

    assert (received.kind, received.effect) == ("unsubscribe", "unsubscribed")
    assert left == [(7, "mail")]


def test_a_forged_request_to_unsubscribe_is_kept_and_stops_nobody(
    db: Database, configured: Settings, now: int
) -> None:
    raw = b"From: x@example.com\nSubject: unsubscribe 7.AAAAAAAAAAAAAAAAAAAAAA\n\n"

    assert receive(db, configured, raw, now=now).effect == "kept"


# Hostile mail


def test_a_bounce_of_twenty_megabytes_is_refused_with_a_reason(
    db: Database, configured: Settings, sent: Sent, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    raw = returned.report(sent) + b"x" * 20_000_000

    with caplog.at_level(logging.WARNING):
        received = receive(db, configured, raw, now=now)

    assert received.effect == "kept"
    assert "larger than 1,024 kB" in recorded(db)[0].detail
    assert "larger than" in caplog.text
    assert why(db) == ""
    with db.read() as connection:
        kept = connection.value("SELECT length(raw) FROM inbound")
    assert kept < 70_000


def test_a_large_message_is_not_copied(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent) + b"x" * 20_000_000
    tracemalloc.start()
    try:
        receive(db, configured, raw, now=now)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


def test_the_same_bounce_from_two_doors_at_once_counts_once(
    db: Database, configured: Settings, sent: Sent, now: int
) -> None:
    raw = returned.report(sent, status="4.2.2", diagnostic="smtp; 452 4.2.2 mailbox full")

    with ThreadPoolExecutor(8) as doors:
        taken = list(doors.map(lambda _: receive(db, configured, raw, now=now).effect, range(32)))

    assert Counter(taken) == {"scored": 1, "repeated": 31}
    assert len(recorded(db)) == 1


def nested(depth: int) -> bytes:
    layers = "".join(
        f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n" for at in range(depth)
    )
    return f"Subject: dolls\n{layers}\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        nested(10_000),
        nested(10_000).replace(b"\n", b"\r"),
        b"Content-Type: message/rfc822\n\n" * 20_000,
        b"Content-Type: multipart/report" + b";a" * 400_000 + b"\n\n",
        b"Content-Type: multipart/report;\n" + b" a;\n" * 200_000 + b"\n",
        b"Subject: x\n\n" + b"<" * 60_000 + b"@" * 60_000,
        b"Hi. This is the" + b"\n<a@b>:\n" * 8000,
        b"\n\nHi. This is the\n<" + b"@" * 60_000,
        b"To: " + b"a+1" * 60_000,
        b"To: " + b"+1.aaaaaaaaaaaaaaaa@" * 20_000,
        b"X-Failed-Recipients: a@b\n\n" + b"\n \t" * 100_000,
        b"",
        b"\x00" * 1000,
        b"\xff\xfe" * 1000,
        b"Content-Type: text/plain; charset=no-such\nSubject: =?no-such?b?AAAA?=\n\n\xff",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=\n\n--\n",
        b"Content-Type: message/delivery-status\n\nAction: failed\nStatus: 5.1.1\n",
        b"Content-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n\n????\n",
        b"Message-ID: <9999999999999999999.aaaaaaaaaaaaaaaaaaaa@x>\nAuto-Submitted: auto-replied\n\n",
    ],
    ids=range(19),
)
def test_no_message_is_too_strange(
    db: Database, configured: Settings, raw: bytes, now: int
) -> None:
    received = receive(db, configured, raw, now=now)

    assert received.effect in ("kept", "unproven", "ignored")
    with db.read() as connection:
        assert connection.rows("SELECT * FROM suppressions") == []


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=b\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/feedback-report\n",
        b"Content-Type: text/rfc822-headers; charset=x\n",
        b"Content-Transfer-Encoding: base64\n",
        b"--b\n",
        b"--b--\n",
        b"\n",
        b"Action: failed\nStatus: 5.1.1\n",
        b"Feedback-Type: abuse\n",
        b"Subject: =?utf-8?b?",
        b"unsubscribe 1.AA\n",
        b"To: bounces+1.",
        b"00000000000000000000@letters.example.org\n",
        b"Hi. This is the\n\n<a@b>:\n5.1.1\n",
        b"\r",
        b"\x00",
        b"\xff",
    ]
)


@given(raw=st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=30).map(b"".join)))
@settings(max_examples=300, deadline=None)
def test_reading_never_fails_whatever_comes(raw: bytes) -> None:
    found = report.read(PUBLICATION, raw, recipient=raw[:40].decode("latin-1"))

    assert found.delivery is None
    assert found.recipient is None


@given(raw=st.binary(max_size=60), at=st.integers(0, 1500))
@settings(max_examples=200, deadline=None)
def test_a_damaged_bounce_still_names_no_other_letter(raw: bytes, at: int) -> None:
    sent = Sent(
        5,
        1,
        "reader1@example.org",
        mime.envelope_sender(PUBLICATION, 5),
        "<5.0@letters.example.org>",
    )
    whole = returned.report(sent)

    found = report.read(PUBLICATION, whole[:at] + raw + whole[at + len(raw) :])

    assert found.delivery in (None, 5)


def test_only_the_newest_unreadable_messages_are_kept(
    db: Database, configured: Settings, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.inbound.bounces.KEEP", 3)

    for number in range(5):
        receive(db, configured, f"Subject: {number}\n\nhello".encode(), now=now)

    with db.read() as connection:
        assert [one.detail for one in store.kept(connection, limit=10)] == ["4", "3", "2"]
    assert len(recorded(db)) == 5
