"""The writer can leave: the list goes out as CSV, safe in a spreadsheet, and comes back the same."""

import csv
from pathlib import Path

from connector import database
from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.membership import bringing, complimentary
from connector.readers import importing, preferences, signup
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Visitor

SINCE = "2026-09-21T14:13:20Z"


def test_everybody_goes_out_with_where_they_stand(
    db: Database, people: People, visitor: Visitor, now: int
) -> None:
    complimentary.comp(db, people.ada.id, until=now + DAY, now=now)
    visitor.ask("eva@example.org")

    rows = list(importing.export_rows(db, now=now))

    assert rows == [
        ("email", "name", "state", "since", "tier", "until"),
        ("ada@example.org", "Ada", "active", SINCE, "member", "2026-09-22T14:13:20Z"),
        ("bea@example.org", "Bea", "active", SINCE, "member", ""),
        ("cas@example.org", "Cas", "unsubscribed", SINCE, "", ""),
        ("dan@example.org", "Dan", "suppressed", SINCE, "", ""),
        ("eva@example.org", "", "pending", SINCE, "", ""),
    ]


def test_a_membership_that_ended_is_none(db: Database, people: People, now: int) -> None:
    complimentary.end(db, people.bea.id, now=now)

    rows = list(importing.export_rows(db, now=now))

    assert rows[2][4:] == ("", "")


def test_no_cell_is_a_formula(db: Database, configured: Settings, people: People, now: int) -> None:
    signup.add(db, configured, email="=cmd@example.org", name="+1", now=now)
    preferences.rename(db, people.ada.id, name='=HYPERLINK("https://example.com")')

    rows = list(importing.export_rows(db, now=now))

    assert rows[1][1] == '\'=HYPERLINK("https://example.com")'
    assert rows[5][:2] == ("'=cmd@example.org", "'+1")


def test_what_goes_out_comes_in_the_same(people: People, visitor: Visitor, tmp_path: Path) -> None:
    db, configured, now = visitor.db, visitor.settings, visitor.now
    signup.add(db, configured, email="=cmd@example.org", name="'+1", now=now)
    complimentary.comp(db, people.ada.id, until=now + DAY, now=now)
    visitor.ask("eva@example.org")
    out = list(importing.export_rows(db, now=now))
    source = tmp_path / "readers.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(out)
    fresh = database.open(f"sqlite:///{tmp_path / 'fresh.db'}")

    report = bringing.bring(fresh, configured, source, now=now)

    assert (report.added, report.refused, report.members) == (6, 0, 2)
    assert sorted(importing.export_rows(fresh, now=now)) == sorted(out)
    with fresh.read() as connection:
        assert mailings.suppression(connection, "dan@example.org") is not None
    fresh.close()
