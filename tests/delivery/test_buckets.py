"""One limit for everybody: never passed, slower when asked, and free again after a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.clock import MINUTE, SECOND
from connector.delivery.bucket import FIRST, FLOOR, FREE, HORIZON, Bucket

NOW = 1_790_000_000_000
RATES = st.integers(1, 100_000)


@st.composite
def askings(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """(when, how many, how far ahead), as any number of senders ask one after the other."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 20_000), st.integers(1, 500), st.integers(0, 30_000)),
            min_size=1,
            max_size=30,
        )
    )
    when, found = NOW, []
    for step, count, horizon in steps:
        when += step
        found.append((when, count, horizon))
    return found


def turns_of(asked: list[tuple[int, int, int]], rate: int) -> list[int]:
    bucket, turns = Bucket("to:google"), []
    for when, count, horizon in asked:
        bucket, granted = bucket.grant(count, rate=rate, now=when, horizon=horizon)
        assert all(when <= turn <= when + horizon for turn in granted)
        assert len(granted) <= count
        turns += granted
    return turns


@given(askings(), RATES)
def test_no_interval_ever_has_more_turns_than_the_rate_allows(
    asked: list[tuple[int, int, int]], rate: int
) -> None:
    turns = turns_of(asked, rate)

    assert turns == sorted(turns)
    picked = range(0, len(turns), 1 + len(turns) // 20)
    for first in picked:
        for last in picked:
            if first <= last:
                lasted = turns[last] - turns[first]
                # One letter begins an interval; a turn is rounded to a millisecond.
                assert last - first <= rate * (lasted + 1) / MINUTE


def test_a_rate_is_kept_exactly_where_a_millisecond_is_too_coarse() -> None:
    bucket, turns = Bucket("to:google").grant(10_000, rate=90_000, now=NOW, horizon=2 * SECOND)

    assert len(turns) == 2_999  # 1,500 a second, rounded so that it is never more
    assert bucket.opens_at(now=NOW) == NOW + 2_001


def test_a_slow_rate_still_gives_the_next_letter_its_turn() -> None:
    bucket, first = Bucket("to:google").grant(5, rate=1, now=NOW)
    bucket, none = bucket.grant(5, rate=1, now=NOW + SECOND)
    _, second = bucket.grant(5, rate=1, now=NOW + MINUTE)

    assert (first, none, second) == ([NOW], [], [NOW + MINUTE])


def test_an_unused_minute_is_not_saved_up() -> None:
    bucket, _ = Bucket("to:google").grant(1, rate=60, now=NOW)

    _, turns = bucket.grant(100, rate=60, now=NOW + MINUTE, horizon=3 * SECOND)

    assert turns == [NOW + MINUTE, NOW + MINUTE + SECOND, NOW + MINUTE + 2 * SECOND]


def test_letters_that_wait_for_nobody_make_the_others_wait_longer() -> None:
    bucket = Bucket("to:google").pass_by(3, rate=60, now=NOW)

    _, turns = bucket.grant(1, rate=60, now=NOW)

    assert turns == [NOW + 3 * SECOND]


def test_a_clock_that_was_far_ahead_closes_nothing_for_ever() -> None:
    bucket, _ = Bucket("to:google").grant(1, rate=60, now=NOW + 365 * 24 * 60 * MINUTE)

    assert bucket.opens_at(now=NOW) == NOW + 60 * MINUTE


# What it learns


@pytest.mark.parametrize(
    ("told", "measured", "learned"),
    [
        (0, 0, FIRST),
        (0, 5_000, 2_500),
        (600, 0, 300),
        (600, 5_000, 300),
        (8, 0, FLOOR),
        (0, 7, FLOOR),
    ],
)
def test_slowing_down_halves_the_rate(told: int, measured: int, learned: int) -> None:
    slowed = Bucket("to:google").slowed(told, measured=measured, now=NOW)

    assert slowed.rate(told, now=NOW) == min(learned, told or learned)


def test_it_halves_again_only_when_the_new_rate_has_been_felt() -> None:
    once = Bucket("to:google").slowed(0, now=NOW)

    at_once = once.slowed(0, now=NOW + HORIZON - 1)
    later = once.slowed(0, now=NOW + HORIZON)

    assert at_once == once
    assert later.rate(0, now=NOW + HORIZON) == FIRST // 2


def test_every_quiet_minute_doubles_the_rate_until_there_is_none() -> None:
    slowed = Bucket("to:google").slowed(0, now=NOW)

    rates = [slowed.rate(0, now=NOW + minute * MINUTE) for minute in range(9)]

    assert rates == [60, 120, 240, 480, 960, 1_920, 3_840, 0, 0]


@given(st.lists(st.integers(0, 5 * MINUTE), max_size=40), st.integers(0, 20_000))
def test_it_never_learns_less_than_the_floor_and_always_recovers(
    waits: list[int], told: int
) -> None:
    bucket, now = Bucket("to:google"), NOW
    for wait in waits:
        now += wait
        before = bucket.rate(told, now=now)
        bucket = bucket.slowed(told, now=now)
        after = bucket.rate(told, now=now)
        assert after > 0
        assert after >= min(FLOOR, told or FLOOR)
        assert not before or after <= before

    assert bucket.rate(told, now=now + (FREE // FLOOR).bit_length() * MINUTE) == told
