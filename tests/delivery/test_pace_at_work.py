"""Limits, several relays and providers that want less, with real senders: nobody waits for another.

Only the waiting is left out; `Received.at` is when a relay got a letter. What each part decides
by itself is in test_pace.py, test_relays_by_turns.py and test_routes.py.
"""

import asyncio
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from connector import clock
from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.delivery import address, ledger, mailings, pace, store
from tests.delivery import post
from tests.delivery.sending import Office, until
from tests.fakes.smtp import SILENCE, FakeRelay, Step

RATE_LIMITED = "450 4.7.28 An unusual rate of mail; you are rate limited"
OUTSET = 2 * SECOND  # what leaves at once has left by then, on a busy machine too


@pytest.fixture
def other() -> FakeRelay:
    """A second relay."""
    return FakeRelay()


def paced(office: Office, **limits: Any) -> Office:
    """The same office, with limits."""
    wanted = dataclasses.replace(office.configured.pace, **limits)
    return dataclasses.replace(
        office, configured=dataclasses.replace(office.configured, pace=wanted)
    )


def joined(office: Office, other: FakeRelay, **values: Any) -> Office:
    """The same office, with a second relay."""
    return dataclasses.replace(office, further={"second": (other, values)})


def mail(
    db: Database, *, gmail: int = 0, others: int = 0, spread: int = 0, once: str = "issue:bench"
) -> int:
    """A mailing to so many people at Gmail, and behind them so many elsewhere; its id."""
    now = clock.now()
    audience = f"""
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {gmail + others}),
        named (i, address) AS (
            SELECT i, 'reader' || i || CASE WHEN i <= {gmail} THEN '@gmail.com'
                                            ELSE '@example.org' END FROM n)
        SELECT i AS recipient, address, address AS address_key, 'Reader ' || i AS name,
               'everyone' AS audience
          FROM named
    """
    with db.write() as tx:
        mailing = mailings.announce(
            tx,
            {"everyone": post.LETTER},
            about="bench",
            once=once,
            starts_at=now,
            spread=spread,
            now=now,
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=audience, values={}, now=now)
    return mailing


def notify(db: Database, to: str) -> int:
    """A notice to somebody; when it was queued."""
    now = clock.now()
    with db.write() as tx:
        mailings.notify(
            tx, post.LETTER, to=address.parse(to), recipient=None, about="confirm", now=now
        )
    return now


def arrivals(*fakes: FakeRelay, at: str = "", to: str = "") -> list[int]:
    """When letters came, those to one domain, or to one address."""
    return sorted(
        letter.at
        for fake in fakes
        for letter in fake.received
        if letter.recipient.endswith(f"@{at}" if at else to)
    )


def most_within(span: int, times: Sequence[int]) -> int:
    """The most letters that came in any `span` milliseconds."""
    return max(sum(start <= time < start + span for time in times) for start in times)


def attempts(db: Database) -> Mapping[int, int]:
    """How many letters had so many attempts."""
    with db.read() as connection:
        return Counter(row[0] for row in connection.rows("SELECT attempts FROM deliveries"))


async def finished(office: Office, mailing: int, *, minutes: float = 30) -> None:
    """Wait until nothing of a mailing is left to send; so long at most."""
    async with asyncio.timeout(minutes * MINUTE / SECOND):
        while not post.look(office.db, mailing).finished_at:
            await asyncio.sleep(0.5)


# Providers that ask for less


def test_a_provider_that_wants_fewer_letters_gets_fewer_and_nobody_else_does(
    office: Office,
) -> None:
    mailing = mail(office.db, gmail=300, others=300)
    taken: list[int] = []
    deferred: list[int] = []

    def mood(step: Step, to: str) -> str:
        """It stands 100 letters a minute."""
        if step != "RCPT" or not to.endswith("@gmail.com"):
            return ""
        now = clock.now()
        is_full = sum(at > now - MINUTE for at in taken) >= 100
        (deferred if is_full else taken).append(now)
        return RATE_LIMITED if is_full else ""

    office.fake.mood = mood
    began = clock.now()
    slowed: list[pace.Limit] = []

    async def watch() -> None:
        await asyncio.sleep(5)
        slowed.extend(limits(office))
        await finished(office, mailing)

    office.send_while(watch)

    assert post.counts(office.db, mailing) == {"sent": 600}
    assert arrivals(office.fake, at="example.org")[-1] < began + OUTSET
    assert [(limit.name, limit.rate) for limit in slowed] == [("to:google", 60)]
    assert clock.now() - began < 10 * MINUTE, "it became faster again"
    assert len(deferred) < 100, "only what was on its way asked in vain"
    assert max(attempts(office.db)) <= 4


