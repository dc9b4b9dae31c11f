"""The sender at work, in this process, against a relay that misbehaves on purpose."""

import asyncio
import dataclasses
from collections import Counter

import pytest

from connector import clock
from connector.clock import HOUR
from connector.database import Database
from connector.delivery import address, ledger, mailings, store, worker
from connector.delivery.mailing import Delivery
from connector.settings import Settings
from tests.delivery import post
from tests.fakes.smtp import HANG_UP, SILENCE, TAKE_AND_HANG_UP, FakeRelay


@pytest.fixture
def fake() -> FakeRelay:
    return FakeRelay()


def relayed(configured: Settings, fake: FakeRelay, **values: object) -> Settings:
    """Settings that lead to the fake relay."""
    mail = dataclasses.replace(
        configured.mail,
        host="127.0.0.1",
        port=fake.relay().port,
        security="none",
        **values,  # type: ignore[arg-type]
    )
    return dataclasses.replace(configured, mail=mail)


def send(db: Database, configured: Settings, fake: FakeRelay, **values: object) -> None:
    """Run a sender until nothing is left to send now."""

    async def run() -> None:
        async with fake:
            await asyncio.wait_for(
                worker.run(
                    db, relayed(configured, fake, **values), stop=asyncio.Event(), until_done=True
                ),
                60,
            )

    asyncio.run(run())


def let_an_hour_pass(db: Database) -> None:
    """What was to be tried again later is due now."""
    with db.write() as tx:
        tx.run("UPDATE deliveries SET due_at = due_at - :hour WHERE state = 'queued'", hour=HOUR)
        tx.run("UPDATE leases SET due_at = due_at - :hour", hour=HOUR)


def test_everybody_gets_the_letter_once(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 120, now=clock.now())

    send(db, configured, fake)

    assert post.counts(db, mailing) == {"sent": 120}
    assert Counter(fake.recipients) == {f"reader{n}@example.org": 1 for n in range(1, 121)}
    assert post.look(db, mailing).finished_at is not None


def test_a_second_run_sends_nothing(db: Database, configured: Settings, fake: FakeRelay) -> None:
    post.mail(db, 5, now=clock.now())
    send(db, configured, fake)

    send(db, configured, fake)

    assert len(fake.received) == 5


def test_451_twice_and_then_yes_arrives_once(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 3, now=clock.now())
    fake.answer("RCPT", "451 4.7.1 Greylisted", to="reader2@example.org", times=2)

    for _ in range(3):
        send(db, configured, fake)
        let_an_hour_pass(db)

    assert post.counts(db, mailing) == {"sent": 3}
    assert Counter(fake.recipients)["reader2@example.org"] == 1


def test_a_refusal_disturbs_nobody_else(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 40, now=clock.now())
    for number in (3, 17, 18):
        fake.answer("RCPT", "550 5.1.1 No such user", to=f"reader{number}@example.org")

    send(db, configured, fake)

    assert post.counts(db, mailing) == {"sent": 37, "refused": 3}
    with db.read() as connection:
        assert mailings.suppression(connection, "reader17@example.org") is not None


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_421_at_any_moment_loses_nobody(
    db: Database, configured: Settings, fake: FakeRelay, step: str
) -> None:
    mailing = post.mail(db, 6, now=clock.now())
    fake.answer(step, "421 4.3.2 Shutting down", times=1)  # type: ignore[arg-type]

    for _ in range(3):
        send(db, configured, fake, connections=1)
        let_an_hour_pass(db)

    assert post.counts(db, mailing) == {"sent": 6}
    assert max(Counter(fake.recipients).values()) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_line_cut_before_the_content_loses_nobody(
    db: Database, configured: Settings, fake: FakeRelay, step: str
) -> None:
    mailing = post.mail(db, 6, now=clock.now())
    fake.answer(step, HANG_UP, times=1)  # type: ignore[arg-type]

    for _ in range(3):
        send(db, configured, fake, connections=1)
        let_an_hour_pass(db)

    assert post.counts(db, mailing) == {"sent": 6}
    assert max(Counter(fake.recipients).values()) == 1


@pytest.mark.parametrize("answer", [HANG_UP, TAKE_AND_HANG_UP])
def test_a_line_cut_after_the_dot_leaves_one_letter_uncertain(
    db: Database, configured: Settings, fake: FakeRelay, answer: str
) -> None:
    mailing = post.mail(db, 6, now=clock.now())
    fake.answer("CONTENT", answer, to="reader4@example.org", times=1)

    for _ in range(3):
        send(db, configured, fake, connections=1)
        let_an_hour_pass(db)

    assert post.counts(db, mailing) == {"sent": 5, "uncertain": 1}
    assert max(Counter(fake.recipients).values()) == 1


def test_a_letter_that_makes_the_relay_hang_up_does_not_hold_the_others_up(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 6, now=clock.now())
    fake.answer("RCPT", HANG_UP, to="reader2@example.org")

    send(db, configured, fake, connections=1)

    assert post.counts(db, mailing) == {"sent": 5, "queued": 1}


def test_a_relay_that_is_away_costs_no_attempt_and_is_named(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 3, now=clock.now())
    gone = relayed(configured, fake)
    gone = dataclasses.replace(gone, mail=dataclasses.replace(gone.mail, port=1))

    async def run() -> None:
        stop = asyncio.Event()

        def watch(_now: int) -> None:
            with db.read() as connection:
                if store.relay(connection, ledger.relay_name(gone)):
                    stop.set()

        await asyncio.wait_for(worker.run(db, gone, stop=stop, chores=[watch]), 60)

    asyncio.run(run())

    assert post.counts(db, mailing) == {"queued": 3}
    with db.read() as connection:
        relay = store.relay(connection, ledger.relay_name(gone))
        attempts = connection.value("SELECT sum(attempts) FROM deliveries")
    assert attempts == 0
    assert relay is not None
    assert "does not answer" in relay.why


