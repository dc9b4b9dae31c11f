"""Time as this program keeps it: integer milliseconds since 1970, UTC.

Verbs take `now` from their caller, so that a test can turn the clock.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connector.errors import Refused

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> int:
    return time.time_ns() // 1_000_000


def moment(at: int, zone: str = "UTC") -> datetime:
    """The same instant as an aware datetime, for showing it to a person."""
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone))


def milliseconds(when: datetime) -> int:
    """The instant of an aware datetime, in milliseconds."""
    return round(when.timestamp() * 1000)


def parse(text: str, *, now: int, zone: str = "UTC") -> int:
    """Read a time a person typed: `2026-12-01 09:00`, `2026-12-01`, `09:00` or `in 2 hours`.

    A time without a day is the next such time; one without a zone is in `zone`.
    Raises Refused for anything else, naming the forms that work.
    """
    try:
        at = _parse(text.strip(), now=now, zone=zone)
        moment(at + DAY, zone)  # a day that no calendar has cannot be shown
    except (ValueError, OverflowError, OSError):
        raise Refused(
            f"I cannot read “{text}” as a time. Try 2026-12-01 09:00, 09:00 or “in 2 hours”."
        ) from None
    return at


def parse_span(text: str) -> int:
    """Read a length of time a person typed: `2h`, `90 min`, `2 hours`; in milliseconds.

    Raises Refused for anything else, and for more than four weeks.
    """
    found = re.fullmatch(r"(\d{1,6})\s*(m|h|d|min|minute|hour|day)s?", text.strip().lower())
    span = int(found[1]) * {"m": MINUTE, "h": HOUR, "d": DAY}[found[2][0]] if found else 0
    if not 0 < span <= 28 * DAY:
        raise Refused(f"I cannot read “{text}” as a length of time. Try 2h, 90 min or “3 days”.")
    return span


def utc(at: int) -> str:
    """ISO 8601 in UTC to the second, as feeds and tables want it."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(words: str, *, now: int, zone: str) -> int:
    tz = ZoneInfo(zone)
    if found := re.fullmatch(r"(?:in )?(\d+) ?(minute|hour|day|week)s?", words):
        step = {"minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}[found[2]]
        return now + int(found[1]) * step
    if found := re.fullmatch(r"(\d{1,2}):(\d{2})", words):
        today = moment(now, zone)
        if int(found[1]) < 24 and int(found[2]) < 60:  # noqa: PLR2004 - a clock's own numbers
            at = today.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
            return milliseconds(at if at > today else at + timedelta(days=1))
    when = datetime.fromisoformat(words)
    return milliseconds(when if when.tzinfo else when.replace(tzinfo=tz))
