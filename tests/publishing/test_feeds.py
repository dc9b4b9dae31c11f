"""The feed and the site map hold what is out, whatever an issue says."""

from xml.etree import ElementTree as ET

import feedparser

from connector import clock
from connector.database import Database
from connector.publishing import feeds, publish
from tests.publishing.conftest import Desk

TITLE = 'title: "<b>Fish</b> & \\"chips\\""\npreheader: x\n'


def published(desk: Desk, db: Database) -> None:
    desk.picture()
    with db.write() as tx:
        for day, name in enumerate(("one", "two")):
            prepared = desk.prepare(
                "Words & <tags>.[^1] [Ours](/p/x)\n\n![A bench](bench.jpg)\n\n"
                "::: thanks\nThanks.\n:::\n\n[^1]: A note.\n",
                f"{TITLE}tags: [fish, chips]\nauthors: [Ines & Co]\nsubtitle: Under {name}\n",
                f"{name}.md",
            )
            publish.save(tx, prepared, at=desk.now + day * clock.DAY, now=desk.now)


def test_the_feed_is_read_by_feed_readers(desk: Desk, db: Database) -> None:
    published(desk, db)

    with db.read() as connection:
        xml = feeds.atom(connection, desk.settings, desk.environment, now=desk.now + 2 * clock.DAY)

    feed = feedparser.parse(xml)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.title == "The Commons Desk"
    assert [entry.link for entry in feed.entries] == [
        "https://letters.example.org/p/two",
        "https://letters.example.org/p/one",
    ]
    entry = feed.entries[1]
    assert entry.id == entry.link
    assert "<script" not in entry.title
    assert entry.title.endswith("“chips”")
    assert entry.author == "Ines & Co"
    assert [tag.term for tag in entry.tags] == ["fish", "chips"]
    assert entry.published == clock.utc(desk.now)
    content = entry.content[0].value
    assert "Words &amp; &lt;tags&gt;." in content
    assert 'src="https://letters.example.org/images/' in content
    assert 'href="https://letters.example.org/p/x"' in content
    assert "A note." in content
    assert "Thanks." not in content


def test_nothing_of_the_future_is_in_it(desk: Desk, db: Database) -> None:
    published(desk, db)

    with db.read() as connection:
        feed = feedparser.parse(
            feeds.atom(connection, desk.settings, desk.environment, now=desk.now)
        )
        sitemap = feeds.sitemap(connection, desk.settings, desk.environment, now=desk.now)

    assert [entry.link for entry in feed.entries] == ["https://letters.example.org/p/one"]
    assert "/p/two" not in sitemap


def test_an_empty_feed_is_a_feed(desk: Desk, db: Database) -> None:
    with db.read() as connection:
        feed = feedparser.parse(
            feeds.atom(connection, desk.settings, desk.environment, now=desk.now)
        )

    assert not feed.bozo
    assert feed.entries == []


def test_the_site_map_names_every_page(desk: Desk, db: Database) -> None:
    published(desk, db)

    with db.read() as connection:
        xml = feeds.sitemap(
            connection, desk.settings, desk.environment, now=desk.now + 2 * clock.DAY
        )

    places = [
        element.text
        for element in ET.fromstring(xml).iter()  # noqa: S314 - our own
        if element.tag.endswith("loc")
    ]
    assert places == [
        "https://letters.example.org/",
        "https://letters.example.org/archive",
        "https://letters.example.org/about",
        "https://letters.example.org/p/two",
        "https://letters.example.org/p/one",
    ]