def test_a_provider_that_is_content_again_is_not_held_back_for_long(office: Office) -> None:
    mail(office.db, gmail=1)
    office.fake.answer("RCPT", RATE_LIMITED, times=1)
    rates: list[int] = []

    async def watch() -> None:
        for _ in range(9):
            await asyncio.sleep(59)
            rates.extend(limit.rate for limit in limits(office))
            await asyncio.sleep(1)
        second = mail(office.db, gmail=300, once="issue:second")
        began = clock.now()
        await finished(office, second)
        assert arrivals(office.fake, at="gmail.com")[-1] < began + OUTSET

    office.send_while(watch)

    assert rates == [60, 120, 240, 480, 960, 1_920, 3_840]


# Limits for providers


def test_a_throttled_mailing_delays_neither_another_nor_a_notice(office: Office) -> None:
    limited = paced(office, domains=(("google", 60),))
    first = mail(office.db, gmail=200, others=100)
    began = clock.now()
    later: list[int] = []

    async def watch() -> None:
        await asyncio.sleep(20)
        later.append(clock.now())
        mail(office.db, others=100, once="issue:second")
        notify(office.db, "ada@example.net")
        notify(office.db, "bea@gmail.com")
        await finished(office, first)

    limited.send_while(watch)

    fake, (asked,) = office.fake, later
    at_google = arrivals(fake, at="gmail.com")
    elsewhere = arrivals(fake, at="example.org")
    assert len(at_google) == 201
    assert 190 * SECOND <= at_google[-1] - began <= 210 * SECOND
    assert most_within(MINUTE, at_google) <= 62, "60, the first, and the notice"
    assert elsewhere[99] < began + OUTSET
    assert elsewhere[199] < asked + OUTSET
    assert arrivals(fake, to="ada@example.net")[0] < asked + SECOND
    assert arrivals(fake, to="bea@gmail.com")[0] < asked + SECOND
    assert attempts(office.db) == {1: 402}


def test_two_senders_and_a_restart_keep_to_one_limit(office: Office) -> None:
    limited = paced(office, domains=(("google", 300),))
    mailing = mail(office.db, gmail=700)

    limited.send_while(lambda: asyncio.sleep(50), senders=2)
    office.clock.turn(SECOND)
    limited.send_while(lambda: finished(office, mailing), senders=2)

    times = arrivals(office.fake, at="gmail.com")
    assert post.counts(office.db, mailing) == {"sent": 700}
    assert most_within(MINUTE, times) <= 305
    assert times[-1] - times[0] <= 3 * MINUTE


def test_hundreds_of_stretches_that_wait_hold_up_nobody(office: Office) -> None:
    limited = paced(office, domains=(("google", 60),))
    mail(office.db, gmail=400, spread=4_000 * SECOND)
    office.clock.turn(2 * HOUR)  # all of it is due by now
    with office.db.read() as connection:
        stretches = connection.value("SELECT count(*) FROM leases")
    latest: dict[str, int] = {}

    async def watch() -> None:
        for second in range(10):
            await asyncio.sleep(0.1 if second == 0 else 1)
            once = f"issue:second:{second}"
            other = mail(office.db, others=5, once=once)
            began = notify(office.db, f"ada{second}@example.net")
            await until(lambda: post.look(office.db, other).finished_at, seconds=60)  # noqa: B023
            latest["issue"] = max(latest.get("issue", 0), clock.now() - began)
            (told,) = arrivals(office.fake, to=f"ada{second}@example.net")
            latest["notice"] = max(latest.get("notice", 0), told - began)

    limited.send_while(watch)

    assert stretches >= 200
    assert latest["notice"] < SECOND
    assert latest["issue"] < 2 * OUTSET


# Limits of relays


@pytest.mark.parametrize("senders", [1, 2])
def test_all_senders_together_keep_the_rate_of_a_relay(office: Office, senders: int) -> None:
    limited = paced(office, rate=120)
    mailing = mail(office.db, others=240)
    asked: list[int] = []

    async def watch() -> None:
        await asyncio.sleep(30)
        asked.append(notify(office.db, "ada@example.net"))
        await finished(office, mailing)

    limited.send_while(watch, senders=senders)

    times = arrivals(office.fake)
    assert post.counts(office.db, mailing) == {"sent": 240}
    assert most_within(MINUTE, times) <= 123
    assert 115 * SECOND <= times[-1] - times[0] <= 135 * SECOND
    assert arrivals(office.fake, to="ada@example.net")[0] < asked[0] + SECOND
    assert attempts(office.db) == {1: 241}


