"""A membership as a gift: given, given longer, ended, and asked about."""

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.errors import NotFound, Refused
from connector.membership import complimentary
from connector.membership.membership import Membership
from tests.conftest import People


def is_member(db: Database, subscriber: int, *, now: int) -> bool:
    with db.read() as connection:
        return complimentary.is_member(connection, subscriber, now)


def test_it_makes_a_member(db: Database, people: People, now: int) -> None:
    given = complimentary.comp(db, people.ada.id, until=None, now=now)

    assert given == Membership(people.ada.id, "member", "complimentary", now, None)
    assert is_member(db, people.ada.id, now=now)
    assert is_member(db, people.ada.id, now=now + 9999 * DAY)


def test_it_ends_at_its_end(db: Database, people: People, now: int) -> None:
    complimentary.comp(db, people.ada.id, until=now + DAY, now=now)

    assert is_member(db, people.ada.id, now=now + DAY - 1)
    assert not is_member(db, people.ada.id, now=now + DAY)


def test_giving_again_changes_only_the_end(db: Database, people: People, now: int) -> None:
    complimentary.comp(db, people.ada.id, until=now + DAY, now=now)

    again = complimentary.comp(db, people.ada.id, until=now + 9 * DAY, now=now + 1)

    assert (again.started_at, again.ends_at) == (now, now + 9 * DAY)


@pytest.mark.parametrize("later", [0, 9 * DAY])
def test_one_that_had_ended_begins_anew(db: Database, people: People, later: int, now: int) -> None:
    complimentary.end(db, people.bea.id, now=now + DAY)

    again = complimentary.comp(db, people.bea.id, until=None, now=now + DAY + later)

    assert (again.started_at, again.ends_at) == (now + DAY + later, None)


def test_it_is_ended_at_once_and_once(db: Database, people: People, now: int) -> None:
    ended = complimentary.end(db, people.bea.id, now=now + DAY)

    assert ended.ends_at == now + DAY
    assert not is_member(db, people.bea.id, now=now + DAY)
    assert complimentary.end(db, people.bea.id, now=now + 2 * DAY) == ended


def test_who_is_no_member_has_nothing_to_end(db: Database, people: People, now: int) -> None:
    with pytest.raises(Refused, match="not a member"):
        complimentary.end(db, people.ada.id, now=now)


def test_nobody_can_be_no_member(db: Database, now: int) -> None:
    with pytest.raises(NotFound):
        complimentary.comp(db, 999, until=None, now=now)
    with pytest.raises(NotFound):
        complimentary.end(db, 999, now=now)
    assert not is_member(db, 999, now=now)


def test_an_end_that_is_past_is_refused(db: Database, people: People, now: int) -> None:
    with pytest.raises(Refused, match="is past"):
        complimentary.comp(db, people.ada.id, until=now, now=now)

    assert not is_member(db, people.ada.id, now=now)


def test_members_are_listed_while_they_are_members(db: Database, people: People, now: int) -> None:
    complimentary.comp(db, people.ada.id, until=now + DAY, now=now)

    listed = [each.subscriber_id for each in complimentary.list_live(db, now=now)]
    later = [each.subscriber_id for each in complimentary.list_live(db, now=now + DAY)]

    assert listed == [people.ada.id, people.bea.id]
    assert later == [people.bea.id]
