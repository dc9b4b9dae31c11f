"""Publishing freezes an issue into the database; doing it twice changes nothing."""

import pytest

from connector import clock
from connector.database import Database
from connector.errors import Unpublishable
from connector.publishing import publish, store
from connector.publishing.publish import Prepared
from connector.publishing.store import PublishedIssue
from tests.publishing.conftest import FRONT, Desk

BODY = "Dear *reader*,\n\n![A bench](bench.jpg)\n\n::: ask\nPlease pay.\n:::\n"


def save(db: Database, prepared: Prepared, *, at: int, now: int | None = None) -> int:
    with db.write() as tx:
        return publish.save(tx, prepared, at=at, now=at if now is None else now)


def kept(db: Database, now: int) -> PublishedIssue:
    with db.read() as connection:
        found = store.by_slug(connection, "a-quiet-harbour", now)
    assert found is not None
    return found


def version(db: Database) -> int:
    with db.read() as connection:
        return store.version(connection)


def test_an_issue_and_all_its_editions_are_kept(desk: Desk, db: Database) -> None:
    desk.picture()
    front = f"{FRONT}tags: [a, b]\nauthors: [Ines Marlow]\nimage: bench.jpg\nalt: A bench\n"
    prepared = desk.prepare(BODY, front)

    number = save(db, prepared, at=desk.now)

    issue = kept(db, desk.now)
    (picture,) = prepared.pictures.values()
    assert (issue.id, issue.title, issue.words) == (number, "A quiet harbour", 4)
    assert (issue.tags, issue.authors, issue.image) == ("a, b", "Ines Marlow", picture.path)
    assert issue.description == "Dear reader,"
    assert issue.source == prepared.issue.source
    with db.read() as connection:
        assert (
            store.edition(connection, number, "web", "everyone")
            == prepared.editions.web["everyone"]
        )
        assert (
            store.edition(connection, number, "text", "member") == prepared.editions.text["member"]
        )
        assert store.edition(connection, number, "feed", "everyone") == prepared.editions.feed
        assert store.edition(connection, 99, "web", "everyone") is None
        assert store.image(connection, picture.digest) == picture
        assert store.image(connection, "0" * 32) is None
        assert len(store.editions(connection, number)) == 7


def test_publishing_twice_changes_nothing(desk: Desk, db: Database) -> None:
    desk.picture()
    first = save(db, desk.prepare(BODY), at=desk.now)
    before, pages = kept(db, desk.now), version(db)

    second = save(db, desk.prepare(BODY), at=desk.now + clock.DAY)

    assert second == first
    assert kept(db, desk.now + clock.DAY) == before
    assert version(db) == pages


def test_a_correction_is_made_in_place(desk: Desk, db: Database) -> None:
    desk.picture()
    first = save(db, desk.prepare(BODY), at=desk.now)
    pages = version(db)

    second = save(db, desk.prepare(BODY.replace("Dear", "Good")), at=desk.now + clock.DAY)

    issue = kept(db, desk.now + clock.DAY)
    assert second == first
    assert issue.published_at == desk.now
    assert issue.updated_at == desk.now + clock.DAY
    assert version(db) == pages + 1
    with db.read() as connection:
        assert "Good <em>reader" in (store.edition(connection, first, "web", "member") or "")


def test_a_scheduled_issue_is_hidden_until_its_time(desk: Desk, db: Database) -> None:
    desk.picture()
    later = desk.now + clock.DAY

    save(db, desk.prepare(BODY), at=later, now=desk.now)

    with db.read() as connection:
        assert store.by_slug(connection, "a-quiet-harbour", desk.now) is None
        assert store.archive(connection, desk.now) == []
        assert store.latest(connection, desk.now) is None
        assert store.by_slug(connection, "a-quiet-harbour", later) is not None


def test_a_scheduled_issue_can_be_brought_forward(desk: Desk, db: Database) -> None:
    desk.picture()
    save(db, desk.prepare(BODY), at=desk.now + clock.DAY, now=desk.now)

    save(db, desk.prepare(BODY), at=desk.now)

    assert kept(db, desk.now).published_at == desk.now


def test_a_date_in_the_front_matter_is_the_day_readers_see(desk: Desk, db: Database) -> None:
    prepared = desk.prepare("Hi.", f"{FRONT}date: 2026-01-02\n")

    save(db, prepared, at=desk.now)

    assert kept(db, desk.now).published_at == prepared.issue.date
    assert "2 January 2026" in prepared.letters["member"].text


def test_a_date_still_to_come_does_not_hide_what_is_published_now(desk: Desk, db: Database) -> None:
    save(db, desk.prepare("Hi.", f"{FRONT}date: 2027-01-02\n"), at=desk.now)

    assert kept(db, desk.now).published_at == desk.now


def test_the_archive_is_newest_first(desk: Desk, db: Database) -> None:
    for day, name in enumerate(("one", "two", "three")):
        front = f"title: {name}\npreheader: x\n"
        save(db, desk.prepare("Hi.", front, f"{name}.md"), at=desk.now + day * clock.DAY)

    with db.read() as connection:
        archive = store.archive(connection, desk.now + clock.DAY)
        latest = store.latest(connection, desk.now + 9 * clock.DAY)

    assert [issue.title for issue in archive] == ["two", "one"]
    assert latest is not None
    assert latest.title == "three"


def test_an_issue_with_errors_is_not_kept(desk: Desk, db: Database) -> None:
    prepared = desk.prepare("![A bench](nowhere.jpg)\n\n[x](y.md)\n")

    with pytest.raises(Unpublishable, match=r"a-quiet-harbour\.md:5: .*and 1 more problem"):
        save(db, prepared, at=desk.now)

    with db.read() as connection:
        assert store.archive(connection, desk.now) == []


def test_a_picture_outlives_the_issue_that_dropped_it(desk: Desk, db: Database) -> None:
    desk.picture()
    prepared = desk.prepare(BODY)
    save(db, prepared, at=desk.now)

    save(db, desk.prepare("No picture any more."), at=desk.now)

    (picture,) = prepared.pictures.values()
    with db.read() as connection:
        assert store.image(connection, picture.digest) == picture
