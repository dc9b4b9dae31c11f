"""Home, archive, issues, about, feeds: what is there, in which order, and when nothing is."""

from dataclasses import replace

import feedparser
import pytest
from starlette.testclient import TestClient

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.settings import Settings
from connector.web.app import create_app
from tests.web.conftest import Clock, Publish
from tests.web.looking import context, take_away, template


def test_home_shows_the_newest_issue_first(client: TestClient, publish: Publish, now: int) -> None:
    publish("an-old-bench", at=now - 14 * DAY)
    publish("a-new-bench", at=now - DAY)

    response = client.get("/")

    assert template(response) == "pages/home.html"
    assert context(response)["latest"].slug == "a-new-bench"
    assert [each.slug for each in context(response)["earlier"]] == ["an-old-bench"]
    assert 'action="/subscribe"' in response.text


def test_home_before_the_first_issue_asks_for_patience(client: TestClient) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert "The first issue is being written" in response.text


def test_the_archive_goes_by_year_in_the_writers_own_zone(
    configured: Settings, db: Database, publish: Publish, turned: Clock
) -> None:
    turned.now = 1_798_761_600_000  # 1 January 2027, 00:00 UTC; already 02:00 in Riga
    publish("new-year", at=turned.now - HOUR)
    riga = replace(configured.publication, zone="Europe/Riga")
    client = TestClient(
        create_app(replace(configured, publication=riga), db), base_url=configured.publication.url
    )

    response = client.get("/archive")

    assert [year for year, _ in context(response)["years"]] == [2027]


def test_an_empty_archive_says_so(client: TestClient) -> None:
    response = client.get("/archive")

    assert response.status_code == 200
    assert "Nothing is on the shelf yet" in response.text


def test_an_issue_has_its_text_its_number_and_its_neighbours(
    client: TestClient, publish: Publish, now: int
) -> None:
    for days, slug in enumerate(("third", "second", "first")):
        publish(slug, at=now - days * DAY)

    response = client.get("/p/second")

    assert template(response) == "pages/issue.html"
    assert "It belongs to nobody." in response.text
    assert context(response)["number"] == 2
    assert context(response)["older"].slug == "first"
    assert context(response)["newer"].slug == "third"
    assert 'action="/subscribe"' in response.text


def test_an_issue_names_its_own_address_and_not_the_one_it_was_asked_at(
    client: TestClient, publish: Publish
) -> None:
    path = publish()

    response = client.get(path, headers={"X-Forwarded-Host": "evil.example.net"})

    assert f'<link rel="canonical" href="https://letters.example.org{path}">' in response.text
    assert "evil" not in response.text


def test_what_a_writer_types_in_a_title_is_text(
    client: TestClient, publish: Publish, db: Database
) -> None:
    path = publish()
    with db.write() as tx:
        tx.run("UPDATE issues SET title = '<script>alert(1)</script>'")

    response = client.get(path)

    assert "<script>alert" not in response.text


def test_an_issue_whose_time_has_not_come_is_nowhere(
    client: TestClient, publish: Publish, now: int
) -> None:
    path = publish(at=now + HOUR)

    assert client.get(path).status_code == 404
    for page in ("/", "/archive", "/feed", "/sitemap.xml"):
        assert "the-bench" not in client.get(page).text


def test_about_is_the_writers_own_markdown(configured: Settings, db: Database) -> None:
    told = replace(configured.publication, about="I keep *records*.")
    client = TestClient(
        create_app(replace(configured, publication=told), db), base_url=configured.publication.url
    )

    response = client.get("/about")

    assert "<p>I keep <em>records</em>.</p>" in response.text


def test_about_falls_back_to_the_description(client: TestClient) -> None:
    assert "Letters about the public things a town shares." in client.get("/about").text


def test_the_feed_is_atom_at_both_of_its_addresses(client: TestClient, publish: Publish) -> None:
    publish()

    feed, same = client.get("/feed"), client.get("/feed.xml")

    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert [entry.title for entry in feedparser.parse(feed.text).entries] == ["The Bench"]
    assert same.text == feed.text


def test_crawlers_find_every_page_and_no_readers_link(client: TestClient, publish: Publish) -> None:
    path = publish()

    robots, sitemap = client.get("/robots.txt"), client.get("/sitemap.xml")

    assert "Sitemap: https://letters.example.org/sitemap.xml" in robots.text
    assert "Disallow: /preferences/" in robots.text
    assert f"<loc>https://letters.example.org{path}</loc>" in sitemap.text


def test_a_picture_is_kept_by_browsers_for_ever(client: TestClient, db: Database) -> None:
    with db.write() as tx:
        tx.run(
            "INSERT INTO images VALUES (:digest, 'image/png', 1, 1, :bytes)",
            digest="ab" * 16,
            bytes=b"a picture",
        )

    response = client.get(f"/images/{'ab' * 16}.png")

    assert response.content == b"a picture"
    assert response.headers["content-type"] == "image/png"
    assert "immutable" in response.headers["cache-control"]


def test_health_is_the_databases(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = client.get("/healthz")
    take_away(db, monkeypatch)

    ill = client.get("/healthz")

    assert (well.status_code, well.json()) == (200, {"status": "ok"})
    assert (ill.status_code, ill.json()) == (503, {"status": "unavailable"})
    assert well.headers["cache-control"] == "no-store"


def test_every_page_has_one_main_heading_and_a_language(
    client: TestClient, publish: Publish
) -> None:
    path = publish()

    for page in ("/", "/archive", path, "/about", "/subscribe", "/subscribe/sent", "/nowhere"):
        text = client.get(page).text

        assert text.count("<h1") == 1, page
        assert '<html lang="en">' in text
        assert "<main" in text
