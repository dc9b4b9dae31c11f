"""Leaving: at once, for ever, without an error; and the way back for those who were really here."""

import jinja2
import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import links
from connector.errors import NotFound, Refused
from connector.membership import store as memberships
from connector.readers import preferences, store
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Contents, Visitor, mail_an_issue

YEAR = 365 * DAY


def leave(db: Database, settings: Settings, recipient: int, *, now: int) -> Subscriber | None:
    return preferences.unsubscribe(
        db, settings, recipient, how="link", page="/unsubscribe", client="192.0.2.7", now=now
    )


def come_back(db: Database, settings: Settings, recipient: int, *, now: int) -> Subscriber:
    return preferences.resubscribe(
        db, settings, recipient, how="link", page="/unsubscribe", client="192.0.2.7", now=now
    )


def test_it_stops_the_letters(db: Database, configured: Settings, people: People, now: int) -> None:
    ada = leave(db, configured, people.ada.id, now=now + 1)

    assert ada is not None
    assert (ada.state, ada.unsubscribed_at) == ("unsubscribed", now + 1)
    with db.read() as connection:
        consents = store.consents(connection, ada.id)
    assert [each.what for each in consents] == ["added", "unsubscribed"]
    assert (consents[1].how, consents[1].page, consents[1].at) == ("link", "/unsubscribe", now + 1)
    assert "192.0.2.7" not in consents[1].client


def test_it_accepts_a_second_click(
    db: Database, configured: Settings, people: People, contents: Contents, now: int
) -> None:
    first = leave(db, configured, people.ada.id, now=now)
    before = contents()

    second = leave(db, configured, people.ada.id, now=now + DAY)

    assert second == first
    assert contents() == before


def test_a_letter_found_after_a_year_still_stops_the_letters(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    token = links.unsubscribe(configured, people.ada.id).rpartition("/")[2]

    recipient = links.recipient_of(configured, "unsubscribe", token)
    ada = leave(db, configured, recipient, now=now + YEAR)

    assert ada is not None
    assert ada.state == "unsubscribed"


def test_a_letter_that_waits_in_the_queue_is_withdrawn(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    mail_an_issue(db, now=now)

    leave(db, configured, people.ada.id, now=now)

    letters = preferences.export(db, people.ada.id)["letters"]
    assert [(letter["about"], letter["state"]) for letter in letters] == [("benches", "withdrawn")]
    letters = preferences.export(db, people.bea.id)["letters"]
    assert [letter["state"] for letter in letters] == ["queued"]


def test_a_notice_they_asked_for_still_comes(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    visitor.ask("cas@example.org")

    leave(db, configured, people.cas.id, now=now)

    letters = preferences.export(db, people.cas.id)["letters"]
    assert [letter["state"] for letter in letters] == ["queued"]


@pytest.mark.parametrize("recipient", [0, 999, -1])
def test_nobody_is_no_error(
    db: Database, configured: Settings, contents: Contents, recipient: int, now: int
) -> None:
    before = contents()

    assert leave(db, configured, recipient, now=now) is None

    assert contents() == before


def test_somebody_erased_is_no_error(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    assert leave(db, configured, people.ada.id, now=now) is None


def test_somebody_who_never_confirmed_can_say_no(
    db: Database, configured: Settings, visitor: Visitor, now: int
) -> None:
    visitor.ask("eva@example.org")
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None

    left = leave(db, configured, eva.id, now=now)

    assert left is not None
    assert left.state == "unsubscribed"


def test_a_member_who_leaves_stays_a_member(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    leave(db, configured, people.bea.id, now=now)

    (held,) = preferences.export(db, people.bea.id)["memberships"]
    assert held["ends_at"] is None


def test_the_undo_brings_them_back(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    cas = come_back(db, configured, people.cas.id, now=now + 1)

    assert (cas.state, cas.unsubscribed_at, cas.confirmed_at) == ("active", None, now)
    assert visitor.consents("cas@example.org") == ["added", "unsubscribed", "resubscribed"]


def test_the_undo_happens_once(
    db: Database, configured: Settings, people: People, contents: Contents, now: int
) -> None:
    come_back(db, configured, people.cas.id, now=now)
    before = contents()

    come_back(db, configured, people.cas.id, now=now + 1)

    assert contents() == before


def test_the_undo_is_not_for_somebody_who_never_confirmed(
    db: Database, configured: Settings, visitor: Visitor, now: int
) -> None:
    visitor.ask("eva@example.org")
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    leave(db, configured, eva.id, now=now)

    with pytest.raises(Refused, match="sign up again"):
        come_back(db, configured, eva.id, now=now)


def test_the_undo_does_not_lift_a_suppression(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    leave(db, configured, people.dan.id, now=now)

    with pytest.raises(Refused, match="came back"):
        come_back(db, configured, people.dan.id, now=now)


def test_the_undo_is_not_for_somebody_erased(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.cas.id, now)

    with pytest.raises(NotFound):
        come_back(db, configured, people.cas.id, now=now)


def test_nobody_is_mailed_who_left_or_did_not_confirm(
    db: Database, visitor: Visitor, people: People, environment: jinja2.Environment, now: int
) -> None:
    visitor.ask("eva@example.org")

    with db.read() as connection:
        mailable = [row[1] for row in connection.rows(memberships.AUDIENCE, now=now)]

    assert mailable == ["ada@example.org", "bea@example.org", "dan@example.org"]
