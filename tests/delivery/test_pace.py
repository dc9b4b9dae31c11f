"""Letters have their turn: the limits of all senders together, and nobody waits for another's."""

import dataclasses
import multiprocessing
import random
import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from connector import clock, database
from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.delivery import address, ledger, mailings, pace, store
from connector.delivery.bucket import HORIZON
from connector.delivery.mailing import Delivery, Lease
from connector.delivery.outcome import Outcome, judge
from connector.delivery.pace import Pace, Turns
from connector.settings import RelaySettings, Settings
from tests.delivery import post

GOOGLE = "to:google"
SENT = Outcome("sent", "250 2.0.0 Ok", 250, "2.0.0", "content")
RATE_LIMITED = judge(421, "4.7.28 Gmail has detected an unusual rate of mail", stage="content")


def limited(configured: Settings, *, warmup: str = "", rate: int = 0, **domains: int) -> Settings:
    wanted = dataclasses.replace(
        configured.pace, rate=rate, domains=tuple(domains.items()), warmup=warmup
    )
    return dataclasses.replace(configured, pace=wanted)


def relayed(configured: Settings, *, rate: int) -> Settings:
    mail = dataclasses.replace(configured.mail, host="127.0.0.1", port=25, security="none")
    second = RelaySettings("second", "127.0.0.1", rate=3_000)
    return dataclasses.replace(limited(configured, rate=rate), mail=mail, further_relays=(second,))


def letters(*addresses: str) -> list[Delivery]:
    return [Delivery(number, 1, None, one, "", 0) for number, one in enumerate(addresses)]


def many(count: int, domain: str) -> list[str]:
    return [f"reader{number}@{domain}" for number in range(count)]


def lease(db: Database, *, now: int, once: str = "issue:bench") -> Lease:
    post.mail(db, 1, now=now, once=once)
    return post.take(db, now=now)


def addresses(turns: Turns) -> set[str]:
    return {letter.address for letter in [*turns.now, *(one for _, one in turns.soon)]}


def buckets(db: Database) -> list[object]:
    with db.read() as connection:
        return [row[0] for row in connection.rows("SELECT name FROM buckets ORDER BY name")]


# Letters of a stretch


def test_without_limits_everything_goes_now_and_nothing_is_written(
    db: Database, configured: Settings, now: int
) -> None:
    sender = Pace(db, configured)
    all_letters = letters(*many(3, "gmail.com"))

    sender.look(now=now)
    turns = sender.turns(lease(db, now=now), all_letters, now=now)

    assert turns == Turns(now=all_letters)
    assert buckets(db) == []


def test_a_limit_is_for_its_provider_alone(db: Database, configured: Settings, now: int) -> None:
    sender = Pace(db, limited(configured, google=60))

    turns = sender.turns(
        lease(db, now=now),
        letters(*many(20, "gmail.com"), *many(20, "example.org"), *many(20, "googlemail.com")),
        now=now,
    )

    at_google = [turn for turn, letter in turns.soon if letter.address.endswith("mail.com")]
    assert [letter.address for letter in turns.now].count("reader0@gmail.com") == 1
    assert len(turns.now) == 1 + 20
    assert at_google == [now + second * SECOND for second in range(1, 15)]
    assert turns.again_at >= now + HORIZON


def test_a_stretch_without_anybody_limited_costs_nothing(
    db: Database, configured: Settings, now: int
) -> None:
    sender = Pace(db, limited(configured, google=60))

    sender.turns(lease(db, now=now), letters(*many(3, "example.org")), now=now)

    assert buckets(db) == []


def test_the_turns_of_one_stretch_are_not_those_of_the_next(
    db: Database, configured: Settings, now: int
) -> None:
    held = lease(db, now=now)
    first, second = (Pace(db, limited(configured, google=60)) for _ in range(2))

    early = first.turns(held, letters(*many(10, "gmail.com")), now=now)
    late = second.turns(held, letters(*many(10, "gmail.com")), now=now)

    assert [turn for turn, _ in early.soon][-1] == now + 9 * SECOND
    assert [turn for turn, _ in late.soon] == [now + second * SECOND for second in range(10, 15)]


