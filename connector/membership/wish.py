"""What somebody chose before we know them, as the link in their letter carries it to and fro.

It is no secret and no promise: whatever comes back is checked again against the tiers.
"""

from dataclasses import dataclass

from connector.errors import NotFound
from connector.membership import money, tiers
from connector.membership.stripe_api import Choice
from connector.settings import FREE, TIP, Settings

LONGEST = 200
PARTS = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """A tier and how to pay for it; `offer` is the promotion it came by. `str()` is its link."""

    tier: str
    every: str = ""
    currency: str = ""
    amount: str = ""
    offer: str = ""

    def __str__(self) -> str:
        parts = (self.tier, self.every, self.currency, self.amount, self.offer)
        return "-".join(parts) if self.offer else "-".join(parts).rstrip("-")


def read(text: str) -> Wish | None:
    """What `str(wish)` wrote; None for what is free, and for what is no wish at all."""
    parts = text.split("-", PARTS - 1)
    if len(text) > LONGEST or not text.isprintable() or parts[0] in ("", FREE):
        return None
    return Wish(*parts)


def choose(settings: Settings, wish: Wish) -> Choice:
    """The choice it comes to now. Raises NotFound, Refused and InvalidAmount as tiers.choose."""
    if wish.tier == TIP:
        raise NotFound("There is no such membership here.")
    return tiers.choose(
        settings, wish.tier, every=wish.every, currency=wish.currency, amount=wish.amount
    )


def of(choice: Choice, *, offer: str = "") -> Wish:
    """The wish for a choice that was checked."""
    amount = money.plain(choice.amount) if choice.is_own else ""
    return Wish(choice.tier, choice.every, choice.amount.currency, amount, offer)
