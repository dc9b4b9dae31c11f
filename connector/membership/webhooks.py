"""What Stripe tells us: verified, kept once, answered at once, and looked at by a worker.

An event is a hint that something changed; nothing it says is believed.
"""

import hashlib
import hmac
import json
import logging
import re
from typing import Any

from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.errors import ConnectorError, InvalidWebhook, PaymentsUnavailable, Unavailable
from connector.membership import projection, store
from connector.membership.projection import Subject
from connector.membership.store import Waiting
from connector.membership.stripe_api import Client
from connector.settings import Settings

log = logging.getLogger(__name__)

# Stripe's own tolerance: https://docs.stripe.com/webhooks#verify-manually
TOLERANCE = 5 * MINUTE
LARGEST = 512 * 1024
# An event that cannot be settled is tried again for as long as Stripe would send it again.
TRIES = 40
# What an event said is let go of after that; it holds addresses.
KEPT = 30 * DAY
BATCH = 100
ID = re.compile(r"evt_[A-Za-z0-9_]{1,240}")


def receive(db: Database, settings: Settings, body: bytes, header: str, *, now: int) -> bool:
    """Keep an event that Stripe sent; whether it is new. Asks Stripe nothing.

    Raises InvalidWebhook for what is not signed, older than five minutes, too large, not an
    event, or of another mode than our key's; nothing is changed then.
    """
    event = verified(settings, body, header, now=now)
    with db.write(durable=True) as tx:
        return store.insert_event(
            tx, event["id"], mode=settings.stripe.mode, kind=event["type"], body=body, now=now
        )


def verified(settings: Settings, body: bytes, header: str, *, now: int) -> dict[str, Any]:
    """The event in a body that carries Stripe's signature; raises InvalidWebhook."""
    if len(body) > LARGEST:
        raise InvalidWebhook("The event is too large.")
    _verify(settings.webhook_secret, body, header, now=now)
    event = _event(body)
    if event["livemode"] != settings.stripe.is_live:
        kind = "real money" if event["livemode"] else "a test"
        raise InvalidWebhook(f"The event is about {kind}, and our key is not.")
    return event


def work(db: Database, settings: Settings, client: Client, *, now: int, limit: int = BATCH) -> int:
    """Look at events that wait: ask how each subject stands, once, and write it; how many were.

    When Stripe is away all wait, and one alone is asked about; one that fails for another reason
    waits longer each time and holds up no other.
    """
    with db.read() as connection:
        waiting = store.waiting_events(connection, mode=settings.stripe.mode, limit=limit, now=now)
    subjects: dict[Subject | None, list[Waiting]] = {}
    for event in waiting:
        subjects.setdefault(_subject(event), []).append(event)
    settled = 0
    for subject, events in subjects.items():
        try:
            settled += _look(db, settings, client, subject, events, now=now)
        except PaymentsUnavailable as error:
            _defer(db, events, why=error.why, now=now)
            break
    return settled


def tidy(db: Database, *, now: int) -> int:
    """Let go of what old events said; that they came stays known."""
    with db.write() as tx:
        return store.empty_events(tx, before=now - KEPT)


def _look(
    db: Database,
    settings: Settings,
    client: Client,
    subject: Subject | None,
    events: list[Waiting],
    *,
    now: int,
) -> int:
    try:
        if subject is not None:
            projection.project(db, settings, client, subject, now=now)
    except Unavailable:
        raise
    except ConnectorError as error:
        _settle(db, events, why=str(error), now=now)
        return len(events)
    except Exception as error:
        log.exception("An event about %s could not be followed.", subject)
        _defer(db, events, why=type(error).__name__, now=now)
        return 0
    _settle(db, events, why="" if subject else "not followed", now=now)
    return len(events)


def _settle(db: Database, events: list[Waiting], *, why: str, now: int) -> None:
    with db.write(durable=True) as tx:
        for event in events:
            store.settle_event(tx, event.id, why=why, now=now)


def _defer(db: Database, events: list[Waiting], *, why: str, now: int) -> None:
    with db.write() as tx:
        for event in events:
            if event.attempts + 1 >= TRIES:  # the nightly sync heals what is left
                store.settle_event(tx, event.id, why=f"given up: {why}", now=now)
            else:
                wait = min(MINUTE << min(event.attempts, 10), 2 * HOUR)
                store.defer_event(tx, event.id, why=why, due_at=now + wait)


def _subject(event: Waiting) -> Subject | None:
    try:
        return projection.touched(json.loads(event.body))
    except (KeyError, TypeError, AttributeError, ValueError):
        log.warning("An event of type %s is not shaped as Stripe's documentation says.", event.type)
        return None


def _verify(secret: str, body: bytes, header: str, *, now: int) -> None:
    if not secret:
        raise InvalidWebhook("We have no signing secret to check events with.")
    parts = [part.strip().partition("=") for part in header[:4096].split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        raise InvalidWebhook("The event is not signed.")
    expected = _proof(secret, int(times[0]), body).encode()
    # While a secret is changed there are several signatures, one for each.
    given = [value.encode(errors="replace") for name, _, value in parts if name == "v1"]
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise InvalidWebhook("The event is not signed by Stripe for us.")
    if abs(now - int(times[0]) * SECOND) > TOLERANCE:
        raise InvalidWebhook("The event was signed too long ago.")


def _proof(secret: str, at: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidWebhook("The event cannot be read.") from None
    if (
        not isinstance(event, dict)
        or event.get("object") != "event"
        or not isinstance(event.get("type"), str)
        or not isinstance(event.get("livemode"), bool)
        or not ID.fullmatch(str(event.get("id")))
    ):
        raise InvalidWebhook("The event is not shaped as Stripe's documentation says.")
    return event