# Several relays


def test_relays_share_letters_by_weight(office: Office, other: FakeRelay) -> None:
    shared = joined(office, other)
    mailing = mail(office.db, others=800)

    shared.send(weight=3)

    assert post.counts(office.db, mailing) == {"sent": 800}
    assert 580 <= len(office.fake.received) <= 620


def test_a_trace_says_through_which_relay_a_letter_went(office: Office, other: FakeRelay) -> None:
    mail(office.db, others=40)
    other.answer("CONTENT", "550 5.7.1 Not this one", to="reader1@example.org")
    office.fake.answer("CONTENT", "550 5.7.1 Not this one", to="reader1@example.org")

    joined(office, other).send()

    name = f"127.0.0.1:{office.fake.relay().port}"
    with office.db.read() as connection:
        said = {
            f"reader{number}@example.org": store.records_to(
                connection, f"reader{number}@example.org"
            )[0].reply
            for number in range(1, 41)
        }
    assert all(said[to].endswith(f"[{name}]") for to in office.fake.recipients)
    assert all(said[to].endswith("[second]") for to in other.recipients)
    assert said["reader1@example.org"].endswith((f"[{name}]", "[second]"))
    assert len(other.received) > 10


def test_one_that_stands_by_takes_over_and_gives_back(office: Office, other: FakeRelay) -> None:
    shared = joined(paced(office, rate=600), other, weight=0)
    mailing = mail(office.db, others=600)
    marks: list[int] = []

    async def watch() -> None:
        await asyncio.sleep(10)
        marks.append(len(other.received))
        async with office.fake.away():
            await asyncio.sleep(10)
            marks.append(len(other.received))
        await asyncio.sleep(20)
        marks.append(len(other.received))
        await finished(office, mailing)

    shared.send_while(watch)

    counts = post.counts(office.db, mailing)
    assert counts.pop("uncertain", 0) <= 4, "what was on a line when it was cut"
    assert set(counts) == {"sent"}
    before, during, _ = marks
    assert before == 0
    assert 60 <= during <= 110
    assert len(other.received) < during + 170, "the first had its share back within seconds"
    assert len(office.fake.received) > 300


def test_a_relay_that_is_away_costs_no_letter_an_attempt(office: Office, other: FakeRelay) -> None:
    shared = joined(office, other, weight=3)
    mailing = mail(office.db, others=1_000)

    async def watch() -> None:
        async with office.fake.away():
            await finished(office, mailing)

    began = clock.now()
    shared.send_while(watch, senders=2)

    assert len(other.received) == 1_000
    assert attempts(office.db) == {1: 1_000}
    assert arrivals(other)[-1] < began + 10 * SECOND


def test_a_silent_relay_keeps_no_letter_from_the_others(office: Office, other: FakeRelay) -> None:
    shared = joined(office, other)
    mailing = mail(office.db, others=600)
    office.fake.answer("GREETING", SILENCE)
    told: list[int] = []

    async def watch() -> None:
        await asyncio.sleep(90)
        for number in range(5):
            told.append(notify(office.db, f"ada{number}@example.net"))
            await asyncio.sleep(25)
        await finished(office, mailing)

    began = clock.now()
    shared.send_while(watch)

    assert attempts(office.db) == {1: 605}
    assert len(arrivals(other, at="example.org")) == 600
    assert arrivals(other)[560] < began + 20 * SECOND
    notices = [arrivals(other, to=f"ada{number}@example.net")[0] for number in range(5)]
    assert max(at - asked for at, asked in zip(notices, told, strict=True)) < SECOND


def test_with_every_relay_away_all_are_named_and_nothing_is_lost(
    office: Office, other: FakeRelay
) -> None:
    shared = joined(office, other)
    mailing = mail(office.db, others=100)
    named: set[str] = set()

    async def watch() -> None:
        async with office.fake.away(), other.away():
            await asyncio.sleep(5 * 60)
            named.update(ledger.broken_relays(office.db))
        await finished(office, mailing, minutes=3)

    shared.send_while(watch, senders=2)

    assert named == {"second", f"127.0.0.1:{office.fake.relay().port}"}
    assert post.counts(office.db, mailing) == {"sent": 100}
    assert attempts(office.db) == {1: 100}
    assert ledger.broken_relays(office.db) == {}


