"""A database that cannot be used is said once: when that begins, now and then, and when it is over."""

import pytest

from connector.clock import HOUR, MINUTE, SECOND
from connector.delivery.outage import Outage
from connector.delivery.steady import Steady
from connector.errors import DatabaseUnavailable
from tests.conftest import NOW

AWAY = DatabaseUnavailable("The database letters cannot be reached.")
BUSY = DatabaseUnavailable("The database letters is busy.")


class Time:
    """Milliseconds that pass, and a clock on the wall that can be set besides."""

    def __init__(self) -> None:
        self.passed = 0
        self.wall = NOW

    def wait(self, milliseconds: int) -> None:
        self.passed += milliseconds
        self.wall += milliseconds


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr("connector.clock.now", lambda: time.wall)
    return time


@pytest.fixture
def outage(passing: Time) -> Outage:
    return Outage(Steady(lambda: passing.passed / SECOND))


def test_it_is_said_once_however_many_notice(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        outage.tell(AWAY)
        passing.wait(5 * SECOND)

    assert caplog.messages == [str(AWAY)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_it_is_said_again_after_ten_minutes_with_what_ails_it_then(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    outage.tell(AWAY)
    passing.wait(10 * MINUTE - SECOND)
    outage.tell(BUSY)
    passing.wait(SECOND)
    outage.tell(BUSY)
    outage.tell(AWAY)

    assert caplog.messages == [str(AWAY), str(BUSY)]


def test_that_it_is_over_is_said_once_and_how_long_it_was(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    outage.tell(AWAY)
    passing.wait(45 * SECOND)
    outage.tell(AWAY)
    passing.wait(45 * SECOND)
    outage.over()
    outage.over()

    assert caplog.messages[1:] == ["The database can be used again, after 90 seconds."]


def test_the_next_one_is_said_at_once(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    outage.tell(AWAY)
    passing.wait(MINUTE)
    outage.over()
    outage.tell(BUSY)

    assert caplog.messages[2:] == [str(BUSY)]


def test_nothing_is_said_to_be_over_that_never_was(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.over()

    assert caplog.messages == []


def test_one_that_comes_and_goes_in_moments_is_said_once_in_ten_minutes(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        outage.tell(BUSY)
        passing.wait(SECOND // 2)
        outage.over()
        passing.wait(59 * SECOND)

    assert caplog.messages == [str(BUSY)]


def test_one_that_stays_is_said_though_another_came_and_went_before(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    outage.tell(BUSY)
    outage.over()
    passing.wait(MINUTE)
    for _ in range(100):
        outage.tell(AWAY)
        passing.wait(SECOND)
    outage.over()

    assert caplog.messages == [
        str(BUSY),
        str(AWAY),
        "The database can be used again, after 100 seconds.",
    ]


def test_a_clock_that_is_set_back_keeps_nobody_quiet_for_longer(
    outage: Outage, passing: Time, caplog: pytest.LogCaptureFixture
) -> None:
    outage.tell(AWAY)
    passing.wall -= HOUR
    passing.wait(10 * MINUTE)
    outage.tell(AWAY)
    passing.wait(9 * MINUTE)
    outage.tell(AWAY)

    assert caplog.messages == [str(AWAY), str(AWAY)]
