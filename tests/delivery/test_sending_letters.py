"""The sender at work, in this process; what it does when things go wrong is in test_faults.py."""

import pytest

from connector import clock
from connector.database import Database
from connector.delivery import address, ledger, mailings, store, worker
from connector.delivery.mailing import Delivery, Relay
from tests.delivery import post
from tests.delivery.sending import Office, until
from tests.fakes.smtp import SILENCE


def test_everybody_gets_the_letter_once(office: Office) -> None:
    mailing = post.mail(office.db, 120, now=clock.now())

    office.send()

    assert post.counts(office.db, mailing) == {"sent": 120}
    assert sorted(office.fake.recipients) == sorted(f"reader{n}@example.org" for n in range(1, 121))
    assert post.look(office.db, mailing).finished_at is not None


def test_a_second_run_sends_nothing(office: Office) -> None:
    post.mail(office.db, 5, now=clock.now())
    office.send()

    office.send()

    assert len(office.fake.received) == 5


def test_a_relay_that_is_away_is_named_with_its_trouble(office: Office) -> None:
    mailing = post.mail(office.db, 3, now=clock.now())
    name = "127.0.0.1:1"

    office.send_while(lambda: until(lambda: relay(office.db, name)), port=1)

    found = relay(office.db, name)
    assert found is not None
    assert "does not answer" in found.why
    assert post.counts(office.db, mailing) == {"queued": 3}


def test_a_relay_that_comes_back_is_forgiven(office: Office) -> None:
    mailing = post.mail(office.db, 3, now=clock.now())
    office.fake.answer("GREETING", "421 4.3.2 Not now", times=1)

    office.send(connections=1)

    assert post.counts(office.db, mailing) == {"sent": 3}
    assert not is_any_relay_blamed(office.db)


def test_a_notice_overtakes_an_issue(office: Office) -> None:
    post.mail(office.db, 300, now=clock.now())
    with office.db.write() as tx:
        to = address.parse("ada@example.org")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=clock.now())

    office.send(connections=1)

    assert office.fake.recipients.index("ada@example.org") < 30


def test_somebody_who_leaves_during_the_mailing_gets_nothing(office: Office) -> None:
    mailing = post.mail(office.db, 300, now=clock.now())
    with office.db.write() as tx:
        mailings.withdraw(tx, "reader300@example.org", why="unsubscribed", now=clock.now())

    office.send()

    assert "reader300@example.org" not in office.fake.recipients
    assert post.counts(office.db, mailing) == {"sent": 299, "withdrawn": 1}


def test_stopping_finishes_what_is_under_way_and_gives_the_rest_back(office: Office) -> None:
    mailing = post.mail(office.db, 800, now=clock.now())

    office.send_while(lambda: until(lambda: len(office.fake.received) >= 50))

    counts = post.counts(office.db, mailing)
    assert set(counts) == {"sent", "queued"}
    assert counts["sent"] == len(office.fake.received) < 800
    with office.db.read() as connection:
        assert connection.value("SELECT count(*) FROM leases WHERE held_by <> ''") == 0


def test_three_senders_on_one_database_share_the_work(office: Office) -> None:
    mailing = post.mail(office.db, 1_800, now=clock.now())

    office.send(senders=3)

    assert post.counts(office.db, mailing) == {"sent": 1_800}


def test_a_paused_mailing_stops_within_a_window(office: Office) -> None:
    mailing = post.mail(office.db, 800, now=clock.now())
    fake = office.fake

    async def watch() -> None:
        await until(lambda: len(fake.received) >= 50)
        mailings.pause(office.db, mailing, why="a mistake", now=clock.now())
        paused_at = len(fake.received)
        await until(lambda: not ledger.is_open(office.db, now=clock.now()))
        assert len(fake.received) <= paused_at + 5 * worker.WINDOW

    office.send_while(watch)

    assert set(post.counts(office.db, mailing)) == {"sent", "queued"}


def test_the_rows_a_sender_reads_are_what_it_needs(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)

    (letter,) = ledger.due(db, post.take(db, now=now), now=now)

    assert letter == Delivery(
        id=letter.id,
        letter_id=letter.letter_id,
        recipient=1,
        address="reader1@example.org",
        name="Reader 1",
        attempts=0,
    )


@pytest.mark.parametrize("offers", [("PIPELINING",), ()])
def test_a_silent_relay_does_not_keep_a_sender_from_stopping(
    office: Office, offers: tuple[str, ...]
) -> None:
    office.fake.offers = offers
    mailing = post.mail(office.db, 5, now=clock.now())
    office.fake.answer("CONTENT", SILENCE, to="reader3@example.org")

    async def watch() -> None:
        await until(lambda: len(office.fake.received) >= 2)
        told.append(office.clock.now())

    told: list[int] = []
    office.send_while(watch, connections=1)

    assert office.clock.now() - told[0] < 10 * clock.SECOND, "Docker waits no longer"
    assert post.counts(office.db, mailing) == {"sent": 2, "uncertain": 1, "queued": 2}
    assert not is_any_relay_blamed(office.db), "we hung up, not the relay"


def test_a_connection_with_nothing_to_send_hangs_up(office: Office) -> None:
    post.mail(office.db, 1, now=clock.now())

    async def watch() -> None:
        await until(lambda: "QUIT" in office.fake.commands, seconds=60)

    office.send_while(watch, connections=1)

    assert not is_any_relay_blamed(office.db)


def relay(db: Database, name: str) -> Relay | None:
    with db.read() as connection:
        return store.relay(connection, name)


def is_any_relay_blamed(db: Database) -> bool:
    with db.read() as connection:
        return bool(connection.value("SELECT count(*) FROM relays"))