# Relays that stand few connections


@pytest.mark.parametrize("most", [1, 2])
def test_a_relay_gets_as_many_connections_as_it_stands_and_more_when_it_stands_more(
    office: Office, most: int
) -> None:
    fake = office.fake
    fake.most = most
    first = mail(office.db, others=600)
    blamed: set[str] = set()
    calls: list[int] = []

    async def watch() -> None:
        while not post.look(office.db, first).finished_at:
            blamed.update(ledger.broken_relays(office.db))
            await asyncio.sleep(0.02)
        calls.append(fake.connections)
        fake.most = 0
        await finished(office, mail(office.db, others=1_500, once="issue:second"))

    office.send_while(watch)

    assert len(fake.received) == 2_100
    assert attempts(office.db) == {1: 2_100}
    assert blamed == set()
    assert calls[0] <= 20, "it is not called again and again"
    assert fake.most_open == 4


@pytest.mark.parametrize("most", [1, 4])
def test_a_notice_finds_a_connection_where_a_mailing_has_them_all(
    office: Office, most: int
) -> None:
    fake = office.fake
    fake.most = most
    mailing = mail(office.db, others=8_000)
    told: list[int] = []

    async def watch() -> None:
        await until(lambda: len(fake.received) > 300)
        told.append(notify(office.db, "ada@example.net"))
        await until(lambda: "ada@example.net" in fake.recipients, seconds=600)
        told.append(clock.now())
        await finished(office, mailing)

    office.send_while(watch)

    assert told[1] - told[0] < SECOND
    assert fake.recipients.index("ada@example.net") < 7_900, "the mailing had not ended"
    assert attempts(office.db) == {1: 8_001}


# Relays that are away


@pytest.mark.parametrize("answer", ["421 4.3.2 Not now", SILENCE])
def test_a_dead_relay_is_tried_by_one_sender_at_a_time(office: Office, answer: str) -> None:
    fake = office.fake
    mail(office.db, others=3_000)
    notify(office.db, "ada@example.net")
    fake.answer("GREETING", answer)
    until_known = 70 * SECOND if answer == SILENCE else 2 * SECOND
    began = clock.now()

    office.send_while(lambda: asyncio.sleep(12 * 60), senders=3)

    tries = [at for at in fake.called_at if at > began + until_known]
    assert 5 <= len(tries) <= 18
    assert min(later - earlier for earlier, later in pairwise(tries)) > SECOND - 100
    assert attempts(office.db) == {0: 3_001}


# A new domain


def test_a_new_domain_sends_so_many_a_day_and_gives_nobody_up(office: Office) -> None:
    noon = dt.datetime.now(dt.UTC).replace(hour=12, minute=0) + dt.timedelta(1)
    office.clock.turn(clock.milliseconds(noon) - clock.now())
    new = paced(office, warmup=f"{noon:%Y-%m-%d}")
    notify(office.db, "first@example.net")
    mailing = mail(office.db, others=1_000)
    days: list[int] = []
    told: list[int] = []

    async def watch() -> None:
        for day in range(4):
            await asyncio.sleep(5)
            days.append(len(arrivals(office.fake, at="example.org")))
            told.append(notify(office.db, f"ada{day}@example.net"))
            await asyncio.sleep(5)
            office.clock.turn(DAY)

    new.send_while(watch)

    assert days == [199, 699, 1_000, 1_000], "the first notice counts"
    assert post.counts(office.db, mailing) == {"sent": 1_000}
    assert attempts(office.db) == {1: 1_005}
    for day, asked in enumerate(told):
        assert arrivals(office.fake, to=f"ada{day}@example.net")[0] < asked + SECOND


# Over a time


@pytest.mark.parametrize("people", [3, 60])
def test_a_mailing_over_a_time_leaves_evenly(office: Office, people: int) -> None:
    began = clock.now()
    mailing = mail(office.db, others=people, spread=10 * MINUTE)

    office.send_while(lambda: finished(office, mailing), senders=2)

    times = arrivals(office.fake)
    step = 10 * MINUTE // people
    assert len(times) == people
    for number, at in enumerate(times):
        assert 0 <= at - began - number * step < OUTSET


def limits(office: Office) -> list[pace.Limit]:
    with office.db.read() as connection:
        return pace.limits(connection, office.configured, now=clock.now())
