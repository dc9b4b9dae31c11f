"""Asking for letters: one letter goes out, the answer is always the same, nobody loses anything."""

import dataclasses

import jinja2
import pytest

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.errors import InvalidAddress, TooManyRequests
from connector.readers import signup, store
from connector.settings import Limits, Settings
from tests.conftest import People
from tests.readers.conftest import Visitor


def test_a_new_address_is_pending_and_gets_a_confirmation(visitor: Visitor) -> None:
    visitor.ask("Eva@Example.org", name="Eva")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert (eva.email, eva.state, eva.source, eva.name) == (
        "Eva@example.org",
        "pending",
        "form",
        "Eva",
    )
    assert visitor.consents("eva@example.org") == ["asked"]
    assert [letter.about for letter in visitor.letters("eva@example.org")] == ["confirm"]


def test_the_consent_says_when_how_where_and_keeps_no_network_address(
    db: Database, visitor: Visitor, now: int
) -> None:
    visitor.ask("eva@example.org", client="192.0.2.44")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    with db.read() as connection:
        (asked,) = store.consents(connection, eva.id)
    assert (asked.what, asked.how, asked.page, asked.at) == ("asked", "form", "/", now)
    assert len(asked.client) == 22
    assert "192.0.2.44" not in asked.client


def test_an_active_reader_hears_that_they_are_on_the_list(visitor: Visitor, people: People) -> None:
    visitor.ask("ada@example.org")

    assert [letter.about for letter in visitor.letters("ada@example.org")] == ["already"]
    assert visitor.on_the_list("ada@example.org") == people.ada
    assert visitor.consents("ada@example.org") == ["added"]


def test_somebody_who_left_gets_a_confirmation_and_stays_away_until_they_use_it(
    visitor: Visitor, people: People
) -> None:
    visitor.ask("cas@example.org")

    assert [letter.about for letter in visitor.letters("cas@example.org")] == ["confirm"]
    assert visitor.on_the_list("cas@example.org") == people.cas


def test_a_suppressed_address_gets_a_confirmation(visitor: Visitor, people: People) -> None:
    visitor.ask("dan@example.org")

    assert [letter.about for letter in visitor.letters("dan@example.org")] == ["confirm"]
    assert visitor.on_the_list("dan@example.org") == people.dan


def test_fifty_askings_for_one_address_send_no_more_than_the_limit(
    visitor: Visitor, configured: Settings
) -> None:
    for number in range(50):
        visitor.ask("eva@example.org", client=f"192.0.2.{number}")

    letters = visitor.letters("eva@example.org")
    assert len(letters) == configured.limits.confirmations_per_address == 3


def test_the_limit_is_for_known_addresses_too(visitor: Visitor, people: People) -> None:
    for number in range(50):
        visitor.ask("ada@example.org", client=f"192.0.2.{number}")

    assert len(visitor.letters("ada@example.org")) == 3


def test_a_day_later_a_letter_can_be_asked_for_again(visitor: Visitor, now: int) -> None:
    for number in range(9):
        visitor.ask("eva@example.org", client=f"192.0.2.{number}")

    visitor.ask("eva@example.org", at=now + DAY)

    assert len(visitor.letters("eva@example.org")) == 4


def test_a_hasty_client_is_told_when_to_come_back(visitor: Visitor, now: int) -> None:
    for number in range(20):
        visitor.ask(f"reader{number}@example.org", at=now + number)

    with pytest.raises(TooManyRequests) as refusal:
        visitor.ask("eva@example.org", at=now + 1000)

    assert refusal.value.retry_after == 3599
    assert visitor.on_the_list("eva@example.org") is None
    visitor.ask("eva@example.org", at=now + 1000 + refusal.value.retry_after * 1000)
    assert visitor.on_the_list("eva@example.org") is not None


def test_a_client_that_asks_for_one_address_only_is_hasty_too(visitor: Visitor) -> None:
    for _ in range(20):
        visitor.ask("eva@example.org")

    with pytest.raises(TooManyRequests):
        visitor.ask("eva@example.org")


def test_askings_of_strangers_do_not_keep_the_owner_out_for_longer(
    visitor: Visitor, now: int
) -> None:
    for number in range(40):
        visitor.ask("eva@example.org", client=f"192.0.2.{number}", at=now + number * HOUR // 2)

    visitor.ask("eva@example.org", at=now + DAY + HOUR)

    assert len(visitor.letters("eva@example.org")) == 4


def test_askings_are_forgotten_after_a_day(db: Database, visitor: Visitor, now: int) -> None:
    visitor.ask("eva@example.org")

    visitor.ask("finn@example.org", at=now + DAY)

    with db.read() as connection:
        assert store.askings_for(connection, "eva@example.org") == []


@pytest.mark.parametrize("typed", ["", "eva", "eva@", "eva@example", "eva@example.org\nBcc: x@y"])
def test_what_is_no_address_changes_nothing(visitor: Visitor, db: Database, typed: str) -> None:
    with pytest.raises(InvalidAddress):
        visitor.ask(typed)

    with db.read() as connection:
        assert store.counts(connection) == {}


def test_no_letter_holds_a_word_of_the_one_who_asked(visitor: Visitor, people: People) -> None:
    name = "Win a prize at spam.example"

    visitor.ask("eva@example.org", name=name)
    visitor.ask("ada@example.org", name=name)

    for letter in visitor.letters("eva@example.org") + visitor.letters("ada@example.org"):
        assert "prize" not in letter.subject + letter.text + letter.html


def test_a_stranger_cannot_rename_somebody_on_the_list(visitor: Visitor, people: People) -> None:
    for known in ("ada@example.org", "cas@example.org", "dan@example.org"):
        visitor.ask(known, name="Somebody else")

    assert visitor.on_the_list("ada@example.org") == people.ada
    assert visitor.on_the_list("cas@example.org") == people.cas
    assert visitor.on_the_list("dan@example.org") == people.dan


def test_a_pending_reader_may_correct_their_name(visitor: Visitor) -> None:
    visitor.ask("eva@example.org", name="Eav")

    visitor.ask("eva@example.org", name="Eva\u202e\x00 Lind ")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Eva Lind"


def test_asking_and_the_letter_are_kept_together_or_not_at_all(
    db: Database, configured: Settings, now: int
) -> None:
    nowhere = jinja2.Environment(loader=jinja2.DictLoader({}), autoescape=True)

    with pytest.raises(jinja2.TemplateNotFound):
        signup.subscribe(
            db, configured, nowhere, email="eva@example.org", page="/", client="", now=now
        )

    with db.read() as connection:
        assert store.by_key(connection, "eva@example.org") is None


def test_the_limit_is_the_writers_to_set(
    db: Database, configured: Settings, environment: jinja2.Environment, now: int
) -> None:
    strict = dataclasses.replace(configured, limits=Limits(confirmations_per_address=1))
    visitor = Visitor(db, strict, environment, now)

    visitor.ask("eva@example.org")
    visitor.ask("eva@example.org")

    assert len(visitor.letters("eva@example.org")) == 1
