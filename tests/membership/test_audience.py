"""Whom an issue goes to, and in which words."""

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.delivery.letter import Letter
from connector.membership import complimentary
from connector.membership.store import AUDIENCE
from connector.readers import preferences
from tests.conftest import People


def audience(db: Database, *, now: int) -> list[tuple[object, ...]]:
    with db.read() as connection:
        return connection.rows(AUDIENCE, now=now)


def test_everybody_active_in_order(db: Database, people: People, now: int) -> None:
    assert audience(db, now=now) == [
        (people.ada.id, "ada@example.org", "ada@example.org", "Ada", "everyone"),
        (people.bea.id, "bea@example.org", "bea@example.org", "Bea", "member"),
        (people.dan.id, "dan@example.org", "dan@example.org", "Dan", "everyone"),
    ]


def test_a_member_whose_gift_is_over_is_everyone(db: Database, people: People, now: int) -> None:
    complimentary.comp(db, people.bea.id, until=now + DAY, now=now)

    assert audience(db, now=now)[1][4] == "member"
    assert audience(db, now=now + DAY)[1][4] == "everyone"


def test_a_pause_counts_at_the_moment_asked_about(db: Database, people: People, now: int) -> None:
    preferences.pause(db, people.ada.id, until=now + DAY, now=now)

    assert len(audience(db, now=now)) == 2
    assert len(audience(db, now=now + DAY)) == 3


def test_a_freeze_leaves_the_suppressed_out(db: Database, people: People, now: int) -> None:
    letter = Letter("On benches", "ines@example.org", "Ines", "", "text", "<p>html</p>")
    letters = {"everyone": letter, "member": letter}

    with db.write() as tx:
        mailing = mailings.announce(
            tx, letters, about="benches", once="issue:benches", starts_at=now, now=now
        )
        assert mailing is not None
        frozen = mailings.freeze(tx, mailing, audience=AUDIENCE, values={"now": now}, now=now)

    assert (frozen.queued, frozen.suppressed) == (2, 1)


@pytest.mark.only("sqlite")
def test_it_walks_the_list_in_order_without_sorting(db: Database, now: int) -> None:
    with db.read() as connection:
        plan = [row[3] for row in connection.rows(f"EXPLAIN QUERY PLAN {AUDIENCE}", now=now)]

    assert not [step for step in plan if "TEMP B-TREE" in step]
    assert any("INDEX" in step and "memberships" in step for step in plan)
