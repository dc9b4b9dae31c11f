"""A clock that never goes back, whatever is done to the one on the wall."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.clock import HOUR, SECOND
from connector.delivery.steady import Steady
from tests.fakes.clock import Clock


def moving(passed: list[float]) -> Steady:
    """A steady clock for which so many seconds have really passed."""
    return Steady(lambda: passed[0])


def test_time_that_goes_on_is_the_wall_clock(turning: Clock) -> None:
    passed = [0.0]
    steady = moving(passed)

    passed[0] += 60
    turning.turn(60 * SECOND)

    assert abs(steady.now() - turning.now()) < SECOND


def test_a_clock_that_was_set_on_is_believed(turning: Clock) -> None:
    steady = moving([0.0])

    turning.turn(HOUR)

    assert abs(steady.now() - turning.now()) < SECOND


def test_a_clock_that_was_set_back_is_not_and_time_goes_on(turning: Clock) -> None:
    passed = [0.0]
    steady = moving(passed)
    before = steady.now()

    turning.turn(-HOUR)
    passed[0] += 60

    assert 59 * SECOND <= steady.now() - before <= 61 * SECOND


@given(
    st.lists(
        st.tuples(st.floats(0, 3_600), st.integers(-48 * HOUR, 48 * HOUR)), min_size=1, max_size=20
    )
)
def test_it_never_goes_back_and_is_never_behind(moves: list[tuple[float, int]]) -> None:
    passed, wall = [0.0], [1_790_000_000_000]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connector.clock.now", lambda: wall[0])
        steady = Steady(lambda: passed[0])
        last = steady.now()

        for seconds, turned in moves:
            passed[0] += seconds
            wall[0] += int(seconds * SECOND) + turned
            now = steady.now()
            assert now >= last + int(seconds * SECOND) - 1
            assert now >= wall[0]
            last = now