def test_turns_survive_a_restart(db: Database, configured: Settings, now: int) -> None:
    held = lease(db, now=now)
    Pace(db, limited(configured, google=60)).turns(held, letters(*many(15, "gmail.com")), now=now)

    again = database.open(configured.database)
    turns = Pace(again, limited(configured, google=60)).turns(
        held, letters("ada@gmail.com"), now=now
    )
    again.close()

    assert (turns.now, turns.soon) == ([], [])


def test_a_notice_never_waits_and_what_it_takes_is_counted(
    db: Database, configured: Settings, now: int
) -> None:
    held = lease(db, now=now)
    sender = Pace(db, limited(configured, google=60))
    sender.turns(held, letters(*many(15, "gmail.com")), now=now)
    with db.write() as tx:
        to = address.parse("ada@gmail.com")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=now)
    notice = ledger.take(db, "notice", worker="anna", hold=post.HOLD, now=now)
    assert notice is not None

    turns = sender.turns(notice, letters("ada@gmail.com"), now=now)

    assert turns.now == letters("ada@gmail.com")
    with db.read() as connection:
        assert store.bucket(connection, GOOGLE).opens_at(now=now) == now + 16 * SECOND


# What waits


def test_what_waits_comes_back_in_its_turn_and_is_not_given_up_for_it(
    db: Database, configured: Settings, now: int
) -> None:
    mailing = post.mail(db, 3, now=now)
    held = post.take(db, now=now)
    first, *_ = ledger.due(db, held, now=now)
    post.hand_over(db, held, [first], now=now)
    post.settle(db, held, [first], SENT, now=now)

    far = now + 60 * DAY
    ledger.put_off(db, held, worker="anna", again_at=far, taken_at=now, now=now)

    assert ledger.take(db, "issue", worker="ben", hold=post.HOLD, now=far - 1) is None
    assert len(ledger.due(db, post.take(db, now=far, worker="ben"), now=far)) == 2
    assert post.counts(db, mailing) == {"sent": 1, "queued": 2}
    assert post.look(db, mailing).expires_at == far + DAY


def test_a_letter_to_be_tried_again_does_not_wait_for_the_turn_of_others(
    db: Database, now: int
) -> None:
    post.mail(db, 2, now=now)
    held = post.take(db, now=now)
    first, _ = ledger.due(db, held, now=now)
    post.hand_over(db, held, [first], now=now)
    post.settle(db, held, [first], judge(451, "4.3.0 later", stage="content"), now=now)

    ledger.put_off(db, held, worker="anna", again_at=now + HOUR, taken_at=now, now=now)

    soon = now + 2 * MINUTE
    assert [one.id for one in ledger.due(db, post.take(db, now=soon), now=soon)][:1] == [first.id]


def test_a_letter_that_was_left_at_the_relay_is_looked_for_at_once(db: Database, now: int) -> None:
    mailing = post.mail(db, 2, now=now)
    held = post.take(db, now=now)
    first, _ = ledger.due(db, held, now=now)
    post.hand_over(db, held, [first], now=now)

    ledger.put_off(db, held, worker="anna", again_at=now + HOUR, taken_at=now, now=now)
    post.take(db, now=now + 1)

    assert post.counts(db, mailing) == {"uncertain": 1, "queued": 1}


def test_a_stretch_with_nothing_left_finishes_its_mailing(db: Database, now: int) -> None:
    mailing = post.mail(db, 1, now=now)
    held = post.take(db, now=now)
    every = ledger.due(db, held, now=now)
    post.hand_over(db, held, every, now=now)
    post.settle(db, held, every, SENT, now=now)

    ledger.put_off(db, held, worker="anna", again_at=now + HOUR, taken_at=now, now=now)

    assert post.look(db, mailing).finished_at == now


def test_a_stretch_somebody_else_holds_is_left_alone(db: Database, now: int) -> None:
    post.mail(db, 1, now=now)
    held = post.take(db, now=now)

    ledger.put_off(db, held, worker="mallory", again_at=now + HOUR, taken_at=now, now=now)

    with db.read() as connection:
        assert store.holds(connection, held.id, worker="anna", now=now)