def test_a_relay_that_comes_back_is_forgiven(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 3, now=clock.now())
    fake.answer("GREETING", "421 4.3.2 Not now", times=1)

    send(db, configured, fake, connections=1)

    assert post.counts(db, mailing) == {"sent": 3}
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM relays") == 0


def test_a_notice_overtakes_an_issue(db: Database, configured: Settings, fake: FakeRelay) -> None:
    post.mail(db, 300, now=clock.now())
    with db.write() as tx:
        to = address.parse("ada@example.org")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=clock.now())

    send(db, configured, fake, connections=1)

    assert fake.recipients.index("ada@example.org") < 30


def test_somebody_who_leaves_during_the_mailing_gets_nothing(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 300, now=clock.now())
    with db.write() as tx:
        mailings.withdraw(tx, "reader300@example.org", why="unsubscribed", now=clock.now())

    send(db, configured, fake)

    assert "reader300@example.org" not in fake.recipients
    assert post.counts(db, mailing) == {"sent": 299, "withdrawn": 1}


def test_every_attempt_has_the_same_message_id(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    post.mail(db, 1, now=clock.now())
    fake.answer("CONTENT", TAKE_AND_HANG_UP, times=1)
    send(db, configured, fake)
    with db.write() as tx:  # the author decides to send it again
        tx.run("UPDATE deliveries SET state = 'queued'")
        tx.run("UPDATE leases SET due_at = 0")

    send(db, configured, fake)

    first, second = fake.received
    assert first.wire == second.wire


def test_stopping_finishes_what_is_under_way_and_gives_the_rest_back(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 800, now=clock.now())

    async def run() -> None:
        async with fake:
            stop = asyncio.Event()
            sender = asyncio.create_task(worker.run(db, relayed(configured, fake), stop=stop))
            while len(fake.received) < 50:
                await asyncio.sleep(0)
            stop.set()
            await asyncio.wait_for(sender, 30)

    asyncio.run(run())

    counts = post.counts(db, mailing)
    assert set(counts) == {"sent", "queued"}
    assert counts["sent"] == len(fake.received) < 800
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM leases WHERE held_by <> ''") == 0


def test_three_senders_on_one_database_share_the_work(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 1_800, now=clock.now())

    async def run() -> None:
        async with fake:
            here = relayed(configured, fake)
            await asyncio.gather(
                *(worker.run(db, here, stop=asyncio.Event(), until_done=True) for _ in range(3))
            )

    asyncio.run(run())

    assert post.counts(db, mailing) == {"sent": 1_800}
    assert max(Counter(fake.recipients).values()) == 1


def test_a_paused_mailing_stops_within_a_window(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 800, now=clock.now())

    async def run() -> None:
        async with fake:
            stop = asyncio.Event()
            sender = asyncio.create_task(worker.run(db, relayed(configured, fake), stop=stop))
            while len(fake.received) < 50:
                await asyncio.sleep(0)
            mailings.pause(db, mailing, why="a mistake", now=clock.now())
            paused_at = len(fake.received)
            while ledger.is_open(db, now=clock.now()):
                await asyncio.sleep(0.01)
            assert len(fake.received) <= paused_at + 5 * worker.WINDOW
            stop.set()
            await sender

    asyncio.run(run())

    assert sum(post.counts(db, mailing).values()) == 800


def test_a_silent_relay_does_not_keep_the_others_waiting_for_the_lease(
    db: Database, configured: Settings, fake: FakeRelay
) -> None:
    mailing = post.mail(db, 40, now=clock.now())
    fake.answer("RCPT", SILENCE, to="reader5@example.org")

    async def run() -> None:
        async with fake:
            stop = asyncio.Event()
            sender = asyncio.create_task(worker.run(db, relayed(configured, fake), stop=stop))
            while len(fake.received) < 36:
                await asyncio.sleep(0.01)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 30))

    counts = post.counts(db, mailing)
    assert counts["sent"] + counts.get("uncertain", 0) >= 36
    assert sum(counts.values()) == 40


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
    db: Database,
    configured: Settings,
    monkeypatch: pytest.MonkeyPatch,
    offers: tuple[str, ...],
) -> None:
    fake = FakeRelay(offers=offers)
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.2)
    mailing = post.mail(db, 5, now=clock.now())
    fake.answer("CONTENT", SILENCE, to="reader3@example.org")

    async def run() -> None:
        async with fake:
            stop = asyncio.Event()
            here = relayed(configured, fake, connections=1)
            sender = asyncio.create_task(worker.run(db, here, stop=stop))
            while len(fake.received) < 2:
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.wait_for(sender, 10)

    asyncio.run(run())

    assert post.counts(db, mailing) == {"sent": 2, "uncertain": 1, "queued": 2}
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM relays") == 0, "we hung up, not the relay"


def test_a_connection_with_nothing_to_send_hangs_up(
    db: Database, configured: Settings, fake: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.1)
    post.mail(db, 1, now=clock.now())

    async def run() -> None:
        async with fake:
            stop = asyncio.Event()
            here = relayed(configured, fake, connections=1)
            sender = asyncio.create_task(worker.run(db, here, stop=stop))
            while "QUIT" not in fake.commands:
                await asyncio.sleep(0.01)
            assert not sender.done()
            stop.set()
            await sender

    asyncio.run(asyncio.wait_for(run(), 30))

    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM relays") == 0
