"""Tiers as a page shows them, and what was chosen on it: one radio button for each way to pay.

Every choice is checked against the tiers; a page is believed in nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from starlette.datastructures import FormData

from connector.errors import InvalidAmount, NotFound, Refused
from connector.membership import money, tiers, wish
from connector.membership.billing import Promotion
from connector.membership.money import Amount
from connector.membership.stripe_api import Choice
from connector.membership.wish import Wish
from connector.settings import FREE, TIP, Settings, TierSettings
from connector.web import forms
from connector.web.plan import EVERY, name_of, priced, shown

ROWS = {"month": "Monthly", "year": "Yearly"}
LONGEST_CODE = 60


@dataclass(frozen=True, slots=True)
class Way:
    """One radio button."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A field for an amount of one's own; `everys` says how often it can be paid."""

    way: Way
    currency: str
    least: str
    everys: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """A tier as it is offered on a page."""

    key: str
    name: str
    words: str
    rows: tuple[Row, ...]
    own: Own | None = None
    trial_days: int = 0


@dataclass(frozen=True)
class ChoiceForm:
    """What was picked, and what it comes to: no `choice` is what is free, or an error."""

    picked: str = FREE
    amounts: Mapping[str, str] = field(default_factory=dict)
    everys: Mapping[str, str] = field(default_factory=dict)
    offer: str = ""
    choice: Choice | None = None
    months: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """What the pick says it is paid in, as it was sent; empty when it says nothing."""
        return _parts(self.picked)[2]

    @property
    def wish(self) -> Wish | None:
        return wish.of(self.choice, offer=self.offer) if self.choice else None


def read(sent: FormData, settings: Settings) -> ChoiceForm:
    """Free or a membership: the fields of `shelves`."""
    form = _typed(sent, settings)
    wanted = wish.read(form.picked)
    if wanted is None:
        return form
    form = replace(form, offer=form.offer or wanted.offer)
    if not wanted.every:
        every, amount = form.everys.get(wanted.tier, ""), form.amounts.get(wanted.tier, "")
        wanted = Wish(wanted.tier, every, wanted.currency, amount)
    return _checked(form, settings, wanted)


def wished(text: str, settings: Settings) -> ChoiceForm:
    """What the link in a letter says."""
    wanted = wish.read(text)
    if wanted is None:
        return ChoiceForm()
    return _checked(ChoiceForm(picked=text, offer=wanted.offer), settings, wanted)


def read_tip(sent: FormData, settings: Settings) -> ChoiceForm:
    """Once: the fields of `tips`."""
    form = _typed(sent, settings)
    _, _, currency, amount, _ = _parts(form.picked)
    amount = amount or form.amounts.get(TIP, "")
    try:
        choice = tiers.choose(settings, TIP, every="", currency=currency, amount=amount)
    except Refused as error:
        return _wrong(form, error)
    return replace(form, choice=choice)


def read_present(sent: FormData, settings: Settings) -> ChoiceForm:
    """A gift of some months: the fields of `presents`."""
    form = _typed(sent, settings)
    tier, months, currency, amount, _ = _parts(form.picked)
    amount = amount or form.amounts.get(tier, "")
    try:
        choice, length = tiers.choose_present(
            settings, tier, months=months, currency=currency, amount=amount
        )
    except (Refused, NotFound) as error:
        return _wrong(form, error)
    return replace(form, choice=choice, months=length)


def _typed(sent: FormData, settings: Settings) -> ChoiceForm:
    keys = [one.key for one in settings.tiers]
    return ChoiceForm(
        picked=forms.text(sent, "join") or FREE,
        amounts={key: forms.text(sent, f"amount-{key}") for key in keys},
        everys={key: forms.text(sent, f"every-{key}") for key in keys},
        offer=forms.text(sent, "offer")[:LONGEST_CODE],
    )


def _checked(form: ChoiceForm, settings: Settings, wanted: Wish) -> ChoiceForm:
    try:
        return replace(form, choice=wish.choose(settings, wanted))
    except (Refused, NotFound) as error:
        return _wrong(form, error)


def _wrong(form: ChoiceForm, error: Exception) -> ChoiceForm:
    where = "amount" if isinstance(error, InvalidAmount) else "join"
    return replace(form, errors={where: str(error)})


def against(form: ChoiceForm, settings: Settings, found: Promotion) -> ChoiceForm:
    """A choice beside its offer: with an error when the offer is for other tiers."""
    if form.choice is None or not found.tiers or form.choice.tier in found.tiers:
        return form
    names = " or ".join(name_of(settings, key) for key in found.tiers)
    return _wrong(
        form,
        Refused(
            f"The offer {found.code} is for {names}, not for {form.choice.name}. "
            "Choose that here, or anything else without the offer."
        ),
    )


def shelves(settings: Settings, currency: str = "") -> list[Shelf]:
    """Every paid tier, in a currency where it has it and in its own where it has not."""
    return _offered(settings, currency, _shelf)


