"""A new domain begins with few letters, and more every day."""

from datetime import date

import pytest

from connector import clock
from connector.delivery import warmup

FIRST = "2026-12-01"


@pytest.mark.parametrize(
    ("today", "day", "cap"),
    [
        ("2026-11-01", 1, 200),
        ("2026-12-01", 1, 200),
        ("2026-12-02", 2, 500),
        ("2026-12-10", 10, 100_000),
        ("2026-12-11", 0, 0),
    ],
)
def test_each_day_has_its_cap_until_there_is_none(today: str, day: int, cap: int) -> None:
    assert warmup.day_of(FIRST, today=date.fromisoformat(today)) == day
    assert warmup.cap_of(FIRST, today=date.fromisoformat(today)) == cap


def test_a_domain_that_is_known_has_no_cap() -> None:
    assert warmup.cap_of("", today=date(2026, 12, 1)) == 0


@pytest.mark.parametrize(
    ("count", "taken", "days"),
    [(0, 0, 1), (200, 0, 1), (201, 0, 2), (700, 0, 2), (200, 200, 2), (1_000_000, 0, 11)],
)
def test_it_is_known_beforehand_how_many_days_a_list_takes(
    count: int, taken: int, days: int
) -> None:
    assert warmup.days_for(count, FIRST, taken=taken, today=date(2026, 12, 1)) == days


def test_a_day_is_one_where_the_writer_is() -> None:
    late = clock.parse("2026-12-01 23:30", now=0, zone="America/Halifax")

    assert warmup.today_in("America/Halifax", now=late) == date(2026, 12, 1)
    assert warmup.today_in("UTC", now=late) == date(2026, 12, 2)
    assert warmup.tomorrow("America/Halifax", now=late) == late + 30 * clock.MINUTE
