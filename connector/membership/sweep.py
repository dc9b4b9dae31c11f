"""What webhooks missed: hourly the events that did not arrive, nightly everything there is.

It heals by asking how things stand, and reports what it found to differ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from connector.clock import DAY
from connector.database import Database
from connector.errors import NotFound
from connector.membership import billing, duplicates, gifts, projection, store, stripe_api, webhooks
from connector.membership.billing import Raw, Subscription
from connector.membership.stripe_api import Client
from connector.readers import store as readers
from connector.settings import Settings

# Stripe keeps events for thirty days: https://docs.stripe.com/api/events
KEPT = 29 * DAY
# How far back tips, gifts, refunds and disputes are looked through each night.
BACK = 60 * DAY


@dataclass(frozen=True)
class Drift:
    """What a full sync found: lines for people, one for each thing that was not as we had it."""

    subscriptions: int
    changed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not (self.changed or self.unclaimed or self.duplicates)


@dataclass
class _Found:
    seen: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)


def undelivered(db: Database, settings: Settings, client: Client, *, now: int) -> int:
    """Take in events that Stripe could not hand to us, for the worker; how many were new."""
    taken = 0
    for event in list(stripe_api.undelivered(client, since=now - KEPT)):
        if event.is_live != settings.stripe.is_live:
            continue
        with db.write() as tx:
            taken += store.insert_event(
                tx,
                event.id,
                mode=settings.stripe.mode,
                kind=event.type,
                body=event.body,
                now=now,
            )
    return taken


def hourly(db: Database, settings: Settings, client: Client, *, now: int) -> int:
    """What is to be done every hour; how many events were followed."""
    undelivered(db, settings, client, now=now)
    followed = webhooks.work(db, settings, client, now=now, limit=10_000)
    duplicates.settle(db, settings, client, now=now)
    return followed


def sync(
    db: Database,
    settings: Settings,
    client: Client,
    *,
    now: int,
    back: int = BACK,
    tell: Callable[[int, int], None] | None = None,
) -> Drift:
    """Ask about everything of ours at Stripe and write how it stands; again finds nothing.

    `back` is how far into the past tips, gifts, refunds and disputes are looked for, in ms;
    `tell` hears how many subscriptions were looked at, and of how many. Raises
    PaymentsUnavailable; what was written until then stays.
    """
    found = _Found()
    _settle_modes(db, settings)
    there = {raw["id"]: _customer(raw) for raw in stripe_api.subscriptions(client)}
    for number, subscription_id in enumerate(there):
        if tell:
            tell(number, len(there))
        found.seen.add(subscription_id)
        _follow(db, settings, client, subscription_id, found, now=now)
    if tell:
        tell(len(there), len(there))
    for known in _known(db, settings):
        if known.id not in found.seen and known.ended_at is None:
            _follow(db, settings, client, known.id, found, now=now)
    for visit in list(stripe_api.checkouts(client, settings, since=now - back)):
        if visit.kind != "membership":
            projection.project_checkout(db, settings, client, visit.id, now=now)
    _money_back(db, settings, client, since=now - back, now=now)
    _follow_addresses(db, client, {one for one in there.values() if one})
    duplicates.settle(db, settings, client, now=now)
    return _report(db, settings, found)


def _follow(
    db: Database,
    settings: Settings,
    client: Client,
    subscription_id: str,
    found: _Found,
    *,
    now: int,
) -> None:
    before = _kept(db, subscription_id)
    try:
        projection.project_subscription(db, settings, client, subscription_id, now=now)
    except NotFound:
        found.seen.discard(subscription_id)
    after = _kept(db, subscription_id)
    if before != after and after is not None:
        found.changed.append(_difference(before, after))


def _money_back(db: Database, settings: Settings, client: Client, *, since: int, now: int) -> None:
    asked = projection.ask(db)
    for refund in stripe_api.refunds(client, settings, since=since):
        projection.write_refund(db, settings, client, refund, asked=asked, now=now)
    asked = projection.ask(db)
    for dispute in stripe_api.disputes(client, settings, since=since):
        projection.write_dispute(db, settings, client, dispute, asked=asked, now=now)


def _customer(raw: Raw) -> tuple[str, str] | None:
    """Who pays for what runs, and where Stripe writes to them."""
    payer = raw["customer"]
    if isinstance(payer, str) or payer.get("deleted") or raw.get("ended_at") is not None:
        return None
    return payer["id"], payer.get("email") or ""


def _follow_addresses(db: Database, client: Client, payers: set[tuple[str, str]]) -> None:
    """Who moved while Stripe was away gets their receipts where they read now."""
    for customer_id, email in payers:
        with db.read() as connection:
            whose = store.subscriber_of(connection, customer_id)
            reader = readers.by_id(connection, whose) if whose is not None else None
        if reader is not None and reader.email.casefold() != email.casefold():
            stripe_api.set_customer_address(client, customer_id, reader.email)


def _settle_modes(db: Database, settings: Settings) -> None:
    """Whoever is a member by play money is none once real money moves."""
    with db.write() as tx:
        store.delete_paid_of_other_modes(tx, mode=settings.stripe.mode)
        for subscriber_id in store.payers(tx, mode=settings.stripe.mode):
            if readers.by_id(tx, subscriber_id) is not None:
                projection.settle(tx, settings, subscriber_id)
                gifts.settle(tx, settings, subscriber_id)


def _kept(db: Database, subscription_id: str) -> Subscription | None:
    with db.read() as connection:
        return store.subscription(connection, subscription_id)


def _known(db: Database, settings: Settings) -> list[Subscription]:
    with db.read() as connection:
        return store.subscriptions(connection, mode=settings.stripe.mode)


def _report(db: Database, settings: Settings, found: _Found) -> Drift:
    mode = settings.stripe.mode
    with db.read() as connection:
        return Drift(
            subscriptions=len(store.subscriptions(connection, mode=mode)),
            changed=tuple(found.changed),
            foreign=tuple(key for key, _, _ in store.foreign(connection, mode=mode)),
            unclaimed=tuple(one.id for one in store.unclaimed(connection, mode=mode)),
            duplicates=tuple(one.id for one in store.duplicates(connection, mode=mode)),
        )


def _difference(before: Subscription | None, after: Subscription) -> str:
    if before is None:
        return f"{after.id}: was not known; it is {after.status}."
    return f"{after.id}: {', '.join(_differences(before, after))}."


def _differences(before: Subscription, after: Subscription) -> Iterator[str]:
    for name in billing.Subscription.__slots__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name} was {old}, is {new}"
