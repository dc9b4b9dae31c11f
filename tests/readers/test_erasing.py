"""Erased means erased: not an address left anywhere, and no import brings them back."""

from pathlib import Path

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import mailings
from connector.errors import Refused
from connector.membership import complimentary
from connector.readers import erasure, importing, preferences, signup
from connector.settings import Settings
from connector.signing import Keys
from tests.conftest import People
from tests.database import tables
from tests.readers.conftest import Contents, Visitor


def everything(db: Database) -> str:
    return "\n".join(repr(row) for rows in tables.dump(db).values() for row in rows)


def put_in_the_tray(db: Database, recipient: str, *, now: int) -> None:
    with db.write() as tx:
        tx.run(
            """
            INSERT INTO tray (received_at, sender, recipient, recipient_key, subject, raw)
            VALUES (:now, 'notices@example.net', :to, :to, 'Welcome', :raw)
            """,
            now=now,
            to=recipient,
            raw=b"To: " + recipient.encode(),
        )


def test_nothing_of_them_is_left(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    visitor.ask("bea@example.org")
    put_in_the_tray(db, "bea@example.org", now=now)
    put_in_the_tray(db, "ada@example.org", now=now)
    with db.write() as tx:
        mailings.suppress(tx, "bea@example.org", why="complained", detail="", now=now)
    assert "bea@" in everything(db)

    preferences.erase(db, configured, people.bea.id, now)

    assert "bea@" not in everything(db).casefold()
    assert "'Bea'" not in everything(db)
    assert "To: ada@example.org" in everything(db)


def test_erasing_twice_is_harmless(
    db: Database, configured: Settings, people: People, contents: Contents, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)
    before = contents()

    preferences.erase(db, configured, people.ada.id, now + DAY)

    assert contents() == before


def test_the_letter_they_wait_for_is_not_sent(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    visitor.ask("ada@example.org")

    preferences.erase(db, configured, people.ada.id, now)

    with db.read() as connection:
        rows = connection.rows("SELECT state, address, name, recipient FROM deliveries")
    assert rows == [("withdrawn", "", "", None)]


def test_an_import_does_not_bring_them_back(
    people: People, visitor: Visitor, tmp_path: Path
) -> None:
    db, configured, now = visitor.db, visitor.settings, visitor.now
    preferences.erase(db, configured, people.ada.id, now)
    source = tmp_path / "people.csv"
    source.write_text("email\nADA@example.org\neva@example.org\n", encoding="utf-8")

    report = importing.bring(db, configured, source, now=now)

    assert (report.added, report.known, report.refused) == (1, 0, 1)
    assert visitor.on_the_list("ada@example.org") is None
    assert report.refused_file is not None
    refused = report.refused_file.read_text(encoding="utf-8")
    assert refused.splitlines()[1].startswith("2,This person asked to be forgotten.")
    assert "ada@" not in refused.casefold()


def test_the_writer_cannot_add_them_by_hand(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    with pytest.raises(Refused, match="asked to be forgotten"):
        signup.add(db, configured, email="ada@example.org", now=now)


def test_a_changed_key_forgets_no_erasure(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)
    old = configured.keys.secrets
    object.__setattr__(configured, "keys", Keys((b"a newer secret, as long as it must be", *old)))

    with db.write() as tx:
        assert erasure.is_erased(tx, configured, "ada@example.org")
        erasure.lift(tx, configured, "ada@example.org")
        assert not erasure.is_erased(tx, configured, "ada@example.org")


def test_their_number_is_never_given_to_somebody_else(
    db: Database, configured: Settings, people: People, visitor: Visitor, now: int
) -> None:
    preferences.erase(db, configured, people.dan.id, now)

    eva = visitor.join("eva@example.org")

    assert eva.id > people.dan.id


def test_a_membership_goes_with_its_member(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    preferences.erase(db, configured, people.bea.id, now)

    assert complimentary.list_live(db, now=now) == []
