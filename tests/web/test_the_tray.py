"""The Tray's pages: at home and without a relay only, and a letter in them can do nothing."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from connector.database import Database
from connector.delivery import store
from connector.delivery.kept import packed
from connector.settings import Settings
from connector.web.app import create_app
from tests.web.looking import context, dump, template

HOME = "http://127.0.0.1:8000"
RAW = b"""From: Ines <ines@example.org>\r
To: Ada <ada@example.org>\r
Subject: The Bench\r
MIME-Version: 1.0\r
Content-Type: multipart/alternative; boundary=edge\r
\r
--edge\r
Content-Type: text/plain; charset=utf-8\r
\r
It belongs to nobody.\r
--edge\r
Content-Type: text/html; charset=utf-8\r
\r
<html><head><title>The Bench</title></head><body style="color:red"><p>It belongs to \
<a href="https://example.org">nobody</a>.</p><script>alert(1)</script></body></html>\r
--edge--\r
"""


@pytest.fixture
def at_home(configured: Settings) -> Settings:
    return replace(configured, publication=replace(configured.publication, url=HOME))


@pytest.fixture
def client(at_home: Settings, db: Database) -> TestClient:
    return TestClient(create_app(at_home, db), base_url=HOME)


@pytest.fixture
def letter(db: Database, now: int) -> int:
    row = {
        "received_at": now,
        "sender": "ines@example.org",
        "recipient": "ada@example.org",
        "recipient_key": "ada@example.org",
        "subject": "The Bench",
        "raw": packed(RAW),
    }
    with db.write() as tx:
        store.keep_in_tray(tx, [row])
        return int(tx.value("SELECT max(id) FROM tray"))


def test_it_lists_letters_and_says_what_it_is(client: TestClient, letter: int) -> None:
    response = client.get("/tray")

    assert template(response) == "tray/list.html"
    assert "This is the Tray." in response.text
    assert f'href="/tray/{letter}"' in response.text
    assert response.headers["x-robots-tag"] == "noindex"


def test_an_empty_tray_says_what_will_lie_there(client: TestClient) -> None:
    assert "The Tray is empty." in client.get("/tray").text


def test_it_continues_where_the_page_ended(client: TestClient, db: Database, letter: int) -> None:
    with db.write() as tx:
        for _ in range(60):
            tx.run(
                "INSERT INTO tray (received_at, sender, recipient, recipient_key, subject, raw) "
                "SELECT received_at, sender, recipient, recipient_key, subject, raw FROM tray "
                "WHERE id = :id",
                id=letter,
            )

    first = client.get("/tray")
    second = client.get(f"/tray?before={context(first)['older']}")

    assert len(context(first)["letters"]) == 50
    assert len(context(second)["letters"]) == 11
    assert context(second)["older"] is None


def test_a_letter_is_read_in_three_ways(client: TestClient, letter: int) -> None:
    html, text, source = (client.get(f"/tray/{letter}{view}") for view in ("", "/text", "/source"))

    assert f'<iframe src="/tray/{letter}/letter"' in html.text
    assert "It belongs to nobody." in text.text
    assert "boundary=edge" in source.text
    assert "&lt;script&gt;" in source.text


def test_the_letters_own_frame_runs_nothing(client: TestClient, letter: int) -> None:
    response = client.get(f"/tray/{letter}/letter")

    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert '<head><base target="_blank">' in response.text


def test_looking_changes_nothing(client: TestClient, db: Database, letter: int) -> None:
    before = dump(db)

    for view in ("", f"/{letter}", f"/{letter}/text", f"/{letter}/source", f"/{letter}/letter"):
        assert client.get(f"/tray{view}").status_code == 200

    assert dump(db) == before


def test_a_letter_that_is_gone_is_a_page(client: TestClient) -> None:
    assert client.get("/tray/99").status_code == 404
    assert client.get("/tray/ninety").status_code == 404


def test_it_is_not_there_on_a_real_site(configured: Settings, db: Database, letter: int) -> None:
    client = TestClient(create_app(configured, db), base_url=configured.publication.url)

    assert client.get("/tray").status_code == 404
    assert client.get(f"/tray/{letter}/letter").status_code == 404
    assert "/tray" not in client.get("/").text


def test_it_is_not_there_beside_a_relay(at_home: Settings, db: Database, letter: int) -> None:
    relayed = replace(at_home, mail=replace(at_home.mail, host="smtp.example.org"))
    client = TestClient(create_app(relayed, db), base_url=HOME)

    assert client.get("/tray").status_code == 404
    assert client.get(f"/tray/{letter}/source").status_code == 404
