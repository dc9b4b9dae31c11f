"""What readers can choose: the tiers of connector.toml as amounts, and a choice made of them.

Pure; every amount a reader fills in is checked here, whatever the page let through.
"""

from dataclasses import dataclass

from connector.errors import InvalidAmount, NotFound, Refused
from connector.membership import money
from connector.membership.billing import Every
from connector.membership.money import Amount
from connector.membership.stripe_api import Choice
from connector.settings import FREE, TIP, Prices, Settings, TierSettings

# A year of an amount of one's own costs as much more as it does for the supporter of the sample.
YEAR = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """What one tier costs, in one currency and for one interval; `least` when one fills it in."""

    tier: str
    name: str
    every: Every
    currency: str
    amount: Amount | None
    suggested: tuple[Amount, ...]
    least: Amount | None
    trial_days: int


def offers(settings: Settings, tier: str) -> list[Offer]:
    """Every way to pay for a tier, its own currency first; none for what is free. NotFound."""
    one = find(settings, tier)
    if one.key == FREE:
        return []
    return [
        offer
        for prices in one.prices
        for every in _intervals(one, prices)
        if (offer := _offer(one, prices, every)) is not None
    ]


def choose(
    settings: Settings, tier: str, *, every: str, currency: str = "", amount: str = ""
) -> Choice:
    """What a reader chose, checked. `amount` is what they typed where they fill it in.

    Raises NotFound for a tier that is not offered, Refused for a way of paying that is not, and
    InvalidAmount for an amount that is none or less than the least.
    """
    one = find(settings, tier)
    wanted = currency.lower() or one.currency
    for offer in offers(settings, tier):
        if offer.currency == wanted and (offer.every == every or tier == TIP):
            return Choice(
                tier=tier,
                every=offer.every,
                amount=offer.amount or _own_amount(offer, amount, settings),
                is_own=offer.amount is None,
                name=offer.name,
                trial_days=offer.trial_days,
            )
    raise Refused(f"{one.name} cannot be had that way. Please choose again.")


def find(settings: Settings, tier: str) -> TierSettings:
    """Raises NotFound."""
    for one in settings.tiers:
        if one.key == tier:
            return one
    raise NotFound("There is no such membership here.")


def _intervals(one: TierSettings, prices: Prices) -> tuple[Every, ...]:
    if one.key == TIP:
        return ("month",)  # a tip is paid once; the word is never used
    if one.is_own_amount:
        return tuple(every for every in ("month", "year") if every in one.every)
    return tuple(
        every
        for every in ("month", "year")
        if (prices.monthly if every == "month" else prices.yearly)
    )


def _offer(one: TierSettings, prices: Prices, every: Every) -> Offer | None:
    suggested = prices.suggested if every == "month" else prices.suggested_yearly
    shown = tuple(money.read(text, prices.currency) for text in suggested)
    if every == "year" and not shown:
        shown = tuple(
            Amount(each.cents * YEAR, each.currency)
            for each in (money.read(text, prices.currency) for text in prices.suggested)
        )
    fixed = "" if one.is_own_amount else prices.monthly if every == "month" else prices.yearly
    least = money.read(prices.minimum, prices.currency) if prices.minimum else None
    if one.is_own_amount and not (shown or least):
        return None
    return Offer(
        tier=one.key,
        name=one.name,
        every=every,
        currency=prices.currency,
        amount=money.read(fixed, prices.currency) if fixed else None,
        suggested=shown,
        least=least,
        trial_days=one.trial_days,
    )


def _own_amount(offer: Offer, text: str, settings: Settings) -> Amount:
    amount = money.read(text, offer.currency)
    if offer.least is not None and amount.cents < offer.least.cents:
        least = money.show(offer.least, settings.publication.language)
        raise InvalidAmount(f"{least} is the least that can be charged.")
    return amount
