"""Unsubscribing: a scanner changes nothing, a reader or a mail program is done in one step."""

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from connector import clock
from connector.clock import DAY
from connector.database import Database
from connector.readers import preferences
from connector.settings import Settings
from tests.conftest import People
from tests.web.conftest import Clock, Publish
from tests.web.looking import dump, leaving, own, template

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def link(configured: Settings, people: People) -> str:
    return leaving(configured, people.ada.id)


def state_of(db: Database, recipient: int) -> str:
    return preferences.find(db, recipient).state


def as_a_form(client: TestClient, link: str) -> Response:
    return client.post(link, data=ONE_CLICK)


def as_multipart(client: TestClient, link: str) -> Response:
    body = (
        b"--edge\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\n"
        b"One-Click\r\n--edge--\r\n"
    )
    return client.post(
        link, content=body, headers={"Content-Type": "multipart/form-data; boundary=edge"}
    )


def from_a_webmail(client: TestClient, link: str) -> Response:
    return client.post(
        link,
        data=ONE_CLICK,
        headers={"Origin": "https://mail.example.net", "Sec-Fetch-Site": "cross-site"},
    )


def with_nothing(client: TestClient, link: str) -> Response:
    return client.post(link)


def test_opening_any_link_of_a_letter_changes_nothing(
    client: TestClient, db: Database, configured: Settings, people: People, publish: Publish
) -> None:
    links = [publish(), "/", "/archive"]
    for person in (people.ada, people.bea, people.cas, people.dan):
        mine = own(configured, person.id)
        links += [leaving(configured, person.id), mine, f"{mine}/data", f"{mine}/erase"]
    before = dump(db)

    answers = [ask(link).status_code for link in links for ask in (client.get, client.head)]

    assert set(answers) == {200}
    assert dump(db) == before


@pytest.mark.parametrize("click", [as_a_form, as_multipart, from_a_webmail, with_nothing])
def test_one_click_acts_at_once(
    client: TestClient, db: Database, people: People, link: str, click: object
) -> None:
    assert callable(click)

    response = click(client, link)

    assert response.status_code == 200
    assert template(response) == "pages/unsubscribed.html"
    assert state_of(db, people.ada.id) == "unsubscribed"


def test_a_second_click_is_as_kind_and_changes_nothing(
    client: TestClient, db: Database, link: str
) -> None:
    first = as_a_form(client, link)
    before = dump(db)

    second, page = as_a_form(client, link), client.get(link)

    assert [first.status_code, second.status_code, page.status_code] == [200, 200, 200]
    assert template(page) == "pages/unsubscribed.html"
    assert dump(db) == before


def test_a_forged_link_changes_nothing(client: TestClient, db: Database, people: People) -> None:
    before = dump(db)

    answers = [
        as_a_form(client, f"/unsubscribe/{token}").status_code
        for token in (f"{people.ada.id}.AAAAAAAAAAAAAAAAAAAAAA", f"{people.ada.id}", ".", "é.é")
    ]

    assert answers == [404, 404, 404, 404]
    assert dump(db) == before


def test_a_link_of_last_year_still_works(
    client: TestClient, db: Database, people: People, link: str, turned: Clock
) -> None:
    turned.now += 400 * DAY

    response = as_a_form(client, link)

    assert response.status_code == 200
    assert state_of(db, people.ada.id) == "unsubscribed"


def test_one_link_stops_one_reader(
    client: TestClient, db: Database, people: People, link: str
) -> None:
    as_a_form(client, link)

    assert state_of(db, people.bea.id) == "active"


def test_a_letter_on_its_own_behalf_still_comes_after_leaving(
    client: TestClient, db: Database, people: People, link: str
) -> None:
    client.post("/subscribe", data={"email": people.ada.email})

    as_a_form(client, link)

    with db.read() as connection:
        assert connection.rows("SELECT state FROM deliveries") == [("queued",)]


def test_one_click_takes_it_back(
    client: TestClient, db: Database, people: People, link: str
) -> None:
    left = as_a_form(client, link)

    back = client.post(f"{link}/undo")

    assert f'action="{link}/undo"' in left.text
    assert back.status_code == 200
    assert template(back) == "pages/resubscribed.html"
    assert state_of(db, people.ada.id) == "active"


def test_coming_back_to_an_address_that_bounced_is_refused_in_a_sentence(
    client: TestClient, db: Database, configured: Settings, people: People
) -> None:
    link = leaving(configured, people.dan.id)
    as_a_form(client, link)

    back = client.post(f"{link}/undo")

    assert back.status_code == 409
    assert "sign up again" in back.text
    assert state_of(db, people.dan.id) == "unsubscribed"


def test_the_link_of_somebody_erased_is_answered_kindly(
    client: TestClient, db: Database, configured: Settings, people: People, link: str
) -> None:
    preferences.erase(db, configured, people.ada.id, clock.now())

    shown, clicked = client.get(link), as_a_form(client, link)

    assert (shown.status_code, clicked.status_code) == (200, 200)
    assert "/undo" not in clicked.text


def test_the_page_offers_a_pause_instead(
    client: TestClient, configured: Settings, people: People, link: str
) -> None:
    response = client.get(link)

    assert f'href="{own(configured, people.ada.id)}"' in response.text