def test_one_throttled_mailing_delays_no_other(
    db: Database, configured: Settings, now: int
) -> None:
    first, second = post.mail(db, 2, now=now), post.mail(db, 2, now=now, once="issue:lamps")
    held = post.take(db, now=now)
    ledger.put_off(db, held, worker="anna", again_at=now + HOUR, taken_at=now, now=now)

    assert held.mailing_id == first
    assert post.take(db, now=now).mailing_id == second


def test_a_turn_within_the_hour_is_waited_for_and_a_later_one_is_not(
    db: Database, now: int
) -> None:
    mailing = post.mail(db, 1, now=now)
    for wait, is_open in ((HOUR, True), (DAY, False)):
        held = post.take(db, now=now)
        ledger.put_off(db, held, worker="anna", again_at=now + wait, taken_at=now, now=now)
        with db.read() as connection:
            assert ledger.is_open(db, now=now + 1) is is_open
            assert store.is_moving(connection, mailing, now=now + 1) is is_open
        with db.write() as tx:
            tx.run("UPDATE leases SET due_at = :now", now=now)


def test_stretches_that_wait_come_back_spread_but_not_too_late(now: int) -> None:
    alone = {pace.again_at(now, waiting=1) for _ in range(20)}
    crowd = [pace.again_at(now, waiting=200) for _ in range(200)]

    assert alone == {now}
    assert now <= min(crowd) < max(crowd) <= now + pace.LONGEST_NAP
    assert len(set(crowd)) > 100


# What answers teach


def test_an_answer_that_asks_for_it_slows_every_sender_down(
    db: Database, configured: Settings, now: int
) -> None:
    held = lease(db, now=now)
    here, there = Pace(db, configured), Pace(db, configured)

    here.hear(RATE_LIMITED, address="ada@gmail.com", relay="relay:25", now=now)
    there.look(now=now)
    turns = there.turns(held, letters(*many(100, "gmail.com")), now=now)

    assert len(turns.now) + len(turns.soon) == 14  # 60 a minute, after a second's rest
    with db.read() as connection:
        assert pace.learned(connection, now=now) == {GOOGLE: 60}


def test_any_other_answer_costs_nothing(db: Database, configured: Settings, now: int) -> None:
    sender = Pace(db, configured)
    greylisted = judge(450, "4.7.1 Greylisted, come back later", stage="rcpt")

    for outcome in (SENT, greylisted, judge(550, "5.7.1 too many", stage="rcpt")):
        sender.hear(outcome, address="ada@gmail.com", relay="relay:25", now=now)

    assert buckets(db) == []


def test_many_answers_at_once_are_one_lesson(db: Database, configured: Settings, now: int) -> None:
    senders = [Pace(db, configured) for _ in range(3)]

    for moment in range(10):
        for sender in senders:
            sender.hear(RATE_LIMITED, address="ada@gmail.com", relay="r", now=now + moment)

    with db.read() as connection:
        assert pace.learned(connection, now=now + 10) == {GOOGLE: 60}


def test_what_was_learned_is_forgotten_after_quiet_minutes(
    db: Database, configured: Settings, now: int
) -> None:
    sender = Pace(db, configured)
    sender.hear(RATE_LIMITED, address="ada@gmail.com", relay="r", now=now)

    sender.look(now=now + HOUR)
    turns = sender.turns(lease(db, now=now), letters(*many(9, "gmail.com")), now=now + HOUR)

    assert len(turns.now) == 9
    with db.read() as connection:
        assert store.slowed_buckets(connection) == []


def test_the_relay_that_has_enough_is_slowed_down_itself(
    db: Database, configured: Settings, now: int
) -> None:
    sender = Pace(db, configured)
    enough = judge(454, "Throttling failure: Maximum sending rate exceeded.", stage="content")

    sender.hear(enough, address="ada@gmail.com", relay="ses:587", now=now)

    with db.read() as connection:
        assert pace.learned(connection, now=now) == {"through:ses:587": 60}
    assert sender.wait("ses:587", "issue", now=now) > 0
    assert sender.wait("other:587", "issue", now=now) == 0


# Through a relay


