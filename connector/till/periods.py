"""Calendar arithmetic of subscriptions, in whole seconds UTC; and how a sum is shared out over time.

A month that lacks the day of the anchor ends earlier, and the next has it again
(Stripe, “Billing cycle”).
"""

import calendar
from datetime import UTC, datetime
from fractions import Fraction

SECONDS = {"day": 86_400, "week": 7 * 86_400}


def after(anchor: int, interval: str, count: int) -> int:
    """The moment `count` days, weeks, months or years after the anchor (before, if negative)."""
    if interval in SECONDS:
        return anchor + count * SECONDS[interval]
    start = datetime.fromtimestamp(anchor, UTC)
    months = start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def end_of(anchor: int, interval: str, step: int, start: int) -> int:
    """Where the period ends that is running at `start`."""
    return _turns(anchor, interval, step, start)[1]


def start_of(anchor: int, interval: str, step: int, at: int) -> int:
    """Where the period began that is running at `at`."""
    return _turns(anchor, interval, step, at)[0]


def share(amount: int, start: int, end: int, at: int) -> int:
    """The part of `amount` for the time from `at` to `end`, when all of it is for `start` to `end`."""
    if end <= start:
        return 0
    return part(amount, end - min(max(at, start), end), end - start)


def part(amount: int, numerator: int, denominator: int) -> int:
    """So many parts of an amount, out of all of them."""
    return rounded(Fraction(amount * numerator, denominator)) if denominator else 0


def percent(amount: int, of: float) -> int:
    """So many percent of an amount."""
    return rounded(Fraction(amount) * Fraction(str(of)) / 100)


def rounded(exact: Fraction) -> int:
    """The nearest whole number; a half goes away from nought."""
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return whole if exact >= 0 else -whole


def _turns(anchor: int, interval: str, step: int, at: int) -> tuple[int, int]:
    longest = {"day": 1, "week": 7, "month": 31, "year": 366}[interval] * 86_400 * step
    number = (at - anchor) // longest - 1
    while after(anchor, interval, (number + 1) * step) <= at:
        number += 1
    return after(anchor, interval, number * step), after(anchor, interval, (number + 1) * step)
