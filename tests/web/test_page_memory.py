"""Public pages come from memory: the same bytes, checked for news twice a second."""

import pytest
from starlette.testclient import TestClient

from connector.clock import HOUR
from connector.database import Database
from connector.publishing import store
from tests.web.conftest import Clock, Publish
from tests.web.looking import take_away

SOON = 600  # milliseconds: later than the next look, sooner than a reader notices


def test_a_second_reader_is_answered_without_the_database(
    client: TestClient, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish()
    first = client.get(path)
    monkeypatch.setattr(store, "by_slug", None)

    second = client.get(path)

    assert second.content == first.content
    assert second.headers == first.headers


def test_a_publish_is_seen_within_a_second(
    client: TestClient, publish: Publish, turned: Clock
) -> None:
    publish("first")
    before = client.get("/")
    publish("second")
    turned.now += SOON

    after = client.get("/")

    assert "/p/second" not in before.text
    assert "/p/second" in after.text


def test_a_correction_is_seen_within_a_second(
    client: TestClient, publish: Publish, turned: Clock
) -> None:
    path = publish(text="It belongs to nobdy.\n")
    wrong = client.get(path)
    publish(text="It belongs to nobody.\n")
    turned.now += SOON

    right = client.get(path, headers={"If-None-Match": wrong.headers["etag"]})

    assert right.status_code == 200
    assert "nobody" in right.text


def test_a_scheduled_issue_appears_when_its_time_comes(
    client: TestClient, publish: Publish, turned: Clock, now: int
) -> None:
    path = publish(at=now + HOUR)
    early = client.get(path), client.get("/archive")
    turned.now = now + HOUR

    late = client.get(path), client.get("/archive")

    assert [early[0].status_code, late[0].status_code] == [404, 200]
    assert path not in early[1].text
    assert path in late[1].text


def test_a_known_page_is_not_sent_again(client: TestClient, publish: Publish) -> None:
    path = publish()
    etag = client.get(path).headers["etag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = client.get(path, headers={"If-None-Match": known})

        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["etag"] == etag
        assert "content-length" not in response.headers


def test_head_tells_the_same_as_get_and_sends_nothing(client: TestClient, publish: Publish) -> None:
    path = publish()

    for _ in ("new", "remembered"):
        head = client.head(path)
        get = client.get(path)

        assert head.status_code == 200
        assert head.content == b""
        assert head.headers == get.headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("br, gzip; q=0.000", None),
        ("gzip;q=nonsense", None),
        ("identity", None),
        ("", None),
    ],
)
def test_gzip_is_sent_to_whoever_takes_it(
    client: TestClient, publish: Publish, accepted: str, coding: str | None
) -> None:
    path = publish()

    response = client.get(path, headers={"Accept-Encoding": accepted})

    assert response.headers.get("content-encoding") == coding
    assert "accept-encoding" in response.headers["vary"].lower()
    assert "It belongs to nobody." in response.text


def test_each_coding_has_an_etag_of_its_own(client: TestClient, publish: Publish) -> None:
    path = publish()

    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})

    assert plain.headers["etag"] != packed.headers["etag"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_nothing_public_varies_on_cookies_or_sets_one(client: TestClient, publish: Publish) -> None:
    path = publish()

    for page in (path, "/", "/archive", "/feed", "/about", "/subscribe"):
        response = client.get(page, headers={"Cookie": "session=somebody"})

        assert "cookie" not in response.headers["vary"].lower()
        assert "set-cookie" not in response.headers
        assert response.headers["cache-control"] == "public, max-age=0, must-revalidate"


def test_a_query_changes_nothing(client: TestClient, publish: Publish) -> None:
    path = publish()

    assert client.get(f"{path}?utm_source=letter").content == client.get(path).content


def test_pages_stay_open_while_the_database_is_away(
    client: TestClient,
    db: Database,
    publish: Publish,
    turned: Clock,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = publish()
    first = client.get(path)
    take_away(db, monkeypatch)
    turned.now += SOON

    second = client.get(path)

    assert second.status_code == 200
    assert second.content == first.content


def test_what_was_not_public_is_not_remembered(client: TestClient, publish: Publish) -> None:
    missing = client.get("/p/the-bench")
    publish()

    found = client.get("/p/the-bench")

    assert missing.status_code == 404
    assert missing.headers["cache-control"] == "no-store"
    assert found.status_code == 200
