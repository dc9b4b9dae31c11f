"""Events on their way to the site: signed like Stripe's, in order or not, twice or never.

The signing secret follows from the site's own keys and is kept nowhere.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from connector.database import Connection, Database
from connector.settings import Settings
from connector.till import exchange, store
from connector.till import form as forms
from connector.till.drawer import Drawer
from connector.till.form import Form
from connector.till.refusal import Refusal, missing
from connector.till.shapes import Body

Post = Callable[[bytes, str], int]  # raw body, Stripe-Signature; the status that came back
MOST_TYPES = 20


@dataclass(frozen=True)
class Delivered:
    """What became of the events that were waiting."""

    taken: int = 0
    refused: int = 0  # not answered with 2xx: they stay waiting
    lost: int = 0


def signing_secret(settings: Settings) -> str:
    """What the Till signs with, and the site verifies with, when there is no account at Stripe."""
    return settings.webhook_secret


def deliver(
    db: Database,
    settings: Settings,
    post: Post,
    *,
    order: Literal["as made", "shuffled"] = "as made",
    twice: int = 0,
    drop: int = 0,
    seed: int = 0,
) -> Delivered:
    """Hand every waiting event to `post`.

    So many are handed over twice, and so many are lost; which ones, the seed decides. A lost
    event is never tried again, and `delivery_success=false` lists it. The signature carries
    the real time, because that is what the site compares it with.
    """
    chance = random.Random(seed)  # noqa: S311 - a game, not a secret
    with db.read() as connection:
        wanted = _wanted(connection)
        waiting = [one for one in store.waiting(connection) if _is_wanted(one.type, wanted)]
    lost = set(chance.sample(range(len(waiting)), min(drop, len(waiting))))
    going = [one for number, one in enumerate(waiting) if number not in lost]
    turns = going + chance.sample(going, min(twice, len(going)))
    if order == "shuffled":
        chance.shuffle(turns)
    with db.write() as tx:
        for number in lost:
            store.settle_event(tx, waiting[number].key, "lost")
    answers = [_hand_over(db, settings, post, one) for one in turns]
    return Delivered(answers.count(True), answers.count(False), len(lost))


def _hand_over(db: Database, settings: Settings, post: Post, event: store.Event) -> bool:
    from stripe import WebhookSignature

    body = event.body.encode()
    exchange.show_event(body)
    header = WebhookSignature.generate_signature_header(event.body, signing_secret(settings))
    is_taken = 200 <= post(body, header) < 300  # noqa: PLR2004
    with db.write() as tx:
        store.settle_event(tx, event.key, "delivered" if is_taken else "waiting")
    return is_taken


def _wanted(connection: Connection) -> set[str]:
    """What the endpoints ask for; everything while there is none."""
    rows = store.of_kind(connection, "webhook_endpoint")
    bodies = [json.loads(row.body) for row in rows]
    endpoints = [body for body in bodies if not body.get("deleted")]
    if not endpoints:
        return {"*"}
    enabled = [body for body in endpoints if body["status"] == "enabled"]
    return {name for body in enabled for name in body["enabled_events"]}


def _is_wanted(type_: str, wanted: set[str]) -> bool:
    return "*" in wanted or type_ in wanted


# What the API tells of them


def listed(drawer: Drawer, form: Form) -> list[Body]:
    """Newest first; raises Refusal for filters that do not go together."""
    forms.apart(form, "type", "types")
    if len(form.get("types", [])) > MOST_TYPES:
        raise Refusal("You can pass at most 20 types.", param="types")
    types = form.get("types", [form["type"]] if "type" in form else [])
    wanted = _wanted(drawer.connection)
    return [
        shown(event, wanted)
        for event in store.events(drawer.connection)
        if (not types or _fits(event.type, types))
        and forms.within(form, "created", event.at // 1000)
        and (
            "delivery_success" not in form
            or _fared(event, wanted) == forms.yes(form, "delivery_success")
        )
    ]


def one(drawer: Drawer, key: str) -> Body:
    event = store.event(drawer.connection, key)
    if event is None:
        raise missing("event", key)
    return shown(event, _wanted(drawer.connection))


def shown(event: store.Event, wanted: set[str]) -> Body:
    body: Body = json.loads(event.body)
    return body | {"pending_webhooks": 0 if _fared(event, wanted) else 1}


def _fared(event: store.Event, wanted: set[str]) -> bool:
    """Whether everybody who wanted it has it."""
    return event.state == "delivered" or not _is_wanted(event.type, wanted)


def _fits(type_: str, asked: list[str]) -> bool:
    return any(type_ == one or (one.endswith("*") and type_.startswith(one[:-1])) for one in asked)


# Endpoints


def create_endpoint(drawer: Drawer, form: Form) -> Body:
    """The secret is shown this once, and not kept."""
    forms.required(form, "url", "enabled_events")
    endpoint = drawer.add(
        "webhook_endpoint",
        api_version=form.get("api_version"),
        description=forms.text(form, "description"),
        enabled_events=form["enabled_events"],
        metadata=forms.metadata(form),
        status="enabled",
        url=form["url"],
    )
    return endpoint.body | {"secret": signing_secret(drawer.settings)}


def update_endpoint(drawer: Drawer, form: Form, key: str) -> Body:
    endpoint = drawer.entry(key, "webhook_endpoint")
    for name in ("enabled_events", "url", "description"):
        if name in form:
            endpoint.body[name] = form[name] or None
    endpoint.body["metadata"] = forms.metadata(form, endpoint.body["metadata"])
    if "disabled" in form:
        endpoint.body["status"] = "disabled" if forms.yes(form, "disabled") else "enabled"
    return endpoint.body