def test_a_relay_is_given_its_letters_at_its_rate(
    db: Database, configured: Settings, now: int
) -> None:
    sender = Pace(db, relayed(configured, rate=600))

    went = [
        moment
        for moment in range(0, 10_000, 10)
        if sender.wait("127.0.0.1:25", "issue", now=now + moment) == 0
    ]

    assert len(went) == 100
    assert went == list(range(0, 10_000, 100))


def test_a_relay_without_a_rate_of_its_own_has_the_common_one(
    db: Database, configured: Settings
) -> None:
    assert pace.rates_of(relayed(configured, rate=600)) == {
        "through:127.0.0.1:25": 600,
        "through:second": 3_000,
    }
    assert pace.rates_of(relayed(configured, rate=0)) == {"through:second": 3_000}


def test_two_senders_share_what_a_relay_takes(db: Database, configured: Settings, now: int) -> None:
    senders = [Pace(db, relayed(configured, rate=600)) for _ in range(2)]
    went = [0, 0]

    for moment in range(0, 60_000, 20):
        for number in random.Random(moment).sample((0, 1), 2):  # noqa: S311
            went[number] += senders[number].wait("127.0.0.1:25", "issue", now=now + moment) == 0

    assert 540 <= sum(went) <= 601
    assert min(went) > 120


def test_a_wait_is_as_long_as_it_says(db: Database, configured: Settings, now: int) -> None:
    sender = Pace(db, relayed(configured, rate=6))
    assert sender.wait("127.0.0.1:25", "issue", now=now) == 0

    wait = sender.wait("127.0.0.1:25", "issue", now=now + 1)

    assert sender.wait("127.0.0.1:25", "issue", now=now + wait) > 0
    assert sender.wait("127.0.0.1:25", "issue", now=now + 1 + wait) == 0
    assert wait == 10 * SECOND - 1


def test_a_notice_passes_a_line_that_is_full(db: Database, configured: Settings, now: int) -> None:
    sender = Pace(db, relayed(configured, rate=60))
    sender.wait("127.0.0.1:25", "issue", now=now)

    assert sender.wait("127.0.0.1:25", "notice", now=now) == 0
    assert sender.wait("127.0.0.1:25", "issue", now=now + SECOND) == SECOND


def test_turns_nobody_used_are_not_used_later(db: Database, configured: Settings, now: int) -> None:
    sender = Pace(db, relayed(configured, rate=600))
    sender.wait("127.0.0.1:25", "issue", now=now)

    later = now + MINUTE
    went = [sender.wait("127.0.0.1:25", "issue", now=later) == 0 for _ in range(20)]

    assert sum(went) == 1


# A new domain


def test_a_new_domain_sends_no_more_in_a_day_than_it_should(
    db: Database, configured: Settings, now: int
) -> None:
    first = f"{clock.moment(now):%Y-%m-%d}"
    sender = Pace(db, limited(configured, warmup=first))
    held = lease(db, now=now)

    today = [sender.turns(held, letters(*many(150, "example.org")), now=now) for _ in range(3)]
    tomorrow = sender.turns(held, letters(*many(500, "example.org")), now=now + DAY)

    assert [len(turns.now) for turns in today] == [150, 50, 0]
    assert today[0].again_at == 0
    assert all(f"{clock.moment(turns.again_at):%H:%M}" == "00:00" for turns in today[1:])
    assert len(tomorrow.now) == 500
    with db.read() as connection:
        assert pace.warming(connection, limited(configured, warmup=first), now=now) == pace.Today(
            1, 200, 200
        )


def test_only_letters_that_have_their_turn_count_for_the_day(
    db: Database, configured: Settings, now: int
) -> None:
    settings = limited(configured, warmup=f"{clock.moment(now):%Y-%m-%d}", google=60)
    sender = Pace(db, settings)

    turns = sender.turns(lease(db, now=now), letters(*many(100, "gmail.com")), now=now)

    assert len(addresses(turns)) == 15
    assert turns.again_at < now + HOUR
    with db.read() as connection:
        assert pace.warming(connection, settings, now=now) == pace.Today(1, 200, 15)


