"""The preferences page: each button does one thing, says so, and the link is the only key."""

import pytest
from starlette.testclient import TestClient

from connector import clock
from connector.clock import DAY
from connector.database import Database
from connector.readers import preferences
from connector.readers.subscriber import LONGEST_NAME, Subscriber
from connector.settings import Settings
from tests.conftest import People
from tests.web.conftest import Clock
from tests.web.looking import context, dump, leaving, own, template

POSTS = ("name", "pause", "resume", "unsubscribe", "resubscribe", "erase")


@pytest.fixture
def mine(configured: Settings, people: People) -> str:
    return own(configured, people.ada.id)


def ada(db: Database, people: People) -> Subscriber:
    return preferences.find(db, people.ada.id)


def test_the_page_shows_what_a_reader_gets(client: TestClient, mine: str) -> None:
    response = client.get(mine)

    assert template(response) == "pages/preferences.html"
    assert "ada@example.org" in response.text
    assert "Pause for three months" in response.text


def test_a_name_is_changed_and_the_page_says_so(
    client: TestClient, db: Database, people: People, mine: str
) -> None:
    response = client.post(f"{mine}/name", data={"name": "Ada L."})

    assert response.headers["location"] == f"{mine}?saved=name"
    assert "Your name is saved." in client.get(response.headers["location"]).text
    assert ada(db, people).name == "Ada L."


def test_a_name_that_is_too_long_comes_back_with_a_word(
    client: TestClient, db: Database, people: People, mine: str
) -> None:
    response = client.post(f"{mine}/name", data={"name": "a" * (LONGEST_NAME + 1)})

    assert response.status_code == 422
    assert "name" in context(response)["form"].errors
    assert ada(db, people).name == "Ada"


@pytest.mark.parametrize(("months", "days"), [("1", 30), ("3", 91)])
def test_a_pause_has_an_end(
    client: TestClient, db: Database, people: People, mine: str, *, months: str, days: int
) -> None:
    response = client.post(f"{mine}/pause", data={"months": months})

    until = ada(db, people).paused_until
    assert response.status_code == 303
    assert until is not None
    assert abs(until - clock.now() - days * DAY) <= 2 * DAY
    assert "Paused until" in client.get(mine).text


def test_a_pause_of_another_length_is_refused(
    client: TestClient, db: Database, people: People, mine: str
) -> None:
    response = client.post(f"{mine}/pause", data={"months": "1200"})

    assert response.status_code == 422
    assert ada(db, people).paused_until is None


def test_a_pause_can_end_early(client: TestClient, db: Database, people: People, mine: str) -> None:
    client.post(f"{mine}/pause", data={"months": "3"})

    response = client.post(f"{mine}/resume")

    assert response.headers["location"] == f"{mine}?saved=resumed"
    assert ada(db, people).paused_until is None


def test_a_pause_that_is_over_is_not_shown(client: TestClient, mine: str, turned: Clock) -> None:
    client.post(f"{mine}/pause", data={"months": "1"})
    turned.now += 40 * DAY

    assert "Pause for a month" in client.get(mine).text


def test_leaving_and_coming_back_are_one_button_each(
    client: TestClient, db: Database, people: People, mine: str
) -> None:
    left = client.post(f"{mine}/unsubscribe")
    state_between = ada(db, people).state
    shown = client.get(left.headers["location"])

    back = client.post(f"{mine}/resubscribe")

    assert (left.headers["location"], state_between) == (mine, "unsubscribed")
    assert f'action="{mine}/resubscribe"' in shown.text
    assert back.headers["location"] == f"{mine}?saved=back"
    assert ada(db, people).state == "active"


def test_a_reader_takes_their_data_along(client: TestClient, mine: str) -> None:
    response = client.get(f"{mine}/data")

    assert response.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert response.json()["subscriber"]["email"] == "ada@example.org"


def test_erasing_asks_first_and_then_leaves_nothing(
    client: TestClient, db: Database, mine: str
) -> None:
    asked = client.get(f"{mine}/erase")

    done = client.post(f"{mine}/erase")

    assert "This cannot be undone" in asked.text
    assert done.headers["location"] == "/goodbye"
    assert client.get("/goodbye").status_code == 200
    assert not [line for line in dump(db) if "ada@example.org" in line]
    assert client.get(mine).status_code == 404
    assert client.post(f"{mine}/erase").status_code == 303


@pytest.mark.parametrize("post", POSTS)
def test_a_forged_link_changes_nothing(
    client: TestClient, db: Database, people: People, configured: Settings, post: str
) -> None:
    before = dump(db)
    token = leaving(configured, people.ada.id).rpartition("/")[2]

    answers = [
        client.post(f"/preferences/{forged}/{post}", data={"name": "x", "months": "1"}).status_code
        for forged in (token, f"{people.ada.id}.AAAAAAAAAAAAAAAAAAAAAA", "1")
    ]

    assert answers == [404, 404, 404]
    assert dump(db) == before


@pytest.mark.parametrize("post", POSTS)
def test_another_site_cannot_press_a_button(
    client: TestClient, db: Database, mine: str, post: str
) -> None:
    before = dump(db)

    response = client.post(f"{mine}/{post}", headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert dump(db) == before


def test_a_saved_word_that_is_not_ours_is_not_shown(client: TestClient, mine: str) -> None:
    response = client.get(f"{mine}?saved=<b>hacked</b>")

    assert context(response)["saved"] is None
    assert "hacked" not in response.text
