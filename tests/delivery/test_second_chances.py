"""What the author decides about refused and uncertain letters: each move, once, from its own state."""

import pytest

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.delivery import address, decisions, ledger, mailings, store
from connector.delivery.decision import Again
from connector.delivery.decisions import Reopened
from connector.delivery.mailing import LEASE_SIZE
from connector.delivery.mime import Template
from connector.delivery.outcome import Outcome
from connector.errors import NotFound, Refused
from connector.settings import Settings
from tests.delivery import post

SENT = Outcome("sent", "250 2.0.0 Ok", 250, "2.0.0", "content")
POLICY = Outcome("refused", "550 5.7.26 DMARC", 550, "5.7.26", "content")
NOBODY = Outcome("refused", "550 5.1.1 No such user", 550, "5.1.1", "rcpt")
UNCERTAIN = Outcome("uncertain", "connection lost after the dot")
DEFERRED = Outcome("deferred", "451 Later", 451, "", "rcpt")
ADA, BEA = "reader1@example.org", "reader2@example.org"


def settled(db: Database, outcome: Outcome, *, now: int, count: int = 3) -> int:
    """A finished mailing all of whose letters had the same outcome."""
    mailing = post.mail(db, count, now=now)
    deliver(db, outcome, now=now)
    return mailing


def deliver(db: Database, outcome: Outcome, *, now: int) -> list[str]:
    """Send everything that is due; to whom."""
    reached = []
    while lease := ledger.take(db, "issue", worker="anna", hold=post.HOLD, now=now):
        letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
        post.settle(db, lease, letters, outcome, now=now)
        ledger.release(db, lease, worker="anna", now=now)
        reached += [letter.address for letter in letters]
    return reached


def resend(
    db: Database,
    mailing: int,
    *,
    now: int,
    was: Reopened = "refused",
    key: str = "",
    people: int = 3,
) -> Again:
    with db.write() as tx:
        return decisions.resend(
            tx, mailing, was=was, audience=post.people(people), values={}, key=key, now=now
        )


def decided(db: Database) -> list[tuple[object, ...]]:
    with db.read() as connection:
        return connection.rows("SELECT what, was, reply, at FROM decisions ORDER BY id")


# Refused letters


def test_refused_letters_go_once_more_after_a_cure(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now)
    assert post.look(db, mailing).finished_at == now

    again = resend(db, mailing, now=now + HOUR)

    assert again == Again(queued=3, left_out=0)
    assert post.counts(db, mailing) == {"queued": 3}
    assert post.look(db, mailing).finished_at is None
    assert len(deliver(db, SENT, now=now + HOUR)) == 3
    assert post.counts(db, mailing) == {"sent": 3}
    assert post.look(db, mailing).finished_at == now + HOUR


def test_refused_letters_are_queued_once_more_only_once(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now)
    resend(db, mailing, now=now)

    with pytest.raises(Refused, match="No letter of mailing 1 is refused"):
        resend(db, mailing, now=now)

    assert len(decided(db)) == 3


@pytest.mark.parametrize("outcome", [SENT, UNCERTAIN], ids=lambda one: one.kind)
def test_a_letter_that_was_not_refused_is_not_sent_again_as_refused(
    db: Database, now: int, outcome: Outcome
) -> None:
    mailing = settled(db, outcome, now=now)

    with pytest.raises(Refused, match=f"is {outcome.kind}, not refused"):
        resend(db, mailing, now=now, key=ADA)

    assert post.counts(db, mailing) == {outcome.kind: 3}
    assert post.look(db, mailing).finished_at == now
    assert decided(db) == []


