"""Finding people: by state, by a piece of an address or a name, newest first."""

import pytest

from connector.database import Database
from connector.errors import InvalidAddress
from connector.readers import listing, signup
from connector.settings import Settings
from tests.conftest import People


def test_newest_come_first(db: Database, people: People) -> None:
    assert listing.find(db) == [people.dan, people.cas, people.bea, people.ada]

    assert listing.find(db, limit=1) == [people.dan]


def test_a_state_is_asked_for(db: Database, people: People) -> None:
    assert listing.find(db, state="unsubscribed") == [people.cas]

    assert listing.find(db, state="pending") == []


def test_a_piece_of_the_address_or_the_name_is_enough(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    eva = signup.add(db, configured, email="e@lind.example.org", name="Eva Lind", now=now)

    assert listing.find(db, text="ADA@") == [people.ada]
    assert listing.find(db, text="eva l") == [eva]
    assert listing.find(db, text="lind", state="unsubscribed") == []


@pytest.mark.parametrize("text", ["%", "_", "\\", "a%a", "'"])
def test_signs_of_a_pattern_are_only_signs(db: Database, people: People, text: str) -> None:
    assert listing.find(db, text=text) == []


def test_one_address_is_found_however_it_is_written(db: Database, people: People) -> None:
    assert listing.by_email(db, " ADA@Example.ORG ") == people.ada
    assert listing.by_email(db, "eva@example.org") is None
    with pytest.raises(InvalidAddress):
        listing.by_email(db, "ada")


def test_every_state_is_counted(db: Database, people: People) -> None:
    assert listing.counts(db) == {"pending": 0, "active": 3, "unsubscribed": 1}
