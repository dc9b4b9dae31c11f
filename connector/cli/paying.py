"""Payments beside the sending: the rounds that are made, and how all of it stands, in words.

Where nothing can be paid for it does nothing, and says nothing.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector import clock
from connector.cli import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.database import Database
    from connector.membership.store import Standing
    from connector.settings import Settings

# A round that failed fewer times is about to come again.
PATIENCE = 3
MODES = {
    "till": "played by the Till, no money moves",
    "test": "Stripe’s test mode, no money moves",
    "live": "real money",
}


@contextlib.contextmanager
def rounds(db: "Database", settings: "Settings", *, idle: bool = False) -> Iterator[None]:
    """Follow events, write letters about money and compare with Stripe, meanwhile."""
    if idle or not settings.takes_payments:
        yield
        return
    from connector import templates
    from connector.membership.rounds import Attendant
    from connector.till.opening import Payments

    attendant = Attendant(
        db, settings, templates.environment(settings.root), Payments(settings, db)
    )
    attendant.start()
    try:
        yield
    finally:
        attendant.close()


def standing(db: "Database", settings: "Settings") -> str:
    """How payments stand, in a line; empty while nobody was ever there."""
    from connector.membership import store

    mode = settings.stripe.mode
    if not settings.takes_payments:
        return ""
    with db.read() as connection:
        if settings.stripe.is_till and not store.has_money(connection, mode=mode):
            return ""
        last, waiting, _ = store.heard(connection, mode=mode)
        rounds = store.rounds(connection)
    zone = settings.publication.zone
    heard = f"{clock.moment(last, zone):%Y-%m-%d %H:%M}" if last is not None else "never"
    said = [f"{MODES[mode]}; last event: {heard}"]
    said += [f"{console.counted(waiting, 'event')} waiting"] if waiting else []
    drift = _drift(rounds)
    said += [drift] if drift else []
    return f"Payments: {', '.join(said)}."


def ailments(db: "Database", settings: "Settings") -> Iterator[str]:
    """What about payments somebody should see to, each with its cure."""
    from connector.membership import store

    if not settings.may_sell:
        yield (
            "no Stripe key is set, so only what is free is offered. To let readers pay, set "
            "CONNECTOR_STRIPE_KEY; to rehearse with play money, [stripe] rehearsal = true."
        )
    if not settings.takes_payments:
        return
    mode = settings.stripe.mode
    if settings.stripe.is_till and not settings.is_local:
        yield (
            "no Stripe key is set, so the Till stands in: readers can try everything, and no "
            "money moves. Set CONNECTOR_STRIPE_KEY."
        )
    if not settings.webhook_secret:
        yield (
            "CONNECTOR_STRIPE_WEBHOOK_SECRET is not set, so Stripe’s events are refused, and "
            "what changes is known an hour later. Make one with: connector stripe setup"
        )
    with db.read() as connection:
        last, waiting, failing = store.heard(connection, mode=mode)
        rounds = store.rounds(connection)
        is_used = store.has_money(connection, mode=mode)
    if is_used and last is None and not settings.stripe.is_till:
        yield f"no event ever arrived; see in Stripe that {settings.publication.url}/hooks/stripe gets them."
    if failing:
        yield f"{console.counted(waiting, 'event')} waiting, {failing} of them after a failure; Stripe may be away."
    for one in rounds.values():
        if one.failures >= PATIENCE:
            yield f"the round “{one.name}” failed {one.failures} times: {one.said}"
    if found := _drift(rounds):
        yield f"{found}. See it with: connector stripe sync"


def _drift(rounds: "Mapping[str, Standing]") -> str:
    """What the last comparison with Stripe found; empty when all was as we had it."""
    sync = rounds.get("sync")
    if sync is None or not sync.said or sync.failures:
        return ""
    many = console.counted(len(sync.said.splitlines()), "difference")
    return f"the last comparison with Stripe found {many}"
