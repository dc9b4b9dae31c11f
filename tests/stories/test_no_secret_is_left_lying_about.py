"""After a whole life with money: no card, key or secret in a row, a log, a letter or a page."""

import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import stripe
from starlette.testclient import TestClient

from connector import clock, templates
from connector.cli import paying
from connector.clock import DAY, MINUTE
from connector.database import Database
from connector.membership import plan, rounds, store, stripe_api
from connector.membership.rounds import Attendant
from connector.membership.stripe_api import Client
from connector.settings import Settings, Stripe
from connector.till import desk, events
from connector.till.transport import TillClient
from connector.web.app import create_app
from tests.conftest import People
from tests.database.tables import dump
from tests.membership.conftest import Life

KEY = "sk_test_51NobodyShouldEverReadThisKey"
SIGNING = "whsec_NobodyShouldEverReadThisEither"
# A number of a card, alone: not the time in milliseconds, and no part of an id.
CARD = re.compile(r"(?<![\w.-])\d{14,19}(?![\w.-])")
PRIVATE = re.compile(r"\b(cvc|cvv|card_number|security_code)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Payments:
    """Whom the rounds ask."""

    life: Life

    def __call__(self) -> Client:
        return self.life.client

    def now(self) -> int:
        return max(self.life.now, clock.now())


def attendant(life: Life) -> Attendant:
    environment = templates.environment(life.settings.root)
    return Attendant(life.db, life.settings, environment, Payments(life))


def is_card(digits: str) -> bool:
    """Whether the last digit proves the others (ISO/IEC 7812-1)."""
    doubled = [int(one) * (2 - at % 2) for at, one in enumerate(digits[-2::-1])]
    return (sum(map(sum, (divmod(one, 10) for one in doubled))) + int(digits[-1])) % 10 == 0


def everything_kept(db: Database) -> str:
    rows = (row for table in dump(db).values() for row in table)
    return "\n".join(
        bytes(value).decode("utf-8", "replace")
        if isinstance(value, bytes | memoryview)
        else str(value)
        for row in rows
        for value in row
    )


def assert_clean(text: str, settings: Settings, where: str) -> None:
    secrets = [settings.webhook_secret, settings.stripe.key, KEY, SIGNING, "a test's own secret"]
    assert not [one for one in secrets if one and one in text], where
    assert not PRIVATE.findall(text), where
    assert not [found for found in CARD.findall(text) if is_card(found)], where


def lived(life: Life, door: TestClient) -> Iterator[str]:
    """A life, and every answer that the door gave."""

    def post(body: bytes, header: str) -> int:
        response = door.post("/hooks/stripe", content=body, headers={"stripe-signature": header})
        said.append(response.text)
        return response.status_code

    said: list[str] = []
    made = (life.db, life.settings, life.client, life.somebody.id)
    tabs = [life.visit("supporter"), life.visit("founding", amount="9")]
    for tab in tabs:
        desk.pay(life.db, life.settings, tab, card="declined", now=life.start)
        life.pay(tab)
    events.deliver(life.db, life.settings, post, order="shuffled", twice=3, drop=2)
    attendant(life).attend(now=clock.now() + DAY)
    life.join("tip", amount="5")
    life.card("declined")
    life.wait(32)
    events.deliver(life.db, life.settings, post)
    attendant(life).attend(now=clock.now() + 2 * DAY)
    with life.db.read() as connection:
        paid = store.payments_of(connection, life.somebody.id, mode="till")
    intent = next(one.intent_id for one in paid if one.status == "paid" and one.kind == "tip")
    desk.dispute(life.db, life.settings, intent, now=life.start)
    plan.end(*made, now=life.now)
    for fault in ("api error", "timeout", "rate limit"):
        desk.fail_next(life.db, fault)
    events.deliver(life.db, life.settings, post)
    for days in (3, 4, 5):
        attendant(life).attend(now=clock.now() + days * DAY)
    yield from said


def test_a_whole_life_leaves_no_secret(
    db: Database, configured: Settings, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    start = clock.now()
    client = stripe_api.client(configured, TillClient(db, configured, lambda: start))
    life = Life(db, configured, client, people.ada, start)
    app = create_app(configured, db)

    with TestClient(
        app, base_url=configured.publication.url, raise_server_exceptions=False
    ) as door:
        answers = list(lived(life, door))
        forged = [
            door.post("/hooks/stripe", content=b"{}", headers={"stripe-signature": header}).text
            for header in ("", "t=1,v1=abc", f"t={int(time.time())},v1={configured.webhook_secret}")
        ]

    assert len(dump(db)["webhook_events"]) > 9
    assert_clean("\n".join([*answers, *forged]), configured, "an answer")
    assert_clean(caplog.text, configured, "the log")
    assert_clean(everything_kept(db), configured, "the database")


class Refusing(stripe.HTTPClient):
    """Stripe, as it refuses a key: its words hold some of it."""

    name = "refusing"

    def request(  # type: ignore[override]  # the package says str, and takes bytes
        self, *_: Any, **__: Any
    ) -> tuple[bytes, int, dict[str, str]]:
        said = f"Invalid API Key provided: {KEY}"
        body = {"error": {"type": "invalid_request_error", "message": said}}
        return json.dumps(body).encode(), 401, {}

    def close(self) -> None:
        """Nothing is open."""


def test_a_key_that_is_refused_is_shown_to_nobody(
    db: Database,
    configured: Settings,
    people: People,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(stripe, "RequestsClient", lambda **_: Refusing())
    account = replace(configured, stripe=Stripe(key=KEY, webhook_secret=SIGNING))
    life = Life(db, account, stripe_api.client(account), people.ada)

    here = attendant(life)
    for later in range(0, 10 * MINUTE, MINUTE):
        here.attend((rounds.SWEEP, rounds.SYNC), now=clock.now() + 2 * DAY + later)
    said = [*paying.ailments(db, account), paying.standing(db, account), repr(account)]

    assert "does not accept our key" in everything_kept(db)
    assert_clean("\n".join(said), account, "what the operator is shown")
    assert_clean(caplog.text, account, "the log")
    assert_clean(everything_kept(db), account, "the database")
