"""Every no is a page in the design: what happened, in a sentence, and never a traceback."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from connector import errors
from connector.database import Database
from connector.publishing import store
from connector.readers import signup
from connector.settings import Settings
from connector.web.app import create_app
from tests.web.conftest import Publish
from tests.web.looking import context, take_away, template


def test_a_page_that_is_not_there(client: TestClient) -> None:
    response = client.get("/nowhere")

    assert response.status_code == 404
    assert template(response) == "pages/trouble.html"
    assert "There is nothing here" in response.text
    assert 'href="/archive"' in response.text


def test_a_method_a_page_does_not_know(client: TestClient) -> None:
    response = client.put("/archive")

    assert response.status_code == 405
    assert template(response) == "pages/trouble.html"
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize("stated", [True, False])
def test_a_body_that_is_too_large(client: TestClient, stated: bool) -> None:
    chunk = b"email=" + b"a" * 300_000
    body = chunk if stated else iter([chunk[:150_000], chunk[150_000:]])

    response = client.post(
        "/subscribe",
        content=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert response.status_code == 413
    assert template(response) == "pages/trouble.html"


def test_a_form_with_a_file_in_it(client: TestClient) -> None:
    response = client.post("/subscribe", files={"email": ("a.txt", b"ada@example.org")})

    assert response.status_code == 400
    assert template(response) == "pages/trouble.html"


def test_a_limit_says_when_to_come_back(client: TestClient, configured: Settings) -> None:
    for number in range(configured.limits.confirmations_per_client):
        client.post("/subscribe", data={"email": f"reader{number}@example.org"})

    response = client.post("/subscribe", data={"email": "ada@example.org"})

    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert "A little slower, please" in response.text


def test_a_database_that_is_away(
    client: TestClient,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    take_away(db, monkeypatch)

    response = client.get("/archive")

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "/srv/subscribers.db" not in response.text
    assert "/srv/subscribers.db" in caplog.text


def test_a_crash_is_a_page_without_a_traceback_and_with_every_guard(
    configured: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "archive", None)
    client = TestClient(
        create_app(configured, db),
        base_url=configured.publication.url,
        raise_server_exceptions=False,
    )

    response = client.get("/archive")

    assert response.status_code == 500
    assert "Something broke" in response.text
    assert "Traceback" not in response.text
    assert "NoneType" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound("Gone."), 404),
        (errors.InvalidLink("Not ours."), 404),
        (errors.InvalidAddress("No."), 422),
        (errors.Refused("No."), 409),
        (errors.TooManyRequests("Slower.", retry_after=7), 429),
        (errors.DatabaseUnavailable("Busy."), 503),
        (errors.RelayUnavailable("Away."), 503),
        (errors.Misconfigured("Wrong."), 500),
    ],
)
def test_each_error_of_ours_has_a_status(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(signup, "subscribe", refuse)

    response = client.post("/subscribe", data={"email": "ada@example.org"})

    assert response.status_code == status
    if status < 500:
        assert context(response)["message"] == str(error)


def test_a_slash_too_many_leads_to_the_page(client: TestClient, publish: Publish) -> None:
    path = publish()

    response = client.get(f"{path}/")

    assert response.status_code == 308
    assert response.headers["location"] == path


@pytest.mark.parametrize("path", ["//evil.example.net/", "/\\evil.example.net/", "///e.net//"])
def test_a_slash_too_many_never_leads_to_another_site(client: TestClient, path: str) -> None:
    response = client.get(f"https://letters.example.org{path}")

    location = response.headers.get("location", "/")
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")


def test_a_wrong_host_is_refused(client: TestClient, publish: Publish) -> None:
    path = publish()
    client.get(path)

    for page in (path, "/", "/subscribe"):
        response = client.get(page, headers={"Host": "evil.example.net"})

        assert response.status_code == 400
        assert "evil" not in response.text


def test_every_name_of_this_machine_is_right_at_home(configured: Settings, db: Database) -> None:
    home = replace(configured.publication, url="http://127.0.0.1:8000")
    client = TestClient(create_app(replace(configured, publication=home), db))

    for host in ("127.0.0.1:8000", "127.0.0.1:49152", "localhost", "[::1]:8000"):
        assert client.get("/", headers={"Host": host}).status_code == 200
        assert client.get("/", headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": "letters.example.org"}).status_code == 400
