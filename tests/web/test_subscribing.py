"""The form: one answer for everybody, errors at the field, nothing for machines."""

import pytest
from starlette.testclient import TestClient

from connector.database import Database
from connector.readers import store
from connector.settings import Settings
from tests.conftest import People
from tests.web.looking import context, dump, template


def letters_to(db: Database, address: str) -> int:
    with db.read() as connection:
        found: int = connection.value(
            "SELECT count(*) FROM deliveries WHERE address_key = :key", key=address
        )
        return found


def test_whoever_asks_is_told_to_look_in_their_inbox(client: TestClient, db: Database) -> None:
    response = client.post("/subscribe", data={"email": "eva@example.org", "page": "/p/the-bench"})

    assert response.status_code == 303
    assert response.headers["location"] == "/subscribe/sent"
    assert template(client.get("/subscribe/sent")) == "pages/sent.html"
    with db.read() as connection:
        eva = store.by_key(connection, "eva@example.org")
        assert eva is not None
        assert eva.state == "pending"
        assert store.consents(connection, eva.id)[0].page == "/p/the-bench"
    assert letters_to(db, "eva@example.org") == 1


def test_the_answer_is_the_same_for_a_known_address(client: TestClient, people: People) -> None:
    answers = [
        client.post("/subscribe", data={"email": email})
        for email in ("nobody@example.org", people.ada.email, people.cas.email, people.dan.email)
    ]

    assert {(each.status_code, each.text) for each in answers} == {(303, "")}
    assert {tuple(each.headers.items()) for each in answers} == {tuple(answers[0].headers.items())}


@pytest.mark.parametrize(
    "typed", ["", "ada", "ada@", "ada@example", "a b@example.org", "a@example.org, b@example.org"]
)
def test_an_error_stands_at_the_field_with_what_was_typed(
    client: TestClient, db: Database, typed: str
) -> None:
    before = dump(db)

    response = client.post("/subscribe", data={"email": typed})

    assert response.status_code == 422
    assert template(response) == "pages/subscribe.html"
    assert context(response)["form"].errors["email"]
    assert 'aria-invalid="true"' in response.text
    assert 'aria-describedby="email-error' in response.text
    assert f'value="{typed}"' in response.text
    assert dump(db) == before


def test_what_was_typed_comes_back_as_text(client: TestClient) -> None:
    response = client.post("/subscribe", data={"email": '"><script>alert(1)</script>'})

    assert response.status_code == 422
    assert "<script>" not in response.text


def test_a_program_that_fills_in_everything_gets_the_same_answer_and_no_letter(
    client: TestClient, db: Database
) -> None:
    before = dump(db)

    response = client.post("/subscribe", data={"email": "eva@example.org", "website": "x"})

    assert response.headers["location"] == "/subscribe/sent"
    assert dump(db) == before


def test_the_page_is_taken_from_the_referrer_when_the_form_does_not_say(
    client: TestClient, db: Database
) -> None:
    client.post(
        "/subscribe",
        data={"email": "eva@example.org"},
        headers={"Referer": "https://letters.example.org/p/the-bench?utm_source=x"},
    )

    with db.read() as connection:
        assert connection.value("SELECT page FROM consents") == "/p/the-bench"


def test_fifty_sign_ups_are_no_more_letters_than_one_address_may_get(
    client: TestClient, db: Database, configured: Settings
) -> None:
    answers = [
        client.post("/subscribe", data={"email": "eva@example.org"}).status_code for _ in range(50)
    ]

    assert set(answers) <= {303, 429}
    assert letters_to(db, "eva@example.org") == configured.limits.confirmations_per_address


def test_every_form_on_the_site_says_what_will_happen(client: TestClient) -> None:
    for page in ("/", "/about", "/subscribe"):
        text = client.get(page).text

        assert '<label for="email">' in text
        assert "You get one email to confirm" in text
