"""What this site needs to have in its account at Stripe: found missing or different, shown, made.

It takes nothing away that is not ours, changes nobody's plan, and keeps no secret.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from connector.membership import billing, money, stripe_account, stripe_api, tiers
from connector.membership.billing import Raw
from connector.membership.money import Amount
from connector.membership.stripe_api import EVENTS, Choice, Client
from connector.settings import FREE, TIP, Settings, TierSettings

HOOK = "/hooks/stripe"
ACCOUNT = "/account"
# Card, invoices and tax id are Stripe's to ask about; plans, amounts and leaving are ours.
PORTAL: Mapping[str, Mapping[str, Any]] = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "name", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": False},
    "subscription_update": {"enabled": False},
}


@dataclass(frozen=True)
class Step:
    """One thing to be made (`+`), changed (`~`) or taken away (`-`), and in words what.

    `make` does it; what it returns is a signing secret to be shown once, or nothing.
    """

    sign: Literal["+", "~", "-"]
    words: str
    make: Callable[[], str]


@dataclass(frozen=True)
class Plan:
    """Every step that is left, in order; none when all is as it should be. `remarks` ask for no step."""

    steps: tuple[Step, ...]
    remarks: tuple[str, ...]


def find(client: Client, settings: Settings, *, is_new_secret: bool = False) -> Plan:
    """What is missing or different at Stripe; nothing is changed.

    With `is_new_secret` the webhook is made anew, because its secret was lost or seen.
    Raises PaymentsUnavailable.
    """
    steps = [
        *_products(client, settings),
        *_prices(client, settings),
        *_portal(client, settings),
        *_webhook(client, settings, is_new_secret=is_new_secret),
    ]
    return Plan(tuple(steps), tuple(_remarks(settings, steps)))


def own_prices(settings: Settings) -> list[Choice]:
    """Every price that connector.toml sets; none for amounts that readers fill in."""
    return [
        Choice(one.tier, one.every, one.amount, is_own=False, name=one.name)
        for tier in _paid(settings)
        for one in tiers.offers(settings, tier.key)
        if one.amount is not None
    ]


def shown(amount: Amount, every: str, settings: Settings) -> str:
    """“$5 a month”."""
    return f"{money.show(amount, settings.publication.language)} a {every}"


def _paid(settings: Settings) -> list[TierSettings]:
    """The tiers that are paid again and again."""
    return [tier for tier in settings.tiers if tier.key not in (FREE, TIP)]


# Products and prices


def _products(client: Client, settings: Settings) -> Iterator[Step]:
    for tier in _paid(settings):
        wanted = stripe_api.product_of(settings, tier=tier.key, name=tier.name)
        found = stripe_account.product(client, wanted["id"])
        words = f"product {wanted['id']}: {wanted['name']}"
        if found is None:
            yield Step("+", words, _quiet(stripe_account.create_product, client, wanted))
            continue
        changes = [
            *([f"was called {found['name']}"] if found["name"] != wanted["name"] else []),
            *([] if found["active"] else ["was put away"]),
            *([] if _fits(found, wanted["metadata"]) else ["did not carry this site’s name"]),
        ]
        if changes:
            change = {"name": wanted["name"], "active": True, "metadata": wanted["metadata"]}
            yield Step(
                "~",
                f"{words} ({', '.join(changes)})",
                _quiet(stripe_account.update_product, client, wanted["id"], change),
            )


def _prices(client: Client, settings: Settings) -> Iterator[Step]:
    wanted = {key_of(settings, one): one for one in own_prices(settings)}
    found = stripe_account.prices(client, list(wanted)) if wanted else {}
    for key, choice in wanted.items():
        price = found.get(key)
        words = f"price {key}: {shown(choice.amount, choice.every, settings)}"
        make = _quiet(_make_price, client, settings, choice)
        if price is None:
            yield Step("+", words, make)
        elif price["unit_amount"] != choice.amount.cents:
            before = Amount(price["unit_amount"] or 0, price["currency"])
            old = money.show(before, settings.publication.language)
            yield Step("~", f"{words} for new members (who pays {old} goes on paying it)", make)


def key_of(settings: Settings, choice: Choice) -> str:
    """What the price for a choice is looked up by."""
    return stripe_api.price_key(settings, choice.tier, choice.every, choice.amount.currency)


def _make_price(client: Client, settings: Settings, choice: Choice) -> None:
    product = stripe_api.product_of(settings, tier=choice.tier, name=choice.name)["id"]
    stripe_api.ensure_price(client, settings, choice, product=product)


# The portal


def _portal(client: Client, settings: Settings) -> Iterator[Step]:
    wanted = {
        "name": settings.publication.title,
        "default_return_url": f"{settings.publication.url}{ACCOUNT}",
        "features": PORTAL,
        "metadata": {"site": settings.site},
    }
    found = stripe_api.own_portal(client, settings)
    words = "portal for card, invoices and tax id (plans are changed and ended on your own pages)"
    if found is None:
        yield Step("+", words, _quiet(stripe_account.create_portal, client, wanted))
    elif changes := [
        *(name for name in ("name", "default_return_url") if found.get(name) != wanted[name]),
        *(name for name, feature in PORTAL.items() if not _has(found["features"], name, feature)),
    ]:
        yield Step(
            "~",
            f"{words}: {', '.join(name.replace('_', ' ') for name in changes)}",
            _quiet(stripe_account.update_portal, client, found["id"], wanted),
        )


def _has(features: Raw, name: str, wanted: Mapping[str, Any]) -> bool:
    found = features.get(name) or {}
    return bool(found.get("enabled")) == wanted["enabled"] and set(
        found.get("allowed_updates") or ()
    ) == set(wanted.get("allowed_updates", ()))


# The webhook


def _webhook(client: Client, settings: Settings, *, is_new_secret: bool) -> Iterator[Step]:
    if not _can_be_reached(settings):
        return
    url, version = f"{settings.publication.url}{HOOK}", stripe_api.version()
    marked, ours = _ours(client, settings, url)
    wanted = {
        "url": url,
        "enabled_events": list(EVENTS),
        "description": f"Connector: {settings.publication.title}",
        "metadata": {"site": settings.site},
    }
    made = {**wanted, "api_version": version}
    words = f"webhook {url}: {len(EVENTS)} kinds of events, API {version}"
    create = partial(stripe_account.create_endpoint, client, made)
    if ours is None:
        yield Step("+", words, create)
    elif is_new_secret or ours["api_version"] != version:
        why = "with a new signing secret" if is_new_secret else f"was API {ours['api_version']}"
        yield Step("+", f"{words} ({why})", create)
        yield _taken_away(client, ours)
    elif changes := list(_changes(ours, wanted)):
        change = {**wanted, "disabled": False}
        yield Step(
            "~",
            f"{words} ({', '.join(changes)})",
            _quiet(stripe_account.update_endpoint, client, ours["id"], change),
        )
    for one in marked:
        if ours is None or one["id"] != ours["id"]:
            yield _taken_away(client, one)


def _ours(client: Client, settings: Settings, url: str) -> tuple[list[Raw], Raw | None]:
    """The endpoints that carry our name, and the one to go on with: ours, or one at our address."""
    known = stripe_account.endpoints(client)
    marked = [one for one in known if billing.is_ours(settings, one)]
    # One that was made by hand at our address becomes ours; its secret stays what it was.
    here = [one for one in known if one["url"] == url]
    best = [one for one in marked if one["url"] == url] or marked or here
    return marked, best[0] if best else None


def _changes(found: Raw, wanted: Mapping[str, Any]) -> Iterator[str]:
    if found["url"] != wanted["url"]:
        yield f"was {found['url']}"
    missing = set(wanted["enabled_events"]) - set(found["enabled_events"])
    beyond = set(found["enabled_events"]) - set(wanted["enabled_events"])
    if missing:
        yield f"{len(missing)} kinds were missing"
    if beyond:
        yield f"{len(beyond)} kinds we do not follow"
    if found["status"] != "enabled":
        yield "was switched off"
    if not _fits(found, wanted["metadata"]):
        yield "was made by hand"


def _taken_away(client: Client, found: Raw) -> Step:
    return Step(
        "-",
        f"webhook {found['url']} ({found['id']}), in whose place another stands",
        _quiet(stripe_account.delete_endpoint, client, found["id"]),
    )


def _can_be_reached(settings: Settings) -> bool:
    return settings.stripe.is_till or not settings.is_local


def _remarks(settings: Settings, steps: list[Step]) -> Iterator[str]:
    url = f"{settings.publication.url}{HOOK}"
    if not _can_be_reached(settings):
        yield (
            f"Stripe cannot reach {url}, which is on this machine only, so no webhook is set up. "
            f"To try it here, run Stripe’s own program: stripe listen --forward-to {url}"
        )
    elif not settings.webhook_secret and not any(
        step.sign == "+" and step.words.startswith("webhook") for step in steps
    ):
        yield (
            "The webhook’s signing secret is not set here, so its events are refused. Copy it "
            "from Stripe (Developers, Webhooks), or make a new one: "
            "connector stripe setup --new-secret"
        )


# Small things


def _fits(found: Raw, metadata: Mapping[str, str]) -> bool:
    said = found.get("metadata") or {}
    return all(said.get(name) == value for name, value in metadata.items())


def _quiet(verb: Callable[..., object], *given: Any) -> Callable[[], str]:
    """A step that leaves no secret behind."""

    def make() -> str:
        verb(*given)
        return ""

    return make
