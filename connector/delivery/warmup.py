"""How many letters a new domain sends on each of its first days, so that providers get to know it.

Pure; letters are counted elsewhere.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connector import clock

# Providers judge a sender they have never seen by how it grows; about double is taken well.
DAYS = (200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 70_000, 100_000)


def day_of(first: str, *, today: date) -> int:
    """Which day of the warm-up this is, from 1; 0 when there is none, or it is over.

    Before its first day a domain is as new as on it.
    """
    if not first:
        return 0
    day = max(1, (today - date.fromisoformat(first)).days + 1)
    return day if day <= len(DAYS) else 0


def cap_of(first: str, *, today: date) -> int:
    """How many letters may leave on a day; 0 when any number may."""
    day = day_of(first, today=today)
    return DAYS[day - 1] if day else 0


def days_for(count: int, first: str, *, taken: int, today: date) -> int:
    """On how many days, from today, `count` letters leave when `taken` have left today; 1 is today."""
    days = 1
    while cap := cap_of(first, today=today):
        count -= max(0, cap - taken)
        if count <= 0:
            break
        days, taken, today = days + 1, 0, today + timedelta(days=1)
    return days


def today_in(zone: str, *, now: int) -> date:
    return clock.moment(now, zone).date()


def tomorrow(zone: str, *, now: int) -> int:
    """When the next day begins in a time zone, in milliseconds."""
    after = today_in(zone, now=now) + timedelta(days=1)
    return clock.milliseconds(datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone)))