def test_letters_that_were_not_sent_after_all_do_not_use_up_the_day(
    db: Database, configured: Settings, now: int
) -> None:
    settings = limited(configured, warmup=f"{clock.moment(now):%Y-%m-%d}")
    sender = Pace(db, settings)
    held = lease(db, now=now)

    turns = sender.turns(held, letters(*many(150, "example.org")), now=now)
    sender.give_back(turns, 120)
    sender.give_back(Turns(), 120)

    with db.read() as connection:
        assert pace.warming(connection, settings, now=now) == pace.Today(1, 200, 30)


def test_notices_count_in_the_first_days_and_do_not_wait(
    db: Database, configured: Settings, now: int
) -> None:
    settings = limited(configured, warmup=f"{clock.moment(now):%Y-%m-%d}")
    sender = Pace(db, settings)
    sender.turns(lease(db, now=now), letters(*many(200, "example.org")), now=now)
    with db.write() as tx:
        to = address.parse("ada@example.org")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="confirm", now=now)
    notice = ledger.take(db, "notice", worker="anna", hold=post.HOLD, now=now)
    assert notice is not None

    turns = sender.turns(notice, letters("ada@example.org"), now=now)

    assert len(turns.now) == 1
    with db.read() as connection:
        assert pace.warming(connection, settings, now=now) == pace.Today(1, 200, 201)


# Many at once


def asks(url: str, start: int, count: int) -> list[int]:
    db = database.open(url)
    turns: list[int] = []
    for number in range(count):
        with db.write() as tx:
            granted = pace.reserve(
                tx,
                {GOOGLE: 7, "to:gmx": 3},
                rates={GOOGLE: 6_000, "to:gmx": 60},
                now=start + number,
                horizon=HOUR,
            )
        turns += granted[GOOGLE].turns
    db.close()
    return turns


def apart(turns: Iterable[int]) -> bool:
    """Whether no two of these are closer than 6,000 a minute allow."""
    ordered = sorted(turns)
    return all(later - earlier >= 9 for earlier, later in pairwise(ordered))


def test_processes_that_ask_at_once_share_one_limit(db: Database, now: int) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as processes:
        found = processes.starmap(asks, [(db.url, now, 40)] * 3)

    turns = [turn for one in found for turn in one]
    assert len(turns) == len(set(turns)) == 3 * 40 * 7
    assert apart(turns)
    assert max(turns) - min(turns) <= 10 * len(turns)


def test_threads_that_ask_at_once_share_one_limit(db: Database, now: int, tmp_path: Path) -> None:
    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append(asks(db.url, now, 30))) for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    turns = [turn for one in found for turn in one]
    assert len(turns) == len(set(turns)) == 4 * 30 * 7
    assert apart(turns)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_thousand_throttled_letters_all_go_at_the_rate_and_none_is_lost(
    db: Database, configured: Settings, now: int, workers: int
) -> None:
    """The whole way of a throttled mailing, with a clock that is turned by hand."""
    mailing = post.mail(db, 1_000, now=now)
    with db.write() as tx:
        tx.run("UPDATE deliveries SET address = 'reader' || id || '@gmail.com'")
    senders = [Pace(db, limited(configured, google=600)) for _ in range(workers)]
    names = [f"worker{number}" for number in range(workers)]
    went: list[int] = []

    while post.look(db, mailing).finished_at is None and now < post.look(db, mailing).expires_at:
        for name, sender in zip(names, senders, strict=True):
            held = ledger.take(db, "issue", worker=name, hold=post.HOLD, now=now)
            if held is None:
                continue
            turns = sender.turns(held, ledger.due(db, held, now=now), now=now)
            ready = [(now, one) for one in turns.now] + turns.soon
            for _, one in ready:
                post.hand_over(db, held, [one], now=now, worker=name)
                post.settle(db, held, [one], SENT, now=now)
            went += [turn for turn, _ in ready]
            ledger.put_off(db, held, worker=name, again_at=turns.again_at, taken_at=now, now=now)
        now += SECOND

    went.sort()
    assert post.counts(db, mailing) == {"sent": 1_000}
    assert all(later - earlier >= 99 for earlier, later in pairwise(went))
    assert went[-1] - went[0] < 1.2 * 1_000 * 100
