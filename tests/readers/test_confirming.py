"""Confirming: only a press of the button counts, twice is harmless, and it heals what was broken."""

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.errors import ExpiredLink, InvalidLink
from connector.readers import erasure, preferences, signup
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Contents, Visitor


def test_it_puts_the_reader_on_the_list(visitor: Visitor, now: int) -> None:
    visitor.ask("eva@example.org")

    eva = visitor.confirm(visitor.letters("eva@example.org")[0].token, at=now + 1)

    assert (eva.state, eva.confirmed_at) == ("active", now + 1)
    assert visitor.consents("eva@example.org") == ["asked", "confirmed"]


def test_it_welcomes_once(visitor: Visitor) -> None:
    visitor.ask("eva@example.org")
    token = visitor.letters("eva@example.org")[0].token

    first = visitor.confirm(token)
    second = visitor.confirm(token)

    assert first == second
    assert [each.about for each in visitor.letters("eva@example.org")] == ["confirm", "welcome"]
    assert visitor.consents("eva@example.org") == ["asked", "confirmed"]


def test_looking_at_the_link_changes_nothing(
    db: Database, configured: Settings, visitor: Visitor, contents: Contents, now: int
) -> None:
    visitor.ask("eva@example.org")
    before = contents()

    found = signup.read_confirmation(
        db, configured, visitor.letters("eva@example.org")[0].token, now
    )

    assert found.email == "eva@example.org"
    assert contents() == before


def test_a_link_works_for_seven_days(visitor: Visitor, now: int) -> None:
    visitor.ask("eva@example.org")

    eva = visitor.confirm(visitor.letters("eva@example.org")[0].token, at=now + 7 * DAY)

    assert eva.state == "active"


def test_an_old_link_says_how_old_it_is(visitor: Visitor, now: int) -> None:
    visitor.ask("eva@example.org")

    with pytest.raises(ExpiredLink) as refusal:
        visitor.confirm(visitor.letters("eva@example.org")[0].token, at=now + 7 * DAY + 1)

    assert refusal.value.signed_at == now
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.state == "pending"


@pytest.mark.parametrize("token", ["", "1", "1.18.AAAA", "1.18f.ÄÖÜ", "..", "\x00"])
def test_a_forged_link_opens_nothing(visitor: Visitor, token: str) -> None:
    visitor.ask("eva@example.org")

    with pytest.raises(InvalidLink):
        visitor.confirm(token)


def test_a_link_for_another_purpose_opens_nothing(visitor: Visitor, configured: Settings) -> None:
    visitor.ask("eva@example.org")

    with pytest.raises(InvalidLink):
        visitor.confirm(configured.keys.sign("unsubscribe", "1"))


def test_somebody_who_left_comes_back_with_their_first_confirmation_remembered(
    visitor: Visitor, people: People, now: int
) -> None:
    visitor.ask("cas@example.org", at=now + DAY)

    cas = visitor.confirm(visitor.letters("cas@example.org")[0].token, at=now + DAY)

    assert (cas.state, cas.confirmed_at, cas.unsubscribed_at) == ("active", now, None)
    assert visitor.consents("cas@example.org") == ["added", "unsubscribed", "asked", "confirmed"]


def test_it_lifts_a_suppression(db: Database, visitor: Visitor, people: People) -> None:
    visitor.ask("dan@example.org")

    visitor.confirm(visitor.letters("dan@example.org")[0].token)

    with db.read() as connection:
        assert mailings.suppression(connection, "dan@example.org") is None
    assert visitor.consents("dan@example.org") == ["added", "asked", "confirmed"]


def test_somebody_erased_can_come_back_by_themselves(
    db: Database, configured: Settings, visitor: Visitor, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    visitor.join("ada@example.org")

    with db.read() as connection:
        assert not erasure.is_erased(connection, configured, "ada@example.org")


def test_asking_alone_does_not_undo_an_erasure(
    db: Database, configured: Settings, visitor: Visitor, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    visitor.ask("ada@example.org")

    with db.read() as connection:
        assert erasure.is_erased(connection, configured, "ada@example.org")


def test_the_link_of_somebody_erased_opens_nothing(
    db: Database, configured: Settings, visitor: Visitor, now: int
) -> None:
    visitor.ask("eva@example.org")
    eva, token = visitor.on_the_list("eva@example.org"), visitor.letters("eva@example.org")[0].token
    assert eva is not None
    preferences.erase(db, configured, eva.id, now)

    with pytest.raises(InvalidLink):
        visitor.confirm(token)
