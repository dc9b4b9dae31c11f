"""What a reader changes by their own link: a name, a pause, and taking letters up again."""

import pytest

from connector import clock
from connector.clock import DAY
from connector.database import Database
from connector.errors import NotFound, Refused
from connector.membership import store as memberships
from connector.readers import preferences
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import mail_an_issue


def mailable(db: Database, *, now: int) -> list[str]:
    with db.read() as connection:
        return [row[1] for row in connection.rows(memberships.AUDIENCE, now=now)]


def test_a_name_is_changed_and_taken_away(db: Database, people: People) -> None:
    assert preferences.rename(db, people.ada.id, name=" Ada  Byron\n").name == "Ada Byron"

    assert preferences.rename(db, people.ada.id, name="").name == ""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("x" * 500, "x" * 120),
        ("Ada\x00\x1b[31m", "Ada[31m"),
        ("\u202eadA", "adA"),
        ("Gu\u0308l", "Gül"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\ud800b", "ab"),
    ],
)
def test_a_name_is_one_plain_line(db: Database, people: People, typed: str, kept: str) -> None:
    assert preferences.rename(db, people.ada.id, name=typed).name == kept


def test_a_pause_keeps_letters_away_until_it_ends(db: Database, people: People, now: int) -> None:
    until = preferences.in_months(1, now=now)

    ada = preferences.pause(db, people.ada.id, until=until, now=now)

    assert ada.is_paused(now)
    assert "ada@example.org" not in mailable(db, now=until - 1)
    assert "ada@example.org" in mailable(db, now=until)


def test_a_letter_that_waits_in_the_queue_does_not_break_a_pause(
    db: Database, people: People, now: int
) -> None:
    mail_an_issue(db, now=now)

    preferences.pause(db, people.ada.id, until=now + DAY, now=now)

    letters = preferences.export(db, people.ada.id)["letters"]
    assert [(letter["state"], letter["reply"]) for letter in letters] == [("withdrawn", "paused")]


def test_letters_are_taken_up_again(db: Database, people: People, now: int) -> None:
    preferences.pause(db, people.ada.id, until=now + DAY, now=now)

    ada = preferences.pause(db, people.ada.id, until=None, now=now)

    assert ada.paused_until is None
    assert "ada@example.org" in mailable(db, now=now)


def test_a_pause_that_is_over_before_it_begins_is_none(
    db: Database, people: People, now: int
) -> None:
    assert preferences.pause(db, people.ada.id, until=now, now=now).paused_until is None


def test_leaving_ends_a_pause(db: Database, configured: Settings, people: People, now: int) -> None:
    preferences.pause(db, people.ada.id, until=now + DAY, now=now)

    left = preferences.unsubscribe(
        db, configured, people.ada.id, how="link", page="", client="", now=now
    )

    assert left is not None
    assert left.paused_until is None


def test_somebody_who_left_has_nothing_to_pause(db: Database, people: People, now: int) -> None:
    with pytest.raises(Refused, match="nothing to pause"):
        preferences.pause(db, people.cas.id, until=now + DAY, now=now)


def test_nobody_has_no_preferences(db: Database, now: int) -> None:
    with pytest.raises(NotFound):
        preferences.find(db, 999)
    with pytest.raises(NotFound):
        preferences.rename(db, 999, name="Ada")
    with pytest.raises(NotFound):
        preferences.pause(db, 999, until=None, now=now)
    with pytest.raises(NotFound):
        preferences.export(db, 999)


@pytest.mark.parametrize(
    ("begun", "months", "over"),
    [
        ("2026-09-21 14:13", 1, "2026-10-21 14:13"),
        ("2026-11-30 10:00", 3, "2027-02-28 10:00"),
        ("2026-10-15 10:00", 3, "2027-01-15 10:00"),
        ("2027-01-31 10:00", 1, "2027-02-28 10:00"),
    ],
)
def test_a_month_is_a_calendars_month(begun: str, months: int, over: str) -> None:
    now = clock.parse(begun, now=0, zone="Europe/Riga")

    until = preferences.in_months(months, now=now, zone="Europe/Riga")

    assert until == clock.parse(over, now=0, zone="Europe/Riga")
