"""What senders do with deliveries, one move at a time."""

import sys

import pytest

from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.database.sqlite import LINUX_BOOT
from connector.delivery import ledger, mailings, store
from connector.delivery.mailing import LEASE_SIZE
from connector.delivery.outcome import Outcome
from tests.delivery import post

SENT = Outcome("sent", "250 2.0.0 Ok: queued as 4F7", 250, "2.0.0", "content")
DEFERRED = Outcome("deferred", "451 4.7.1 Greylisted", 451, "4.7.1", "rcpt")
NOBODY = Outcome("refused", "550 5.1.1 No such user", 550, "5.1.1", "rcpt")
POLICY = Outcome("refused", "550 5.7.1 Not from you", 550, "5.7.1", "content")
UNREACHED = Outcome("unreached", "connection lost")
UNCERTAIN = Outcome("uncertain", "connection lost after the dot")


def test_two_senders_never_hold_the_same_letters(db: Database, now: int) -> None:
    post.mail(db, 10, now=now)
    post.take(db, now=now, worker="anna")

    other = ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now)

    assert other is None


def test_a_letter_is_handed_over_once(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = ledger.due(db, lease, now=now)

    first = post.hand_over(db, lease, letters, now=now)
    second = post.hand_over(db, lease, letters, now=now)

    assert first == letters
    assert second == []


def test_a_sender_that_lost_its_lease_hands_nothing_over(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = ledger.due(db, lease, now=now)

    late = post.hand_over(db, lease, letters, now=now + post.HOLD)

    assert late == []
    assert post.counts(db, mailing) == {"queued": 1}


def test_a_renewed_lease_is_still_ours(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)

    ledger.renew(db, worker="anna", held={lease.id}, hold=post.HOLD, now=now + 50 * SECOND)

    assert ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now + post.HOLD) is None
    assert post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now + post.HOLD + 1)


def test_a_lease_its_holder_never_heard_of_is_free_for_others(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)

    ledger.renew(db, worker="boris", held=set(), hold=post.HOLD, now=now)
    assert ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now) is None
    ledger.renew(db, worker="anna", held=set(), hold=post.HOLD, now=now)

    assert ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now) == lease


def test_what_the_relay_said_is_kept_word_for_word(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)

    post.settle(db, lease, letters, SENT, now=now)

    with db.read() as connection:
        assert store.delivery_state(connection, mailing) == ("sent", "250 2.0.0 Ok: queued as 4F7")


