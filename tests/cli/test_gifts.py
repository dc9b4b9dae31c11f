"""Gifts, from the terminal: the writer's own, handed over as a code or sent to an address."""

import json
import re

import jinja2
import pytest

from connector import clock
from connector.database import Database
from connector.membership import complimentary, gifts, letters, store
from connector.membership.gift import Gift
from connector.settings import Settings
from tests.cli.conftest import Connector
from tests.cli.ledger import rows
from tests.conftest import People
from tests.membership.conftest import Life


def given(connector: Connector, *words: str) -> str:
    """Give something; its code."""
    said = connector("gifts", "give", *words)
    assert said.code == 0, said
    found = re.search(r"[A-Z2-7]{4}-[A-Z2-7]{4}-[A-Z2-7]{4}", said.out)
    assert found, said.out
    return found[0]


def gift(db: Database, settings: Settings) -> Gift:
    (found,) = gifts.listed(db, settings)
    return found


def test_a_gift_is_a_code_that_makes_a_member_of_whoever_takes_it(
    connector: Connector, db: Database, configured: Settings, people: People
) -> None:
    code = given(connector, "--months", "6")

    now = clock.now()
    taken = gifts.take(db, configured, code, subscriber_id=people.ada.id, now=now)

    assert (taken.kind, taken.tier) == ("gift", "supporter")
    with db.read() as connection:
        assert complimentary.is_member(connection, people.ada.id, now)
    listed = connector("gifts", "list").out
    assert f"taken by ada@example.org on {console_day(now)}" in listed
    assert listed.endswith("1 gift.\n")


def console_day(at: int) -> str:
    when = clock.moment(at)
    return f"{when.day} {when:%B %Y}"


def test_a_gift_for_an_address_goes_out_on_its_day(
    connector: Connector, db: Database, configured: Settings
) -> None:
    said = connector(
        "gifts", "give", "zoe@example.org", "--at", "2099-12-24 09:00", "--words", "Joy"
    )

    assert "A letter with it goes to zoe@example.org on 24 December 2099." in said.out
    found = gift(db, configured)
    assert (found.address, found.words, found.months) == ("zoe@example.org", "Joy", 12)
    assert found.send_at == clock.parse("2099-12-24 09:00", now=0, zone="UTC")
    assert "goes out on 24 December 2099" in connector("gifts", "list").out


def test_without_a_day_it_goes_out_now(
    connector: Connector, db: Database, configured: Settings
) -> None:
    said = connector("gifts", "give", "zoe@example.org")

    assert said.out.endswith("A letter with it goes to zoe@example.org now.\n")
    found = gift(db, configured)
    assert found.send_at == found.created_at


def test_the_letter_says_who_gives(
    connector: Connector, db: Database, configured: Settings, environment: jinja2.Environment
) -> None:
    code = given(connector, "zoe@example.org", "--words", "For the map.")

    now = clock.now()
    assert letters.write(db, configured, environment, at=now, now=now) == 1

    ((text,),) = rows(db, "SELECT text FROM letters")
    assert "Ines Marlow gives you a year of" in str(text)
    assert "For the map." in str(text)
    assert code in str(text)
    assert "sent on " in connector("gifts", "list").out


def test_a_gift_that_is_taken_back_makes_no_member_any_more(
    connector: Connector, db: Database, configured: Settings, people: People
) -> None:
    code = given(connector)
    gifts.take(db, configured, code, subscriber_id=people.ada.id, now=clock.now())
    assert "say --yes" in connector("gifts", "end", code).misunderstood

    assert connector("gifts", "end", code.lower(), "--yes").code == 0

    with db.read() as connection:
        assert not complimentary.is_member(connection, people.ada.id, clock.now())
    assert json.loads(connector("gifts", "list", "--json").out)[0]["ended"]


def test_a_gift_that_somebody_paid_for_is_not_taken_back(
    connector: Connector, db: Database, configured: Settings, people: People
) -> None:
    bought = Gift(
        payment_id="pi_1",
        mode="till",
        code="AAAA-BBBB-CCCC",
        tier="supporter",
        months=1,
        buyer_id=None,
        address="",
        send_at=None,
        created_at=1,
    )
    with db.write() as tx:
        store.insert_gift(tx, bought)

    said = connector("gifts", "end", "AAAA-BBBB-CCCC", "--yes")

    assert said.error.startswith("A reader paid for this gift.")
    assert gift(db, configured).ended_at is None


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["zoe"], "is not an email address"),
        (["zoe@example.org", "--at", "2020-01-01"], "is past"),
        (["zoe@example.org", "--at", "soon"], "I cannot read “soon” as a time"),
        (["--tier", "gold"], "There is no paid tier “gold”. There are: supporter, founding."),
        (["--tier", "free"], "There is no paid tier “free”."),
        (["dan@example.org"], "hand the code over yourself"),
    ],
)
def test_a_gift_that_cannot_be_is_one_sentence(
    connector: Connector, life: Life, words: list[str], what: str
) -> None:
    assert what in connector("gifts", "give", *words).error
    assert gifts.listed(life.db, life.settings) == []


def test_a_day_needs_an_address(connector: Connector, db: Database) -> None:
    assert "to whom" in connector("gifts", "give", "--at", "2099-01-01").misunderstood


def test_a_code_that_is_none_is_said_so(connector: Connector, db: Database) -> None:
    assert "There is no gift with this code." in connector("gifts", "end", "x", "--yes").error
