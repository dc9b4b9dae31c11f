"""What people do with mailings."""

import pytest

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.delivery import address, ledger, mailings, store
from connector.delivery.mailing import LEASE_SIZE
from connector.delivery.outcome import Outcome
from connector.errors import NotFound, Refused
from tests.delivery import post

SENT = Outcome("sent", "250 2.0.0 Ok", 250, "2.0.0", "content")


def test_announcing_twice_makes_one_mailing(db: Database, now: int) -> None:
    post.mail(db, 3, now=now)

    with db.write() as tx:
        again = mailings.announce(
            tx, {"everyone": post.LETTER}, about="bench", once="issue:bench", starts_at=now, now=now
        )

    assert again is None


def test_a_freeze_queues_one_letter_for_each_person(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)

    assert post.counts(db, mailing) == {"queued": 3}
    assert post.look(db, mailing).size == 3


def test_a_freeze_happens_once(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)

    with pytest.raises(Refused), db.write() as tx:
        mailings.freeze(tx, mailing, audience=post.people(3), values={}, now=now)

    assert post.counts(db, mailing) == {"queued": 3}


def test_a_freeze_leaves_suppressed_addresses_out_and_counts_them(db: Database, now: int) -> None:
    with db.write() as tx:
        mailings.suppress(tx, "reader2@example.org", why="bounced", detail="550 5.1.1", now=now)
        mailing = mailings.announce(
            tx, {"everyone": post.LETTER}, about="b", once="issue:b", starts_at=now, now=now
        )
        assert mailing is not None
        frozen = mailings.freeze(tx, mailing, audience=post.people(3), values={}, now=now)

    assert (frozen.queued, frozen.suppressed) == (2, 1)


def test_a_mailing_to_nobody_is_finished_at_once(db: Database, now: int) -> None:
    mailing = post.mail(db, 0, now=now)

    assert post.look(db, mailing).finished_at == now


def test_a_large_mailing_is_cut_into_stretches_that_cover_everybody(db: Database, now: int) -> None:
    count = 2 * LEASE_SIZE + 7
    post.mail(db, count, now=now)

    leases = [post.take(db, now=now) for _ in range(3)]

    assert sum(len(ledger.due(db, lease, now=now)) for lease in leases) == count
    assert ledger.take(db, "issue", worker="anna", hold=post.HOLD, now=now) is None


def test_a_notice_has_its_own_lane(db: Database, now: int) -> None:
    post.mail(db, 3, now=now)
    with db.write() as tx:
        to = address.parse("Ada@example.org")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=now)

    lease = ledger.take(db, "notice", worker="anna", hold=post.HOLD, now=now)

    assert lease is not None
    assert [letter.address for letter in ledger.due(db, lease, now=now)] == ["Ada@example.org"]


def test_pausing_keeps_letters_from_being_taken(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)

    mailings.pause(db, mailing, why="a mistake in line 3", now=now)

    assert ledger.take(db, "issue", worker="anna", hold=post.HOLD, now=now) is None
    assert post.look(db, mailing).why == "a mistake in line 3"


def test_pausing_stops_letters_a_sender_already_holds(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    lease = post.take(db, now=now)
    letters = ledger.due(db, lease, now=now)

    mailings.pause(db, mailing, why="stop", now=now)

    assert post.hand_over(db, lease, letters, now=now) == []
    assert post.counts(db, mailing) == {"queued": 3}


def test_pausing_twice_is_refused(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    mailings.pause(db, mailing, why="stop", now=now)

    with pytest.raises(Refused, match="it is paused"):
        mailings.pause(db, mailing, why="stop", now=now)


def test_a_mailing_nobody_knows_cannot_be_paused(db: Database, now: int) -> None:
    with pytest.raises(NotFound, match="no mailing 7"):
        mailings.pause(db, 7, why="stop", now=now)


def test_resuming_lets_letters_go_and_does_not_count_the_pause(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    before = post.look(db, mailing).expires_at
    mailings.pause(db, mailing, why="stop", now=now)

    mailings.resume(db, mailing, now=now + 3 * DAY)

    assert post.look(db, mailing).expires_at == before + 3 * DAY
    assert len(ledger.due(db, post.take(db, now=now + 3 * DAY), now=now + 3 * DAY)) == 3


def test_resuming_what_is_not_paused_is_refused(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)

    with pytest.raises(Refused, match="it is sending"):
        mailings.resume(db, mailing, now=now)


def test_cancelling_withdraws_what_has_not_left(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    lease = post.take(db, now=now)
    first, *_ = ledger.due(db, lease, now=now)
    post.hand_over(db, lease, [first], now=now)
    post.settle(db, lease, [first], SENT, now=now)

    withdrawn = mailings.cancel(db, mailing, now=now)

    assert withdrawn == 2
    assert post.counts(db, mailing) == {"sent": 1, "withdrawn": 2}


def test_cancelling_twice_is_refused(db: Database, now: int) -> None:
    mailing = post.mail(db, 3, now=now)
    mailings.cancel(db, mailing, now=now)

    with pytest.raises(Refused, match="it is cancelled"):
        mailings.cancel(db, mailing, now=now)


def test_a_mailing_cancelled_before_its_time_can_be_announced_again(db: Database, now: int) -> None:
    later = now + HOUR
    with db.write() as tx:
        first = mailings.announce(
            tx, {"everyone": post.LETTER}, about="b", once="issue:b", starts_at=later, now=now
        )
    assert first is not None
    mailings.cancel(db, first, now=now)

    with db.write() as tx:
        second = mailings.announce(
            tx, {"everyone": post.LETTER}, about="b", once="issue:b", starts_at=later, now=now
        )

    assert second is not None


def test_suppressing_withdraws_queued_issues_but_not_the_notice_they_ask_for(
    db: Database, now: int
) -> None:
    mailing = post.mail(db, 2, now=now)
    with db.write() as tx:
        to = address.parse("reader1@example.org")
        notice = mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=now)

    with db.write() as tx:
        mailings.suppress(tx, "reader1@example.org", why="bounced", detail="550", now=now)

    assert post.counts(db, mailing) == {"queued": 1, "withdrawn": 1}
    assert post.counts(db, notice) == {"queued": 1}


def test_a_lifted_suppression_is_gone(db: Database, now: int) -> None:
    with db.write() as tx:
        mailings.suppress(tx, "dan@example.org", why="bounced", detail="550", now=now)

    with db.write() as tx:
        assert mailings.lift(tx, "dan@example.org")
        assert not mailings.lift(tx, "dan@example.org")

    with db.read() as connection:
        assert mailings.suppression(connection, "dan@example.org") is None


def test_forgetting_leaves_no_address_and_the_same_counts(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)

    with db.write() as tx:
        mailings.forget(tx, "reader1@example.org", now=now)

    with db.read() as connection:
        assert store.deliveries_to(connection, "reader1@example.org") == []
    assert post.counts(db, mailing) == {"queued": 1, "withdrawn": 1}
