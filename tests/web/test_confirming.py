"""The link in a confirmation letter: it shows a button, the button acts, an old one is renewed."""

import re

import pytest
from starlette.testclient import TestClient

from connector.clock import DAY
from connector.database import Database
from connector.readers import links, store
from connector.settings import Settings
from tests.web.conftest import Clock
from tests.web.looking import context, dump, template


@pytest.fixture
def link(client: TestClient, db: Database) -> str:
    """The path in the letter that Eva got."""
    client.post("/subscribe", data={"email": "eva@example.org"})
    with db.read() as connection:
        text = connection.value("SELECT text FROM letters")
    found = re.search(r"https://letters\.example\.org(/confirm/\S+)", text)
    assert found
    return found[1]


def state_of(db: Database, email: str) -> str:
    with db.read() as connection:
        found = store.by_key(connection, email)
        assert found is not None
        return found.state


def test_opening_the_link_shows_a_button_and_changes_nothing(
    client: TestClient, db: Database, link: str
) -> None:
    before = dump(db)

    pages = client.get(link), client.head(link)

    assert [page.status_code for page in pages] == [200, 200]
    assert f'<form method="post" action="{link}">' in pages[0].text
    assert dump(db) == before


def test_the_button_puts_them_on_the_list(client: TestClient, db: Database, link: str) -> None:
    response = client.post(link)

    assert response.status_code == 303
    assert response.headers["location"] == "/welcome"
    assert template(client.get("/welcome")) == "pages/welcome.html"
    assert state_of(db, "eva@example.org") == "active"


def test_pressing_it_twice_is_harmless(client: TestClient, db: Database, link: str) -> None:
    client.post(link)
    before = dump(db)

    again, page = client.post(link), client.get(link)

    assert again.status_code == 303
    assert "You are on the list" in page.text
    assert dump(db) == before


def test_an_old_link_says_when_it_was_made_and_offers_a_new_one(
    client: TestClient, db: Database, link: str, turned: Clock, now: int
) -> None:
    turned.now = now + links.AGE + 1
    before = dump(db)

    shown, pressed = client.get(link), client.post(link)

    assert (shown.status_code, pressed.status_code) == (410, 410)
    assert template(shown) == "pages/expired.html"
    assert context(shown)["signed_at"] == now
    assert f'action="{link}/resend"' in shown.text
    assert dump(db) == before


def test_a_new_link_goes_to_the_same_address(
    client: TestClient, db: Database, link: str, turned: Clock, now: int
) -> None:
    turned.now = now + 30 * DAY

    response = client.post(f"{link}/resend")

    assert response.headers["location"] == "/subscribe/sent"
    with db.read() as connection:
        rows = connection.rows("SELECT address FROM deliveries ORDER BY id")
    assert rows == [("eva@example.org",), ("eva@example.org",)]


@pytest.mark.parametrize("part", ["", "/resend"])
def test_a_forged_link_opens_nothing(
    client: TestClient, db: Database, link: str, part: str
) -> None:
    before = dump(db)

    answers = [
        client.post(f"{forged}{part}").status_code
        for forged in (link[:-1] + "~", "/confirm/1", "/confirm/%00", "/confirm/é")
    ]

    assert answers == [404, 404, 404, 404]
    assert dump(db) == before


def test_a_link_made_for_leaving_confirms_nobody(
    client: TestClient, db: Database, configured: Settings, link: str
) -> None:
    token = configured.keys.sign("unsubscribe", "1")

    response = client.post(f"/confirm/{token}")

    assert response.status_code == 404
    assert state_of(db, "eva@example.org") == "pending"
