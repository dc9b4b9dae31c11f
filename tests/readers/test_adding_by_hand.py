"""The writer vouches for somebody; nobody who said no, or cannot be reached, is added so."""

import pytest

from connector.database import Database
from connector.errors import InvalidAddress, Refused
from connector.readers import signup
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Contents, Visitor


def test_an_address_is_on_the_list_at_once(
    db: Database, configured: Settings, visitor: Visitor, now: int
) -> None:
    eva = signup.add(db, configured, email="Eva@example.org", name="Eva", now=now)

    assert (eva.email, eva.name, eva.state, eva.source, eva.confirmed_at) == (
        "Eva@example.org",
        "Eva",
        "active",
        "command",
        now,
    )
    assert visitor.consents("eva@example.org") == ["added"]
    assert visitor.letters("eva@example.org") == []


def test_adding_twice_changes_nothing(
    db: Database, configured: Settings, people: People, contents: Contents, now: int
) -> None:
    before = contents()

    again = signup.add(db, configured, email="ADA@example.org", name="Augusta", now=now + 1)

    assert again == people.ada
    assert contents() == before


def test_somebody_who_asked_already_need_not_confirm(
    db: Database, configured: Settings, visitor: Visitor, now: int
) -> None:
    visitor.ask("eva@example.org", name="Eva")

    eva = signup.add(db, configured, email="eva@example.org", now=now)

    assert (eva.state, eva.name) == ("active", "Eva")
    assert visitor.consents("eva@example.org") == ["asked", "added"]


@pytest.mark.parametrize(
    ("who", "why"), [("cas", "has unsubscribed"), ("dan", "is not written to any more: bounced")]
)
def test_those_who_left_or_cannot_be_reached_are_refused(
    visitor: Visitor, people: People, contents: Contents, who: str, why: str
) -> None:
    before = contents()

    with pytest.raises(Refused, match=why):
        signup.add(visitor.db, visitor.settings, email=f"{who}@example.org", now=visitor.now)

    assert contents() == before


def test_what_is_no_address_is_refused(db: Database, configured: Settings, now: int) -> None:
    with pytest.raises(InvalidAddress):
        signup.add(db, configured, email="eva at example.org", now=now)