def test_a_deferred_letter_waits_a_minute_and_then_longer(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    waits = []

    for _ in range(7):
        lease = post.take(db, now=now)
        letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
        post.settle(db, lease, letters, DEFERRED, now=now)
        ledger.release(db, lease, worker="anna", now=now)
        with db.read() as connection:
            due_at = connection.value("SELECT due_at FROM leases")
        waits.append((due_at - now) // MINUTE)
        now = due_at

    assert [(wait * 10 + 9) // 11 for wait in waits] == pytest.approx(
        [1, 5, 15, 30, 60, 60, 60], 0.1
    )
    assert post.counts(db, mailing) == {"queued": 1}


def test_a_letter_still_deferred_after_two_days_is_given_up(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    almost = now + 2 * DAY - 30 * SECOND
    lease = post.take(db, now=almost)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=almost), now=almost)

    post.settle(db, lease, letters, DEFERRED, now=almost)

    with db.read() as connection:
        state, reply = store.delivery_state(connection, mailing) or ("", "")
    assert state == "refused"
    assert reply == "Given up after 48 hours. The last answer: 451 4.7.1 Greylisted"


def test_letters_nobody_could_send_in_time_are_given_up(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)

    lease = post.take(db, now=now + 3 * DAY)
    ledger.release(db, lease, worker="anna", now=now + 3 * DAY)

    assert post.counts(db, mailing) == {"refused": 2}
    assert post.look(db, mailing).finished_at == now + 3 * DAY


def test_a_letter_that_never_reached_the_relay_costs_no_attempt(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)

    post.settle(db, lease, letters, UNREACHED, now=now)

    assert [letter.attempts for letter in ledger.due(db, lease, now=now)] == [0]


def test_nobody_there_suppresses_the_address(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)

    post.settle(db, lease, letters, NOBODY, now=now)

    with db.read() as connection:
        found = mailings.suppression(connection, "reader1@example.org")
    assert found is not None
    assert found.detail == "550 5.1.1 No such user"


def test_a_refusal_that_is_about_us_suppresses_nobody(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)

    post.settle(db, lease, letters, POLICY, now=now)

    with db.read() as connection:
        assert mailings.suppression(connection, "reader1@example.org") is None


def test_what_a_dead_sender_had_handed_over_is_uncertain_and_the_rest_goes_on(
    db: Database, now: int
) -> None:
    mailing = post.mail(db, 5, now=now)
    lease = post.take(db, now=now, worker="anna")
    letters = ledger.due(db, lease, now=now)
    post.hand_over(db, lease, letters[:2], now=now, worker="anna")

    later = now + post.HOLD
    taken_over = post.take(db, now=later, worker="boris")

    assert post.counts(db, mailing) == {"queued": 3, "uncertain": 2}
    assert ledger.due(db, taken_over, now=later) == letters[2:]


@pytest.mark.only("sqlite")
def test_after_a_loss_of_power_a_whole_stretch_in_hand_is_uncertain_and_no_other(
    db: Database, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = post.mail(db, LEASE_SIZE + 100, now=now)
    post.take(db, now=now, worker="anna")

    monkeypatch.setattr(db, "boot", "the machine after it came back")
    ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now + post.HOLD)
    later = ledger.take(db, "issue", worker="boris", hold=post.HOLD, now=now + post.HOLD)

    assert later is not None
    assert post.counts(db, mailing) == {"uncertain": LEASE_SIZE, "queued": 100}


@pytest.mark.only("sqlite")
def test_a_stretch_given_back_before_the_power_went_is_sent_as_usual(
    db: Database, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = post.mail(db, 3, now=now)
    lease = post.take(db, now=now, worker="anna")
    ledger.release(db, lease, worker="anna", now=now)

    monkeypatch.setattr(db, "boot", "the machine after it came back")
    again = post.take(db, now=now, worker="boris")

    assert len(ledger.due(db, again, now=now)) == 3
    assert post.counts(db, mailing) == {"queued": 3}


@pytest.mark.only("sqlite")
def test_this_machine_can_tell_its_own_boot(db: Database) -> None:
    if not LINUX_BOOT.exists() and sys.platform != "darwin":
        assert db.boot == "", "so that every commit is synced instead"
    else:
        assert db.boot


def test_uncertain_letters_are_never_due_again(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
    post.settle(db, lease, letters, UNCERTAIN, now=now)
    ledger.release(db, lease, worker="anna", now=now)

    again = ledger.take(db, "issue", worker="anna", hold=post.HOLD, now=now + HOUR)

    assert again is None
    assert post.counts(db, mailing) == {"uncertain": 1}


def test_a_slow_sender_may_still_bring_the_answer_to_an_uncertain_letter(
    db: Database, now: int
) -> None:
    mailing = post.mail(db, 1, now=now)
    lease = post.take(db, now=now, worker="anna")
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now, worker="anna")
    post.take(db, now=now + post.HOLD, worker="boris")

    post.settle(db, lease, letters, SENT, now=now + post.HOLD)

    assert post.counts(db, mailing) == {"sent": 1}


def test_a_late_try_again_does_not_bring_an_uncertain_letter_back(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    lease = post.take(db, now=now, worker="anna")
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now, worker="anna")
    other = post.take(db, now=now + post.HOLD, worker="boris")
    ledger.release(db, other, worker="boris", now=now + post.HOLD)

    post.settle(db, lease, letters, DEFERRED, now=now + post.HOLD)

    assert post.counts(db, mailing) == {"uncertain": 1}


def test_a_letter_withdrawn_between_taking_and_handing_over_is_not_sent(
    db: Database, now: int
) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    letters = ledger.due(db, lease, now=now)

    with db.write() as tx:
        mailings.withdraw(tx, "reader1@example.org", why="unsubscribed", now=now)

    assert [one.id for one in post.hand_over(db, lease, letters, now=now)] == [letters[1].id]
    assert post.counts(db, mailing) == {"sending": 1, "withdrawn": 1}


def test_a_mailing_is_finished_when_its_last_stretch_is_given_back(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
    post.settle(db, lease, letters, SENT, now=now)
    unfinished = post.look(db, mailing).finished_at

    ledger.release(db, lease, worker="anna", now=now)

    assert unfinished is None
    assert post.look(db, mailing).finished_at == now


def test_a_sender_that_was_seen_lately_is_attending(db: Database, now: int) -> None:
    ledger.sign_in(db, "anna", now=now)

    assert ledger.is_attended(db, now=now + 5 * SECOND)
    assert not ledger.is_attended(db, now=now + 20 * SECOND)


def test_a_sender_that_signed_out_is_not_attending(db: Database, now: int) -> None:
    ledger.sign_in(db, "anna", now=now)

    ledger.sign_out(db, "anna", now=now)

    assert not ledger.is_attended(db, now=now)


def test_a_letter_marked_by_a_commit_we_know_nothing_of_may_still_be_sent(
    db: Database, now: int
) -> None:
    post.mail(db, 3, now=now)
    lease = post.take(db, now=now)
    letters = ledger.due(db, lease, now=now)
    post.hand_over(db, lease, letters[:2], now=now)

    with db.write(durable=True) as tx:
        granted = ledger.hand_over(
            tx, lease, letters, worker="anna", in_doubt={letters[0].id}, now=now
        )

    assert granted == [letters[0], letters[2]]