def test_waiting_and_withdrawn_letters_are_not_sent_again(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    with db.write() as tx:
        mailings.withdraw(tx, ADA, why="unsubscribed", now=now)

    for key, state in ((ADA, "withdrawn"), (BEA, "queued")):
        with pytest.raises(Refused, match=f"is {state}, not refused"):
            resend(db, mailing, now=now, key=key)


def test_a_decision_keeps_what_the_relay_had_said(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now, count=1)

    resend(db, mailing, now=now + HOUR)
    deliver(db, SENT, now=now + HOUR)

    assert decided(db) == [("resend", "refused", "550 5.7.26 DMARC", now + HOUR)]


def test_only_the_letter_to_one_address_goes_once_more(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now)

    resend(db, mailing, now=now, key=BEA)

    assert deliver(db, SENT, now=now) == [BEA]
    assert post.counts(db, mailing) == {"refused": 2, "sent": 1}


def test_nobody_who_left_is_written_to_again(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now)

    again = resend(db, mailing, now=now, people=2)

    assert again == Again(queued=2, left_out=1)
    assert "reader3@example.org" not in deliver(db, SENT, now=now)


def test_nobody_whose_mail_comes_back_is_written_to_again(db: Database, now: int) -> None:
    mailing = settled(db, NOBODY, now=now)

    with pytest.raises(Refused, match="Nobody of these 3 may be written to now"):
        resend(db, mailing, now=now)
    with pytest.raises(Refused, match=f"{ADA} may not be written to now"):
        resend(db, mailing, now=now, key=ADA)

    assert post.counts(db, mailing) == {"refused": 3}


def test_a_letter_sent_again_is_the_same_delivery(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = settled(db, POLICY, now=now, count=1)
    with db.read() as connection:
        before = connection.value("SELECT id FROM deliveries")

    resend(db, mailing, now=now)
    (letter,) = ledger.due(db, post.take(db, now=now), now=now)

    assert (letter.id, letter.attempts) == (before, 1)
    wanted = decisions.message_id(
        configured, sender=post.LETTER.sender, mailing=mailing, kind="issue", delivery=before
    )
    template = Template(post.LETTER, configured, mailing=mailing, kind="issue", date=now)
    message = template.message(delivery=before, recipient=1, address=ADA, name="")
    assert f"Message-ID: {wanted}\r\n".encode() in message


def test_a_letter_sent_again_is_tried_for_two_days_more(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now, count=1)
    later = now + 30 * DAY

    resend(db, mailing, now=later)
    deliver(db, DEFERRED, now=later)

    assert post.look(db, mailing).expires_at == later + 2 * DAY
    assert post.counts(db, mailing) == {"queued": 1}


def test_only_stretches_with_something_to_send_are_opened(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now, count=2 * LEASE_SIZE)

    resend(db, mailing, now=now, key=f"reader{LEASE_SIZE + 1}@example.org", people=2 * LEASE_SIZE)

    with db.read() as connection:
        due = connection.rows("SELECT due_at FROM leases ORDER BY id")
    assert due == [(None,), (now,)]


def test_a_stretch_that_is_held_is_given_back_with_what_was_added(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    first, second = ledger.due(db, lease, now=now)
    post.settle(db, lease, post.hand_over(db, lease, [first], now=now), POLICY, now=now)

    resend(db, mailing, now=now, key=ADA)
    post.settle(db, lease, post.hand_over(db, lease, [second], now=now), SENT, now=now)
    ledger.release(db, lease, worker="anna", now=now)

    assert deliver(db, SENT, now=now) == [ADA]
    assert post.counts(db, mailing) == {"sent": 2}


def test_a_cancelled_mailing_stays_cancelled(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    first, _ = ledger.due(db, lease, now=now)
    post.settle(db, lease, post.hand_over(db, lease, [first], now=now), POLICY, now=now)
    mailings.cancel(db, mailing, now=now)

    with pytest.raises(Refused, match="it is cancelled"):
        resend(db, mailing, now=now)


def test_a_paused_mailing_waits_until_it_is_resumed(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    first, _ = ledger.due(db, lease, now=now)
    post.settle(db, lease, post.hand_over(db, lease, [first], now=now), POLICY, now=now)
    mailings.pause(db, mailing, why="5.7.26", now=now)
    ledger.release(db, lease, worker="anna", now=now)

    resend(db, mailing, now=now)

    assert deliver(db, SENT, now=now) == []
    assert post.look(db, mailing).why == "5.7.26"
    mailings.resume(db, mailing, now=now)
    assert len(deliver(db, SENT, now=now)) == 2


def test_a_mailing_that_finished_while_it_was_paused_starts_afresh(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
    mailings.pause(db, mailing, why="5.7.26", now=now)
    post.settle(db, lease, letters, POLICY, now=now)
    ledger.release(db, lease, worker="anna", now=now)
    assert mailings.state_of(post.look(db, mailing)) == "finished"

    resend(db, mailing, now=now)

    assert mailings.state_of(post.look(db, mailing)) == "sending"
    assert post.look(db, mailing).why == ""
    assert len(deliver(db, SENT, now=now)) == 2


def test_a_mailing_nobody_knows_and_a_notice_are_refused(db: Database, now: int) -> None:
    with db.write() as tx:
        to = address.parse("ada@example.org")
        notice = mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=now)

    with pytest.raises(Refused, match="is a notice"):
        resend(db, notice, now=now)
    with pytest.raises(NotFound, match="no mailing 7"):
        resend(db, 7, now=now)
    mailing = settled(db, POLICY, now=now)
    with pytest.raises(Refused, match="has no letter to eva@"):
        resend(db, mailing, now=now, key="eva@example.org")


# Letters in doubt


def test_doubts_say_what_is_known(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now, count=2)

    with db.read() as connection:
        first, _ = decisions.doubts(connection, mailing)

    assert (first.address, first.attempts, first.since) == (ADA, 1, now)
    assert first.reply == "connection lost after the dot"
    assert first.sender == post.LETTER.sender
    assert not first.is_left


def test_uncertain_letters_go_once_more_when_the_author_says_so(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)

    again = resend(db, mailing, now=now, was="uncertain")

    assert again.queued == 3
    assert len(deliver(db, SENT, now=now)) == 3
    assert post.counts(db, mailing) == {"sent": 3}


def test_uncertain_letters_go_once_more_only_once(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)
    resend(db, mailing, now=now, was="uncertain")

    with pytest.raises(Refused, match="No letter of mailing 1 is uncertain"):
        resend(db, mailing, now=now, was="uncertain")


@pytest.mark.parametrize("outcome", [SENT, POLICY], ids=lambda one: one.kind)
def test_a_letter_that_is_certain_is_not_sent_again_as_uncertain(
    db: Database, now: int, outcome: Outcome
) -> None:
    mailing = settled(db, outcome, now=now)

    with pytest.raises(Refused, match=f"is {outcome.kind}, not uncertain"):
        resend(db, mailing, now=now, was="uncertain", key=ADA)


def test_the_author_may_say_that_a_letter_arrived(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)

    with db.write() as tx:
        sent = decisions.take_as_sent(tx, mailing, key=ADA, now=now)

    assert sent == 1
    assert post.counts(db, mailing) == {"sent": 1, "uncertain": 2}
    assert decided(db) == [("sent", "uncertain", "connection lost after the dot", now)]
    assert post.look(db, mailing).finished_at == now


def test_saying_that_it_arrived_counts_once(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)
    with db.write() as tx:
        decisions.take_as_sent(tx, mailing, now=now)

    with pytest.raises(Refused, match="No letter of mailing 1 is uncertain"), db.write() as tx:
        decisions.take_as_sent(tx, mailing, now=now)

    assert len(decided(db)) == 3


def test_a_refused_letter_cannot_be_said_to_have_arrived(db: Database, now: int) -> None:
    mailing = settled(db, POLICY, now=now)

    with pytest.raises(Refused, match="is refused, not uncertain"), db.write() as tx:
        decisions.take_as_sent(tx, mailing, key=ADA, now=now)

    assert post.counts(db, mailing) == {"refused": 3}


def test_a_doubt_that_is_left_is_dealt_with_and_stays_uncertain(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)

    with db.write() as tx:
        left = decisions.leave(tx, mailing, now=now)

    assert left == 3
    assert post.counts(db, mailing) == {"uncertain": 3}
    with db.read() as connection:
        assert store.count_in_trouble(connection, mailing, was="uncertain") == 0
        assert all(doubt.is_left for doubt in decisions.doubts(connection, mailing))
    with pytest.raises(Refused):
        resend(db, mailing, now=now, was="uncertain")


def test_a_doubt_is_left_once(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)
    with db.write() as tx:
        decisions.leave(tx, mailing, now=now)

    for key, words in (("", "Nothing is left to decide"), (ADA, "was left as it is before")):
        with pytest.raises(Refused, match=words), db.write() as tx:
            decisions.leave(tx, mailing, key=key, now=now)

    assert len(decided(db)) == 3


def test_what_is_certain_cannot_be_left_in_doubt(db: Database, now: int) -> None:
    mailing = settled(db, SENT, now=now)

    with pytest.raises(Refused, match="is sent, not uncertain"), db.write() as tx:
        decisions.leave(tx, mailing, key=ADA, now=now)


def test_a_doubt_that_was_left_can_still_be_settled_by_name(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)
    with db.write() as tx:
        decisions.leave(tx, mailing, now=now)

    resend(db, mailing, now=now, was="uncertain", key=ADA)
    deliver(db, UNCERTAIN, now=now)

    with db.read() as connection:
        doubts = {one.address: one.is_left for one in decisions.doubts(connection, mailing)}
    assert doubts == {ADA: False, BEA: True, "reader3@example.org": True}


def test_somebody_who_leaves_after_the_decision_gets_nothing(db: Database, now: int) -> None:
    mailing = settled(db, UNCERTAIN, now=now)
    resend(db, mailing, now=now, was="uncertain")

    with db.write() as tx:
        mailings.withdraw(tx, ADA, why="unsubscribed", now=now)

    assert ADA not in deliver(db, SENT, now=now)
    assert post.counts(db, mailing) == {"sent": 2, "withdrawn": 1}


def test_forgetting_somebody_blanks_what_was_decided_about_them(db: Database, now: int) -> None:
    told = Outcome("refused", f"550 5.7.1 <{ADA}> not today", 550, "5.7.1", "rcpt")
    mailing = settled(db, told, now=now, count=1)
    resend(db, mailing, now=now)

    with db.write() as tx:
        mailings.forget(tx, ADA, now=now)

    assert decided(db) == [("resend", "refused", "", now)]


@pytest.mark.parametrize(
    "answer", [SENT, DEFERRED, Outcome("unreached", "line broke")], ids=lambda one: one.kind
)
def test_a_slow_sender_does_not_disturb_the_second_chance(
    db: Database, now: int, answer: Outcome
) -> None:
    mailing = post.mail(db, 1, now=now)
    slow = post.take(db, now=now, worker="anna")
    old = post.hand_over(db, slow, ledger.due(db, slow, now=now), now=now, worker="anna")
    later = now + post.HOLD
    ledger.release(db, post.take(db, now=later, worker="boris"), worker="boris", now=later)
    resend(db, mailing, now=later, was="uncertain")
    lease = post.take(db, now=later, worker="boris")
    post.hand_over(db, lease, ledger.due(db, lease, now=later), now=later, worker="boris")

    post.settle(db, slow, old, answer, now=later)

    assert post.counts(db, mailing) == {"sending": 1}
