"""Too many readers call a letter spam: the writer is warned, and then the mailing stops by itself."""

import logging

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.delivery.mailing import Mailing
from connector.inbound import bounces, complaints, store
from connector.inbound.complaints import Rate
from connector.settings import Settings
from tests.delivery import post
from tests.inbound import returned
from tests.inbound.returned import Sent, receive


def mailed(db: Database, people: int, *, now: int, once: str = "issue:bench") -> int:
    """A mailing to many; the relay took every letter, and it is not finished yet."""
    mailing = post.mail(db, people, now=now, once=once)
    with db.write() as tx:
        tx.run(
            "UPDATE deliveries SET state = 'sent', attempts = 1 WHERE mailing_id = :id", id=mailing
        )
    return mailing


def letters(db: Database, settings: Settings, mailing: int, many: int, *, now: int) -> list[Sent]:
    """The first few letters of a mailing."""
    first = post.look(db, mailing).first_delivery or 0
    return [
        returned.of(db, settings, delivery, mailing=mailing, now=now)
        for delivery in range(first, first + many)
    ]


def complain(
    db: Database, settings: Settings, mailing: int, many: int, *, now: int, after: int = 0
) -> Mailing:
    """So many readers press “spam”, after those who did so before; the mailing then."""
    for sent in letters(db, settings, mailing, after + many, now=now)[after:]:
        assert receive(db, settings, returned.complaint(sent), now=now).effect == "suppressed"
    return post.look(db, mailing)


@pytest.mark.parametrize(
    ("found", "sent", "level"),
    [
        (0, 0, None),
        (1, 50, None),
        (2, 50, None),
        (3, 0, "too high"),
        (3, 50, "too high"),
        (3, 1_000, "too high"),
        (3, 1_001, "high"),
        (3, 3_000, "high"),
        (3, 3_001, None),
        (30, 10_000, "too high"),
        (29, 10_000, "high"),
        (10, 10_000, "high"),
        (9, 10_000, None),
    ],
)
def test_three_in_a_thousand_are_too_many_and_one_in_a_thousand_is_many(
    found: int, sent: int, level: str | None
) -> None:
    assert Rate(found, sent).level == level


