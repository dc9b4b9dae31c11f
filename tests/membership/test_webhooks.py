"""What is let in at the door for Stripe's events, and how often it is kept."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from connector import settings
from connector.clock import DAY, MINUTE, SECOND
from connector.database import Database
from connector.errors import InvalidWebhook
from connector.membership import webhooks
from connector.settings import Settings
from tests.conftest import NOW, TOML
from tests.database.tables import dump


def event(**other: Any) -> bytes:
    return json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": "invoice.paid",
            "livemode": False,
            "data": {"object": {"id": "in_1"}},
        }
        | other
    ).encode()


def signature(settings: Settings, body: bytes, *, at: int = NOW, secret: str = "") -> str:
    """As Stripe's own library signs."""
    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret or settings.webhook_secret, at // SECOND
    )
    return header


def kept(db: Database) -> list[Any]:
    return dump(db)["webhook_events"]


def test_an_event_is_kept_as_it_came(db: Database, configured: Settings) -> None:
    body = event()

    is_new = webhooks.receive(db, configured, body, signature(configured, body), now=NOW)

    assert is_new
    ((key, mode, kind, received_at, raw, due_at, settled_at, *_),) = kept(db)
    assert (key, mode, kind, received_at) == ("evt_1", "till", "invoice.paid", NOW)
    assert (bytes(raw), due_at, settled_at) == (body, NOW, None)


def test_one_that_comes_again_is_kept_once(db: Database, configured: Settings) -> None:
    body = event()
    header = signature(configured, body)

    told = [webhooks.receive(db, configured, body, header, now=NOW + n) for n in range(3)]

    assert told == [True, False, False]
    assert len(kept(db)) == 1


@pytest.mark.parametrize("late", [-5 * MINUTE, 0, 5 * MINUTE])
def test_five_minutes_are_forgiven(db: Database, configured: Settings, late: int) -> None:
    body = event()

    assert webhooks.receive(db, configured, body, signature(configured, body), now=NOW + late)


def test_a_secret_may_be_changed_while_events_come(db: Database, configured: Settings) -> None:
    body = event()
    old, new = signature(configured, body, secret="whsec_old"), signature(configured, body)
    both = f"{old},{new.partition(',')[2]}"

    assert webhooks.receive(db, configured, body, both, now=NOW)


@pytest.mark.parametrize(
    "what",
    [
        "forged",
        "changed",
        "truncated",
        "replayed",
        "from the future",
        "oversized",
        "wrong mode",
        "no event",
        "not JSON",
        "not text",
        "deep",
        "no id",
        "unsigned",
        "an older scheme",
        "two times",
        "a time that is none",
    ],
)
def test_what_is_not_right_changes_nothing(db: Database, configured: Settings, what: str) -> None:
    body = {
        "oversized": event(padding="x" * webhooks.LARGEST),
        "wrong mode": event(livemode=True),
        "no event": b'{"object": "charge", "id": "ch_1"}',
        "not JSON": b"{",
        "deep": b"[" * 100_000,
        "no id": event(id=None),
    }.get(what, event())
    header = signature(configured, body)
    header = {
        "forged": signature(configured, body, secret="whsec_guess"),
        "replayed": signature(configured, body, at=NOW - 5 * MINUTE - SECOND),
        "from the future": signature(configured, body, at=NOW + 5 * MINUTE + SECOND),
        "unsigned": "",
        "an older scheme": header.replace("v1=", "v0="),
        "two times": f"t=1,{header}",
        "a time that is none": header.replace("t=", "t=x"),
    }.get(what, header)
    sent = {"changed": body + b" ", "truncated": body[:-1], "not text": b"\xff" + body}.get(
        what, body
    )
    before = dump(db)

    with pytest.raises(InvalidWebhook) as caught:
        webhooks.receive(db, configured, sent, header, now=NOW)

    assert "\n" not in str(caught.value)
    assert configured.webhook_secret not in str(caught.value)
    assert dump(db) == before


@pytest.mark.only("sqlite")
def test_without_a_secret_the_door_is_closed(db: Database, configured: Settings) -> None:
    live = replace(configured, stripe=replace(configured.stripe, key="sk_test_1"))
    body = event()

    with pytest.raises(InvalidWebhook, match="no signing secret"):
        webhooks.receive(db, live, body, signature(configured, body, secret="whsec_"), now=NOW)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("publication")
    (root / "connector.toml").write_text(TOML, encoding="utf-8")
    return settings.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough to be one"})


@given(header=st.text(), body=st.binary())
def test_whatever_strangers_send_is_refused(told: Settings, header: str, body: bytes) -> None:
    with pytest.raises(InvalidWebhook):
        webhooks.verified(told, body, header, now=NOW)


def test_what_old_events_said_is_let_go(db: Database, configured: Settings) -> None:
    body = event(type="a.stranger")
    webhooks.receive(db, configured, body, signature(configured, body), now=NOW)
    webhooks.work(db, configured, cast("Any", None), now=NOW)  # nothing is asked

    webhooks.tidy(db, now=NOW + 30 * DAY)
    assert kept(db)[0][4] is not None
    webhooks.tidy(db, now=NOW + 30 * DAY + 1)

    assert kept(db)[0][4] is None
    assert not webhooks.receive(db, configured, body, signature(configured, body), now=NOW)
