"""Offers: something off for who comes by a code, or by a link of its own.

Stripe keeps them and counts their use; who has a discount keeps it, whatever becomes of the offer.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connector.clock import SECOND, utc
from connector.errors import ConnectorError, NotFound, Refused
from connector.membership import billing, stripe_account, stripe_api, tiers
from connector.membership.billing import Promotion, Raw
from connector.membership.stripe_api import Client
from connector.settings import FREE, TIP, Settings

# What Stripe takes in a code; the length is ours, so that it can be typed.
CODE = re.compile(r"[A-Za-z0-9-]{3,40}")
# Stripe, “Create a promotion code”: not more than five years ahead.
FARTHEST = 5 * 365 * 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Offering:
    """A promotion, until when and how often it can be had, and for which tiers; all when empty.

    `used` is how often it was. What is yet to be made has terms without an id.
    """

    terms: Promotion
    until: int | None = None
    times: int | None = None
    tiers: tuple[str, ...] = ()
    used: int = 0
    is_active: bool = True

    @property
    def code(self) -> str:
        return self.terms.code


def make(client: Client, settings: Settings, wanted: Offering, *, now: int) -> Offering:
    """Make an offer. Raises Refused for a code that is taken or cannot be, NotFound for a tier.

    When it cannot be made whole, nothing of it stays.
    """
    _check(settings, wanted, now=now)
    if stripe_account.active_code(client, wanted.code):
        raise Refused(f"There is an offer {wanted.code} already. End it first, or name another.")
    products = [
        stripe_api.ensure_product(client, settings, tier=tier.key, name=tier.name)
        for tier in settings.tiers
        if tier.key not in (FREE, TIP) and (not wanted.tiers or tier.key in wanted.tiers)
    ]
    coupon = stripe_account.create_coupon(client, _coupon(settings, wanted, products))
    try:
        made = stripe_account.create_code(client, _code(settings, wanted, coupon))
    except BaseException:
        # Nothing stays by half, whatever stopped us; an unused discount harms nobody.
        with contextlib.suppress(ConnectorError):
            stripe_account.delete_coupon(client, coupon)
        raise
    return _read(made) or wanted


def listed(client: Client, settings: Settings) -> Iterator[Offering]:
    """Every offer of this site, newest first, ended ones too."""
    for raw in stripe_account.codes(client, settings):
        if (found := _read(raw)) is not None:
            yield found


def find(client: Client, settings: Settings, code: str) -> Offering:
    """The offer that runs under a code, however it is written. Raises NotFound."""
    for one in listed(client, settings):
        if one.is_active and one.code.lower() == code.strip().lower():
            return one
    raise NotFound(f"No offer {code} runs. See: connector offers list")


def end(client: Client, one: Offering) -> None:
    """Nobody can use it any more; who did keeps what it gave."""
    stripe_account.put_away_code(client, one.terms.id)


def link(settings: Settings, one: Offering) -> str:
    """Where one joins with it."""
    return f"{settings.publication.url}/offer/{one.code}"


def _check(settings: Settings, wanted: Offering, *, now: int) -> None:
    if not CODE.fullmatch(wanted.code):
        raise Refused(f"“{wanted.code}” cannot be a code. Use 3 to 40 letters, digits and dashes.")
    for key in wanted.tiers:
        if tiers.find(settings, key).key in (FREE, TIP):
            raise Refused(f"There is nothing to take off from “{key}”.")
    if wanted.until is not None and not now < wanted.until < now + FARTHEST:
        raise Refused(f"{utc(wanted.until)} cannot be its end: choose a day within five years.")


def _coupon(settings: Settings, wanted: Offering, products: list[str]) -> dict[str, Any]:
    terms = wanted.terms
    coupon: dict[str, Any] = {
        "name": terms.code,
        "duration": terms.duration,
        "applies_to": {"products": products},
        "metadata": {"site": settings.site},
    }
    if terms.off is not None:
        coupon |= {"amount_off": terms.off.cents, "currency": terms.off.currency}
    else:
        coupon["percent_off"] = float(terms.percent)
    if terms.duration == "repeating":
        coupon["duration_in_months"] = terms.months
    return coupon


def _code(settings: Settings, wanted: Offering, coupon: str) -> dict[str, Any]:
    code: dict[str, Any] = {
        "code": wanted.code,
        "promotion": {"type": "coupon", "coupon": coupon},
        "metadata": {"site": settings.site, "tiers": ",".join(wanted.tiers)},
    }
    if wanted.until is not None:
        code["expires_at"] = wanted.until // SECOND
    if wanted.times is not None:
        code["max_redemptions"] = wanted.times
    return code


def _read(raw: Raw) -> Offering | None:
    """None for one whose discount is gone, so that it can be had no more."""
    terms = billing.promotion(raw)
    if terms is None:
        return None
    until = raw.get("expires_at")
    return Offering(
        terms,
        until=until * SECOND if until else None,
        times=raw.get("max_redemptions"),
        tiers=terms.tiers,
        used=raw["times_redeemed"],
        is_active=raw["active"],
    )