def test_one_complaint_among_fifty_letters_stops_nothing(
    db: Database, configured: Settings, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailing = mailed(db, 50, now=now)

    with caplog.at_level(logging.WARNING):
        found = complain(db, configured, mailing, 2, now=now)

    assert found.paused_at is None
    assert "spam" not in caplog.text


def test_a_mailing_of_which_too_many_complain_stops_and_says_why(
    db: Database, configured: Settings, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailing = mailed(db, 900, now=now)
    assert complain(db, configured, mailing, 2, now=now).paused_at is None

    with caplog.at_level(logging.WARNING):
        found = complain(db, configured, mailing, 1, after=2, now=now)

    assert mailings.state_of(found) == "paused"
    assert found.why.startswith("3 of 900 letters were called spam (0.33 %). At 0.3 % mailbox")
    assert found.why.endswith("Then: connector resume 1, or connector cancel 1")
    assert "Mailing 1, bench: 3 of 900 letters were called spam (0.33 %). It was paused." in (
        caplog.messages
    )


def test_the_writer_is_warned_once(
    db: Database, configured: Settings, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailing = mailed(db, 2_500, now=now)

    with caplog.at_level(logging.WARNING):
        found = complain(db, configured, mailing, 6, now=now)

    assert found.paused_at is None
    assert caplog.messages == ["Mailing 1, bench: 3 of 2,500 letters were called spam (0.12 %)."]


def test_letters_that_did_not_arrive_do_not_dilute_complaints(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = mailed(db, 5_000, now=now)
    with db.write() as tx:
        tx.run("UPDATE deliveries SET state = 'queued' WHERE id > 900")

    assert complain(db, configured, mailing, 3, now=now).paused_at == now


def test_the_same_complaint_by_two_ways_counts_once(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = mailed(db, 900, now=now)
    complain(db, configured, mailing, 2, now=now)
    [first, *_] = letters(db, configured, mailing, 1, now=now)

    again = receive(
        db, configured, returned.complaint(first, to="abuse@letters.example.org"), now=now
    )

    assert again.effect == "repeated"
    assert post.look(db, mailing).paused_at is None


def test_whoever_was_erased_still_counts(db: Database, configured: Settings, now: int) -> None:
    mailing = mailed(db, 900, now=now)
    complain(db, configured, mailing, 2, now=now)
    with db.write() as tx:
        for sent in letters(db, configured, mailing, 2, now=now):
            mailings.forget(tx, sent.address, now=now)
            bounces.forget(tx, sent.address)

    assert complain(db, configured, mailing, 1, after=2, now=now).paused_at == now


def test_forged_complaints_stop_no_mailing(db: Database, configured: Settings, now: int) -> None:
    mailing = mailed(db, 50, now=now)
    for sent in letters(db, configured, mailing, 9, now=now):
        forged = returned.complaint(sent).replace(
            sent.message_id.encode(), f"<{sent.delivery}.AAAAAAAAAAAAAAAAAAAA@x>".encode()
        )
        assert receive(db, configured, forged, now=now).effect == "unproven"

    assert post.look(db, mailing).paused_at is None


def test_one_that_was_resumed_stops_again_only_when_it_is_twice_as_bad(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = mailed(db, 900, now=now)
    complain(db, configured, mailing, 3, now=now)
    mailings.resume(db, mailing, now=now + DAY)

    found = complain(db, configured, mailing, 2, after=3, now=now + DAY)
    assert mailings.state_of(found) == "sending"

    found = complain(db, configured, mailing, 1, after=5, now=now + DAY)
    assert mailings.state_of(found) == "paused"
    assert found.why.startswith("6 of 900")


def test_a_mailing_paused_by_hand_keeps_its_reason(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = mailed(db, 900, now=now)
    mailings.pause(db, mailing, why="paused by hand", now=now)

    assert complain(db, configured, mailing, 3, now=now).why == "paused by hand"


def test_when_all_letters_have_left_there_is_only_a_warning_and_the_next_issue_goes(
    db: Database, configured: Settings, now: int, caplog: pytest.LogCaptureFixture
) -> None:
    mailing = mailed(db, 900, now=now)
    with db.write() as tx:
        tx.run("UPDATE mailings SET finished_at = :now", now=now)

    with caplog.at_level(logging.WARNING):
        found = complain(db, configured, mailing, 5, now=now)
    following = post.mail(db, 10, now=now + DAY, once="issue:lamps")

    assert mailings.state_of(found) == "finished"
    assert caplog.messages == ["Mailing 1, bench: 3 of 900 letters were called spam (0.33 %)."]
    assert mailings.state_of(post.look(db, following)) == "sending"


def test_each_mailing_is_weighed_by_itself(db: Database, configured: Settings, now: int) -> None:
    first = mailed(db, 900, now=now)
    other = mailed(db, 900, now=now, once="issue:lamps")

    complain(db, configured, first, 2, now=now)
    complain(db, configured, other, 3, now=now, after=0)

    assert post.look(db, first).paused_at is None
    assert post.look(db, other).paused_at == now


def test_what_a_mailing_led_to_is_counted_by_letters(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = mailed(db, 900, now=now)
    for sent in letters(db, configured, mailing, 3, now=now):
        receive(db, configured, returned.report(sent, status="4.2.2"), now=now)
        receive(db, configured, returned.report(sent, status="5.1.1"), now=now)
    receive(db, configured, b"Subject: hello\n\n", now=now)

    with db.read() as connection:
        assert store.reported(connection, post.look(db, mailing)) == {"bounce": 3}
        assert complaints.rate_of(connection, post.look(db, mailing)) == Rate(0, 0)
