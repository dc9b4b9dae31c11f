"""What came back long ago and led to nothing is forgotten; the rest is kept."""

import pytest

from connector.clock import DAY, MINUTE
from connector.database import Database
from connector.inbound.tidying import Broom
from connector.settings import Settings
from tests.inbound import returned
from tests.inbound.returned import receive, recorded

YEAR = 365 * DAY


def reports(db: Database, settings: Settings, *, now: int) -> None:
    """One of each kind."""
    gone = returned.letter(db, settings, now=now)
    full = returned.letter(db, settings, now=now, once="issue:lamps", people=2)
    receive(db, settings, returned.report(gone), now=now)
    receive(db, settings, returned.report(full, status="4.2.2"), now=now)
    receive(db, settings, returned.report(full, action="delayed", status="4.4.1"), now=now)
    receive(db, settings, b"Subject: A question\n\nWhose bench is it?\n", now=now)
    receive(db, settings, returned.report(full, to="x@example.org"), now=now)


def effects(db: Database) -> list[str]:
    return [row.effect for row in recorded(db)]


def test_what_led_to_nothing_is_forgotten_after_a_year(
    db: Database, configured: Settings, now: int
) -> None:
    reports(db, configured, now=now)
    everything = ["suppressed", "scored", "ignored", "kept", "unproven"]
    assert effects(db) == everything

    Broom(db).sweep(now + YEAR)
    assert effects(db) == everything

    Broom(db).sweep(now + YEAR + 1)
    assert effects(db) == ["suppressed", "scored"]


def test_it_sweeps_once_a_day(db: Database, configured: Settings, now: int) -> None:
    broom = Broom(db)
    broom.sweep(now + YEAR)
    receive(db, configured, b"Subject: old\n\n", now=now - 1)

    broom.sweep(now + YEAR + DAY - 1)
    assert effects(db) == ["kept"]

    broom.sweep(now + YEAR + DAY)
    assert effects(db) == []


def test_it_takes_a_little_at_a_time(
    db: Database, configured: Settings, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.inbound.tidying.AT_ONCE", 2)
    for number in range(3):
        receive(db, configured, f"Subject: {number}\n\n".encode(), now=now)
    broom = Broom(db)

    broom.sweep(now + YEAR + DAY)
    assert [row.detail for row in recorded(db)] == ["2"]

    broom.sweep(now + YEAR + DAY + MINUTE)
    assert effects(db) == []
