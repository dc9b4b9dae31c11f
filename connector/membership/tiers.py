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

# For how many months a gift is, where the tier has a price by the month.
GIFTS = (1, 3, 6, 12)
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


@dataclass(frozen=True, slots=True)
class Present:
    """What a tier costs as a gift of some months, paid once; no `amount` where one fills it in."""

    tier: str
    name: str
    months: int
    currency: str
    amount: Amount | None
    suggested: tuple[Amount, ...]
    least: Amount | None


def has_paid(settings: Settings) -> bool:
    """Whether there is anything besides what is free."""
    return any(one.key not in (FREE, TIP) for one in settings.tiers)


def has_tip(settings: Settings) -> bool:
    return any(one.key == TIP for one in settings.tiers)


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


def presents(settings: Settings, tier: str) -> list[Present]:
    """Every way to give a tier away, its own currency first. Raises NotFound."""
    return [
        present
        for offer in offers(settings, tier)
        if tier != TIP
        for present in _presents(settings, offer)
    ]


def choose_present(
    settings: Settings, tier: str, *, months: str, currency: str = "", amount: str = ""
) -> tuple[Choice, int]:
    """What a buyer chose to give, checked, and for how many months. Raises as `choose` does."""
    one = find(settings, tier)
    wanted = currency.lower() or one.currency
    for present in presents(settings, tier):
        if (str(present.months), present.currency) == (months, wanted):
            choice = Choice(
                tier=tier,
                every="year",  # a gift is paid once; the word is never used
                amount=present.amount or _own_amount(present, amount, settings),
                is_own=present.amount is None,
                name=present.name,
            )
            return choice, present.months
    raise Refused(f"{one.name} cannot be given that way. Please choose again.")


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


def _presents(settings: Settings, offer: Offer) -> list[Present]:
    """An amount of one's own is for a month or a year; a price by the month for several, too."""
    if offer.every == "year" or offer.amount is None:
        spans = {12 if offer.every == "year" else 1: offer.amount}
    else:
        has_year = any(
            (one.every, one.currency) == ("year", offer.currency)
            for one in offers(settings, offer.tier)
        )
        spans = {
            months: Amount(offer.amount.cents * months, offer.currency)
            for months in GIFTS
            if months < GIFTS[-1] or not has_year
        }
    return [
        Present(
            tier=offer.tier,
            name=offer.name,
            months=months,
            currency=offer.currency,
            amount=amount,
            suggested=offer.suggested,
            least=offer.least,
        )
        for months, amount in spans.items()
    ]


def _own_amount(offer: Offer | Present, text: str, settings: Settings) -> Amount:
    amount = money.read(text, offer.currency)
    if offer.least is not None and amount.cents < offer.least.cents:
        least = money.show(offer.least, settings.publication.language)
        raise InvalidAmount(f"{least} is the least that can be charged.")
    return amount
