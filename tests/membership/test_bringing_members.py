"""A list that marks its members makes them complimentary members, in the same breath."""

from pathlib import Path

from connector.database import Database
from connector.membership import bringing, complimentary
from connector.readers import listing
from connector.settings import Settings
from tests.conftest import People

LIST = "email,plan,expiry\neva@example.org,comp,\nfinn@example.org,yearly,2027-01-01\nhana@example.org,,\n"


def names_of_members(db: Database, *, now: int) -> list[str]:
    ids = {each.subscriber_id for each in complimentary.list_live(db, now=now)}
    return sorted(each.email for each in listing.find(db) if each.id in ids)


def write(folder: Path, text: str) -> Path:
    source = folder / "people.csv"
    source.write_text(text, encoding="utf-8")
    return source


def test_those_marked_are_members(
    db: Database, configured: Settings, tmp_path: Path, now: int
) -> None:
    report = bringing.bring(db, configured, write(tmp_path, LIST), now=now)

    assert (report.added, report.members) == (3, 2)
    assert names_of_members(db, now=now) == ["eva@example.org", "finn@example.org"]
    later = now + 200 * 86_400_000
    assert names_of_members(db, now=later) == ["eva@example.org"]
    assert "2 of those added are complimentary members." in str(report)


def test_doing_it_again_gives_nothing_twice(
    db: Database, configured: Settings, tmp_path: Path, now: int
) -> None:
    source = write(tmp_path, LIST)
    bringing.bring(db, configured, source, now=now)

    again = bringing.bring(db, configured, source, now=now + 1)

    assert (again.added, again.members) == (0, 0)
    assert len(complimentary.list_live(db, now=now + 1)) == 2


def test_the_known_are_given_nothing(
    db: Database, configured: Settings, people: People, tmp_path: Path, now: int
) -> None:
    source = write(tmp_path, "email,plan\nada@example.org,comp\ncas@example.org,comp\n")

    report = bringing.bring(db, configured, source, now=now)

    assert (report.known, report.members) == (2, 0)
    assert names_of_members(db, now=now) == ["bea@example.org"]