def presents(settings: Settings, currency: str = "") -> list[Shelf]:
    """The same as gifts of some months."""
    return _offered(settings, currency, _present_shelf)


def tips(settings: Settings, currency: str = "") -> Shelf | None:
    """What can be given once; None where nothing can."""
    for one in settings.tiers:
        if one.key == TIP:
            return _tip_shelf(settings, one, _in(one, currency))
    return None


def currencies(settings: Settings, *, tip: bool = False) -> list[str]:
    """Every currency that something can be paid in, in the order of the file."""
    found = [
        prices.currency
        for one in settings.tiers
        if one.key != FREE and (one.key == TIP) is tip
        for prices in one.prices
    ]
    return list(dict.fromkeys(found))


def told(settings: Settings, choice: Choice) -> str:
    """“$12 a month”."""
    return priced(settings, choice.amount, choice.every)


def for_months(months: int) -> str:
    if months == 12:  # noqa: PLR2004 - a year
        return "a year"
    return "a month" if months == 1 else f"{months} months"


def told_of_offer(settings: Settings, found: Promotion) -> str:
    """“20% off for 3 months”."""
    off = f"{found.percent}%" if found.percent else shown(settings, found.off)
    if found.duration == "repeating":
        return f"{off} off for {for_months(found.months)}"
    return (
        f"{off} off, for as long as you stay"
        if found.duration == "forever"
        else f"{off} off the first payment"
    )


def _offered(
    settings: Settings, currency: str, shelve: Callable[[Settings, TierSettings, str], Shelf]
) -> list[Shelf]:
    """Every paid tier that has something to choose, put on its shelf."""
    found = [
        shelve(settings, one, _in(one, currency))
        for one in settings.tiers
        if one.key not in (FREE, TIP)
    ]
    return [one for one in found if one.rows or one.own]


def _in(one: TierSettings, currency: str) -> str:
    return currency if currency in [prices.currency for prices in one.prices] else one.currency


def _shelf(settings: Settings, one: TierSettings, currency: str) -> Shelf:
    found = [each for each in tiers.offers(settings, one.key) if each.currency == currency]
    fixed = tuple(
        Way(
            f"{one.key}-{each.every}-{currency}",
            priced(settings, each.amount, each.every),
        )
        for each in found
        if each.amount is not None
    )
    rows = [Row("", fixed)] if fixed else []
    rows += [
        Row(ROWS[each.every], _amounts(settings, f"{one.key}-{each.every}", each.suggested))
        for each in found
        if each.suggested and each.amount is None
    ]
    own = None
    if one.is_own_amount and found:
        everys = tuple(Way(each.every, EVERY[each.every]) for each in found)
        own = _own(settings, f"{one.key}--{currency}", currency, found[0].least, everys)
    return Shelf(one.key, one.name, one.words, tuple(rows), own, one.trial_days)


def _present_shelf(settings: Settings, one: TierSettings, currency: str) -> Shelf:
    found = [each for each in tiers.presents(settings, one.key) if each.currency == currency]
    fixed = tuple(
        Way(
            f"{one.key}-{each.months}-{currency}",
            f"{shown(settings, each.amount)} for {for_months(each.months)}",
        )
        for each in found
        if each.amount is not None
    )
    rows = [Row("", fixed)] if fixed else []
    longest = max(
        (each for each in found if each.amount is None), key=lambda each: each.months, default=None
    )
    own = None
    if longest is not None:
        value = f"{one.key}-{longest.months}"
        name = for_months(longest.months).capitalize()
        rows.append(Row(name, _amounts(settings, value, longest.suggested)))
        own = _own(settings, f"{value}-{currency}", currency, longest.least)
    return Shelf(one.key, one.name, one.words, tuple(rows), own)


def _tip_shelf(settings: Settings, one: TierSettings, currency: str) -> Shelf:
    offer = next(each for each in tiers.offers(settings, TIP) if each.currency == currency)
    row = Row("", _amounts(settings, f"{TIP}-", offer.suggested))
    own = _own(settings, f"{TIP}--{currency}", currency, offer.least)
    return Shelf(one.key, one.name, one.words, (row,), own)


def _amounts(settings: Settings, value: str, amounts: Iterable[Amount]) -> tuple[Way, ...]:
    return tuple(
        Way(f"{value}-{one.currency}-{money.plain(one)}", shown(settings, one)) for one in amounts
    )


def _own(
    settings: Settings,
    value: str,
    currency: str,
    least: Amount | None,
    everys: tuple[Way, ...] = (),
) -> Own:
    return Own(Way(value, "Another amount"), currency.upper(), shown(settings, least), everys)


def _parts(picked: str) -> list[str]:
    """Tier, how often or how long, currency, amount, and whatever else."""
    return (picked.split("-", 4) + [""] * 5)[:5]
