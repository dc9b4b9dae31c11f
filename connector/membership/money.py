"""Amounts of money: exact whole numbers of a currency's smallest unit, as people write them.

It never rounds and never adds two currencies.
"""

import re
import unicodedata
from dataclasses import dataclass

from connector.currencies import DECIMALS
from connector.errors import InvalidAmount

# Stripe takes at most eight digits: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MOST = 99_999_999
SIGNS = {
    "aud": "A$",
    "brl": "R$",
    "cad": "CA$",
    "cny": "CN¥",
    "eur": "€",
    "gbp": "£",
    "hkd": "HK$",
    "ils": "₪",
    "inr": "₹",
    "jpy": "¥",
    "krw": "₩",
    "mxn": "MX$",
    "ngn": "₦",
    "nzd": "NZ$",
    "php": "₱",
    "pln": "zł",
    "try": "₺",
    "twd": "NT$",
    "uah": "₴",
    "usd": "$",
    "vnd": "₫",
}
NARROW, WIDE = "\u202f", "\u00a0"
# Unicode CLDR 46: what groups thousands, what marks decimals; the sign stands behind.
ELSEWHERE = {
    "cs": (WIDE, ","),
    "da": (".", ","),
    "de": (".", ","),
    "es": (".", ","),
    "fi": (WIDE, ","),
    "fr": (NARROW, ","),
    "it": (".", ","),
    "lv": (WIDE, ","),
    "nb": (WIDE, ","),
    "pl": (WIDE, ","),
    "pt-pt": (WIDE, ","),
    "ru": (WIDE, ","),
    "sv": (WIDE, ","),
    "uk": (WIDE, ","),
}
# The same with the sign in front and a space behind it.
IN_FRONT = {"nl": (".", ","), "pt": (".", ",")}
NUMBER = re.compile(r"(\d+)(?:[.,](\d*))?|[.,](\d+)")
GROUPED = re.compile(
    r"[1-9]\d{0,2}(?P<mark>[., '’\u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*(?:[.,]\d{1,2})?"
)


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """A sum in Stripe's smallest unit: cents, whole yen, thousandths of a dinar."""

    cents: int
    currency: str


def read(text: str, currency: str) -> Amount:
    """What a person typed: `12`, `12.50`, `12,5`, `1,200.00`, `$12`, in any script's digits.

    Raises InvalidAmount, with one sentence to show them, for what is no amount above zero.
    """
    currency = currency.lower()
    counted, charged = _decimals(currency)
    whole, part = _digits(text, currency)
    if len(part.rstrip("0")) > charged:
        raise InvalidAmount(_too_fine(currency, charged))
    cents = int(whole or "0") * 10**counted + int((part + "000")[:counted] or "0")
    if cents == 0:
        raise InvalidAmount("An amount has to be more than nothing.")
    if cents > MOST:
        raise InvalidAmount(
            f"That is more than a card can be charged; {_most(currency)} is the most."
        )
    return Amount(cents, currency)


def show(amount: Amount, language: str = "en") -> str:
    """As people write it in a language: “$12”, “$12.50”, “12,50 €”, “¥500”."""
    counted, _ = _decimals(amount.currency)
    group, mark, behind = _marks(language)
    whole, part = divmod(abs(amount.cents), 10**counted)
    number = f"{whole:,}".replace(",", group)
    if part:
        number += f"{mark}{part:0{counted}}"
    minus = "−" if amount.cents < 0 else ""
    sign = SIGNS.get(amount.currency, amount.currency.upper())
    if behind:
        return f"{minus}{number}{WIDE}{sign}"
    space = WIDE if sign[-1].isalpha() or _family(language) in IN_FRONT else ""
    return f"{minus}{sign}{space}{number}"


def plain(amount: Amount) -> str:
    """As a field of a form or a table has it: `12.50`, `5`, `500`; `read` takes it back."""
    counted, _ = _decimals(amount.currency)
    whole, part = divmod(abs(amount.cents), 10**counted)
    minus = "-" if amount.cents < 0 else ""
    return f"{minus}{whole}.{part:0{counted}}" if part else f"{minus}{whole}"


def _decimals(currency: str) -> tuple[int, int]:
    try:
        return DECIMALS[currency.lower()]
    except KeyError:
        raise InvalidAmount(f"{currency!r} is not a currency I know.") from None


def _digits(text: str, currency: str) -> tuple[str, str]:
    """The digits before and after the decimal mark, as 0 to 9."""
    words = unicodedata.normalize("NFKC", text).strip().lower()
    for sign in (SIGNS.get(currency, ""), "$" if currency.endswith("d") else "", currency):
        words = words.removeprefix(sign.lower()).removesuffix(sign.lower()).strip()
    words = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in words)
    words = words.replace("٫", ".").replace("٬", "")
    if words[:1] in "-−–" and words[1:2].isdecimal():
        raise InvalidAmount("An amount has to be more than nothing.")
    words = _ungrouped(words, _decimals(currency)[0])
    found = NUMBER.fullmatch(words)
    if found is None:
        raise InvalidAmount("I cannot read that as an amount. Write it like 12 or 12.50.")
    return found[1] or "0", found[2] or found[3] or ""


def _ungrouped(words: str, counted: int) -> str:
    """1,200.50 and 1.200,50 and 1 200 without what groups thousands.

    Where it could also mark decimals (12.345, or 3,250 dinars), it does: too little is refused
    or shown before it is paid, a thousandfold may not be.
    """
    found = GROUPED.fullmatch(words)
    if found is None:
        return words
    mark = found["mark"]
    may_be_decimals = mark == "." or (mark == "," and counted == 3)  # noqa: PLR2004
    if may_be_decimals and sum(sign in ".," for sign in words) == 1:
        return words
    return words.replace(mark, "")


def _too_fine(currency: str, charged: int) -> str:
    name = currency.upper()
    if charged == 0:
        return f"{name} is charged in whole ones only. Write it like 500."
    return f"{name} is charged with at most {charged} decimals. Write it like 12.50."


def _most(currency: str) -> str:
    return show(Amount(MOST - MOST % (1 if _decimals(currency)[0] < 3 else 10), currency))  # noqa: PLR2004


def _marks(language: str) -> tuple[str, str, bool]:
    language = language.lower()
    for name in (language, _family(language)):
        if name in ELSEWHERE:
            return (*ELSEWHERE[name], True)
        if name in IN_FRONT:
            return (*IN_FRONT[name], False)
    return ",", ".", False


def _family(language: str) -> str:
    return language.lower().partition("-")[0]
