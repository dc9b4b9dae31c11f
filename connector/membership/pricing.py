"""A price that was changed, for those who pay the old one: who they are, and moving them over.

Amounts that readers filled in themselves are never touched, and nothing is charged at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connector.clock import SECOND
from connector.database import Database
from connector.errors import NotFound, Refused
from connector.membership import billing, projection, setup, stripe_account, stripe_api
from connector.membership.billing import LIVE, Raw
from connector.membership.money import Amount
from connector.membership.stripe_api import Choice, Client
from connector.settings import Settings

NO_PRICES = "No tier of connector.toml has a price."


@dataclass(frozen=True)
class Move:
    """A running subscription that goes over to the present price at `renews_at`."""

    subscription_id: str
    before: Amount
    choice: Choice
    price_id: str
    renews_at: int


@dataclass(frozen=True)
class Standing:
    """One price of connector.toml: what Stripe asks of new members, and who pays what."""

    choice: Choice
    asked: Amount | None
    paying: int
    moves: tuple[Move, ...]


def standing(
    client: Client,
    settings: Settings,
    *,
    tier: str = "",
    tell: Callable[[int], None] | None = None,
) -> list[Standing]:
    """Each price, and who pays another than the present one; `tier` looks at one tier only.

    Only subscriptions that will be renewed count; `tell` hears how many were looked at. Raises
    NotFound, PaymentsUnavailable.
    """
    wanted = {
        setup.key_of(settings, one): one
        for one in setup.own_prices(settings)
        if tier in ("", one.tier)
    }
    if not wanted:
        raise NotFound(f"No tier “{tier}” of connector.toml has a price." if tier else NO_PRICES)
    prices = stripe_account.prices(client, list(wanted))
    running = list(_running(client, settings, tell))
    return [
        _standing(settings, key, choice, prices.get(key), running) for key, choice in wanted.items()
    ]


def move(db: Database, settings: Settings, client: Client, one: Move, *, now: int) -> bool:
    """Let somebody pay the present price from their next renewal on; whether they do now.

    Asks again how it stands first, so that what changed meanwhile stays as it was chosen.
    Raises PaymentsUnavailable; again goes on where it stopped.
    """
    try:
        is_moved = _set(client, one)
    except (NotFound, Refused):
        is_moved = False
    subject = projection.Subject("subscription", one.subscription_id)
    projection.project(db, settings, client, subject, now=now)
    return is_moved


def _set(client: Client, one: Move) -> bool:
    raw = stripe_api.subscription(client, one.subscription_id)
    item = raw["items"]["data"][0]
    if not _renews(raw) or item["price"]["unit_amount"] != one.before.cents:
        return False
    if item["price"]["id"] != one.price_id:
        stripe_account.set_price(client, one.subscription_id, item["id"], one.price_id)
    return True


def _standing(
    settings: Settings, key: str, choice: Choice, price: Raw | None, running: list[Raw]
) -> Standing:
    theirs = [raw for raw in running if _key(settings, raw) == key]
    moves = [
        _move(raw, choice, price["id"]) for raw in theirs if price and _price(raw) != price["id"]
    ]
    return Standing(
        choice=choice,
        asked=Amount(price["unit_amount"] or 0, price["currency"]) if price else None,
        paying=len(theirs),
        moves=tuple(moves),
    )


def _move(raw: Raw, choice: Choice, price_id: str) -> Move:
    item = raw["items"]["data"][0]
    return Move(
        subscription_id=raw["id"],
        before=Amount(item["price"]["unit_amount"] or 0, item["price"]["currency"]),
        choice=choice,
        price_id=price_id,
        renews_at=item["current_period_end"] * SECOND,
    )


def _running(
    client: Client, settings: Settings, tell: Callable[[int], None] | None
) -> Iterator[Raw]:
    """Our subscriptions at a price we set that will be renewed."""
    for number, raw in enumerate(stripe_api.subscriptions(client), 1):
        if tell:
            tell(number)
        if billing.is_ours(settings, raw) and _is_fixed(settings, raw) and _renews(raw):
            yield raw


def _is_fixed(settings: Settings, raw: Raw) -> bool:
    # A price made for an amount that somebody filled in carries no name of ours.
    said = raw["items"]["data"][0]["price"].get("metadata") or {}
    return said.get("site") == settings.site


def _renews(raw: Raw) -> bool:
    return (
        raw["status"] in LIVE and not raw.get("cancel_at_period_end") and not raw.get("cancel_at")
    )


def _key(settings: Settings, raw: Raw) -> str:
    price = raw["items"]["data"][0]["price"]
    every = (price.get("recurring") or {}).get("interval", "")
    tier = billing.tier_of(settings, raw)
    return stripe_api.price_key(settings, tier, every, price["currency"])


def _price(raw: Raw) -> str:
    return str(raw["items"]["data"][0]["price"]["id"])
