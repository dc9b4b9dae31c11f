"""Times a person types, and the same instant shown and kept."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import clock
from connector.clock import DAY, HOUR, MINUTE
from connector.errors import Refused

NOON = clock.milliseconds(datetime(2026, 12, 1, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "after_noon"),
    [
        ("2026-12-01 13:00", HOUR),
        ("2026-12-02", 12 * HOUR),
        ("13:30", HOUR + 30 * MINUTE),
        ("12:00", DAY),
        ("9:00", 21 * HOUR),
        ("in 2 hours", 2 * HOUR),
        ("5 minutes", 5 * MINUTE),
        ("in 1 week", 7 * DAY),
        ("  in 1 day ", DAY),
        ("2026-12-01T15:00+02:00", HOUR),
    ],
)
def test_the_forms_a_person_types_are_read(text: str, after_noon: int) -> None:
    assert clock.parse(text, now=NOON) == NOON + after_noon


def test_a_time_without_a_zone_is_the_publications() -> None:
    assert clock.parse("2026-12-01 14:00", now=NOON, zone="Europe/Riga") == NOON
    assert clock.parse("15:00", now=NOON, zone="Europe/Riga") == NOON + HOUR


def test_tomorrow_at_nine_is_nine_though_the_clocks_change_in_between() -> None:
    saturday = clock.milliseconds(datetime(2026, 10, 24, 10, 0, tzinfo=ZoneInfo("Europe/Riga")))

    at = clock.parse("09:00", now=saturday, zone="Europe/Riga")

    assert f"{clock.moment(at, 'Europe/Riga'):%d %H:%M}" == "25 09:00"


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "",
        "25:00",
        "12:60",
        "2026-13-01",
        "2026-02-30",
        "in two hours",
        "in -1 hours",
        "in 99999999999 days",
        f"in {'9' * 400} weeks",
        "9999-12-31 23:59",
    ],
)
def test_anything_else_is_refused_with_the_forms_that_work(text: str) -> None:
    with pytest.raises(Refused, match=r"Try 2026-12-01 09:00, 09:00 or “in 2 hours”"):
        clock.parse(text, now=NOON, zone="Europe/Riga")


@given(text=st.text())
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        at = clock.parse(text, now=NOON, zone="America/New_York")
    except Refused:
        return

    assert clock.moment(at, "Pacific/Kiritimati")


@given(at=st.integers(0, 4_000_000_000_000))
def test_an_instant_shown_is_the_instant_kept(at: int) -> None:
    assert clock.milliseconds(clock.moment(at, "Asia/Kathmandu")) == at
    assert datetime.fromisoformat(clock.utc(at)).timestamp() == at // 1000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2h", 2 * HOUR),
        ("90 min", 90 * MINUTE),
        ("45m", 45 * MINUTE),
        ("2 hours", 2 * HOUR),
        (" 1 Day ", DAY),
        ("28d", 28 * DAY),
    ],
)
def test_a_length_of_time_is_read(text: str, span: int) -> None:
    assert clock.parse_span(text) == span


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "29d", "-2h", "2 weeks", "two hours", "2.5h"])
def test_any_other_length_names_the_forms_that_work(text: str) -> None:
    with pytest.raises(Refused, match="Try 2h, 90 min"):
        clock.parse_span(text)
