"""The door for Stripe's events: who proves to be Stripe is heard and answered at once."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import pytest
import stripe
from httpx2 import Response
from starlette.testclient import TestClient

from connector.clock import MINUTE, SECOND
from connector.database import Database
from connector.errors import DatabaseUnavailable
from connector.membership import stripe_api, webhooks
from connector.settings import Settings, TierSettings
from connector.settings import Stripe as Account
from connector.till import events
from connector.till.transport import TillClient
from connector.web.app import create_app
from tests.conftest import NOW, People
from tests.database.tables import dump
from tests.membership.conftest import Life

BODY = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "livemode": False,
    "data": {"object": {"id": "in_1"}},
}


def event(**other: Any) -> bytes:
    return json.dumps(BODY | other).encode()


def real_time() -> int:
    return time.time_ns() // 1_000_000


def signed(settings: Settings, body: bytes, *, ago: int = 0, secret: str = "") -> dict[str, str]:
    """As Stripe's own library signs."""
    at = (real_time() - ago) // SECOND
    generate = stripe.WebhookSignature.generate_signature_header
    header = generate(body.decode("latin-1"), secret or settings.webhook_secret, at)
    return {"stripe-signature": header, "content-type": "application/json; charset=utf-8"}


@pytest.fixture
def door(configured: Settings, db: Database) -> Iterator[TestClient]:
    with TestClient(create_app(configured, db), base_url=configured.publication.url) as stripe_:
        yield stripe_


def post(door: TestClient, body: bytes, headers: dict[str, str]) -> Response:
    return door.post("/hooks/stripe", content=body, headers=headers)


def heard(db: Database) -> list[str]:
    return [row[0] for row in dump(db)["webhook_events"]]


def test_an_event_is_kept_and_answered_with_nothing(
    door: TestClient, db: Database, configured: Settings
) -> None:
    body = event()

    response = post(door, body, signed(configured, body))

    assert (response.status_code, response.content) == (200, b"")
    assert heard(db) == ["evt_1"]


def test_the_second_time_is_answered_like_the_first(
    door: TestClient, db: Database, configured: Settings
) -> None:
    body = event()

    answers = [post(door, body, signed(configured, body)).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert heard(db) == ["evt_1"]


@pytest.mark.parametrize(
    "what",
    [
        "forged",
        "replayed",
        "truncated",
        "oversized",
        "far too large",
        "wrong mode",
        "unsigned",
        "no event",
        "empty",
    ],
)
def test_what_is_not_right_is_refused_in_a_sentence_and_changes_nothing(
    door: TestClient, db: Database, configured: Settings, what: str
) -> None:
    body = {
        "oversized": event(padding="x" * webhooks.LARGEST),
        "far too large": event(padding="x" * 5 * 1024 * 1024),
        "wrong mode": event(livemode=True),
        "no event": b'{"object": "charge"}',
        "empty": b"",
    }.get(what, event())
    headers = {
        "forged": signed(configured, body, secret="whsec_guess"),
        "replayed": signed(configured, body, ago=5 * MINUTE + 2 * SECOND),
        "unsigned": {},
    }.get(what, signed(configured, body))
    before = dump(db)

    response = post(door, body[:-1] if what == "truncated" else body, headers)

    assert response.status_code == 400
    assert response.text.endswith(".\n")
    assert len(response.text.splitlines()) == 1
    assert dump(db) == before


def test_a_body_without_end_is_not_read_to_it(
    door: TestClient, db: Database, configured: Settings
) -> None:
    def endless() -> Iterator[bytes]:
        yield from (b"x" * 65536 for _ in range(40))

    response = door.post(
        "/hooks/stripe", content=endless(), headers=signed(configured, b"x" * 65536 * 40)
    )

    assert response.status_code == 400
    assert "too large" in response.text


def test_the_till_signs_as_stripe_does(
    door: TestClient, db: Database, configured: Settings, people: People
) -> None:
    client = stripe_api.client(configured, TillClient(db, configured, lambda: NOW))
    life = Life(db, configured, client, people.ada)
    life.join()

    delivered = events.deliver(
        db,
        configured,
        lambda body, header: post(door, body, {"stripe-signature": header}).status_code,
    )

    assert delivered.taken == len(heard(db)) > 5
    assert delivered.refused == 0


def test_stripe_is_never_asked_and_waits_for_nobody(
    door: TestClient, db: Database, configured: Settings
) -> None:
    with db.write() as tx:
        tx.run("INSERT INTO till_faults (kind, times) VALUES ('timeout', 99)")
    took = []

    for number in range(9):
        body = event(id=f"evt_{number}")
        headers = signed(configured, body)
        began = time.perf_counter()
        assert post(door, body, headers).status_code == 200
        took.append(time.perf_counter() - began)

    with db.read() as connection:
        assert connection.value("SELECT times FROM till_faults") == 99
    assert median(took) < 0.05


def test_a_browser_of_another_site_is_no_stranger_than_any_other(
    door: TestClient, configured: Settings
) -> None:
    body = event()

    response = post(door, body, signed(configured, body) | {"origin": "https://evil.example"})

    assert response.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_is_a_door_for_posts_alone(door: TestClient, method: str) -> None:
    assert door.request(method, "/hooks/stripe").status_code in (404, 405)


def test_where_nothing_costs_anything_there_is_no_door(configured: Settings, db: Database) -> None:
    free = replace(configured, tiers=(TierSettings("free", name="Free"),))
    body = event()

    with TestClient(create_app(free, db), base_url=free.publication.url) as door:
        response = post(door, body, signed(free, body))

    assert response.status_code == 404
    assert heard(db) == []


def test_without_a_secret_nobody_is_believed(configured: Settings, db: Database) -> None:
    account = replace(configured, stripe=Account(key="sk_test_1"))
    body = event()

    with TestClient(create_app(account, db), base_url=account.publication.url) as door:
        response = post(door, body, signed(account, body, secret="whsec_guess"))

    assert response.status_code == 400
    assert "no signing secret" in response.text


def test_with_the_database_away_it_is_to_come_again(
    door: TestClient, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> bool:
        raise DatabaseUnavailable("The database is away.")

    monkeypatch.setattr(webhooks, "receive", away)
    body = event()

    response = post(door, body, signed(configured, body))

    assert response.status_code == 503
