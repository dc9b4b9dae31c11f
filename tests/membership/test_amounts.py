"""Amounts: what a person may type, what comes of it, and how it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.currencies import DECIMALS
from connector.errors import InvalidAmount
from connector.membership import money
from connector.membership.money import MOST, Amount


@pytest.mark.parametrize(
    ("text", "currency", "cents"),
    [
        ("12", "usd", 1200),
        ("12.50", "usd", 1250),
        ("12,5", "eur", 1250),
        (" $12 ", "usd", 1200),
        ("12 €", "eur", 1200),
        ("USD 12", "usd", 1200),
        ("0.30", "usd", 30),
        (".5", "usd", 50),
        ("5.", "usd", 500),
        ("1,200", "usd", 120_000),
        ("1,200.50", "usd", 120_050),
        ("1.200,50", "eur", 120_050),
        ("1.200.000", "krw", 1_200_000),
        ("1,200", "jpy", 1200),
        ("1 200", "sek", 120_000),
        ("1’200.00", "chf", 120_000),
        ("12.5000", "usd", 1250),
        ("²", "usd", 200),
        ("500", "jpy", 500),
        ("500.00", "jpy", 500),
        ("¥500", "jpy", 500),
        ("3.25", "kwd", 3250),
        ("900", "isk", 90_000),
        ("١٢٫٥٠", "usd", 1250),
        ("१२", "inr", 1200),
        ("１２．５０", "jpy", None),
        ("１２", "jpy", 12),
        ("0012", "usd", 1200),
    ],
)
def test_what_people_type_is_read(text: str, currency: str, cents: int | None) -> None:
    if cents is None:
        with pytest.raises(InvalidAmount, match="whole ones"):
            money.read(text, currency)
        return

    assert money.read(text, currency) == Amount(cents, currency)


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("", "usd", "cannot read"),
        ("a lot", "usd", "cannot read"),
        ("1e3", "usd", "cannot read"),
        ("0x10", "usd", "cannot read"),
        ("12.5.0", "usd", "cannot read"),
        ("½", "usd", "cannot read"),
        ("nan", "usd", "cannot read"),
        ("0", "usd", "more than nothing"),
        ("0.00", "usd", "more than nothing"),
        ("-5", "usd", "more than nothing"),
        ("−5", "usd", "more than nothing"),
        ("0.1 + 0.2", "usd", "cannot read"),
        ("0.30000000000000004", "usd", "at most 2 decimals"),
        ("12.345", "usd", "at most 2 decimals"),
        ("3.125", "kwd", "at most 2 decimals"),
        ("3,125", "kwd", "at most 2 decimals"),
        ("0.5", "jpy", "whole ones"),
        ("9.50", "ugx", "whole ones"),
        ("1000000", "usd", "$999,999.99 is the most"),
        ("9" * 400, "usd", "is the most"),
        ("5", "xyz", "not a currency"),
    ],
)
def test_what_is_no_amount_gets_one_clear_sentence(text: str, currency: str, said: str) -> None:
    with pytest.raises(InvalidAmount) as caught:
        money.read(text, currency)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tenth_and_a_fifth_are_three_tenths() -> None:
    parts = [money.read(text, "usd").cents for text in ("0.1", "0.2")]

    assert sum(parts) == money.read("0.3", "usd").cents


@pytest.mark.parametrize(
    ("amount", "language", "shown"),
    [
        (Amount(1200, "usd"), "en", "$12"),
        (Amount(1250, "usd"), "en", "$12.50"),
        (Amount(500, "eur"), "en", "€5"),
        (Amount(500, "jpy"), "en", "¥500"),
        (Amount(3250, "kwd"), "en", "KWD\u00a03.250"),
        (Amount(500, "chf"), "en", "CHF\u00a05"),
        (Amount(123_450, "usd"), "en", "$1,234.50"),
        (Amount(123_450, "eur"), "de", "1.234,50\u00a0€"),
        (Amount(123_450, "eur"), "fr", "1\u202f234,50\u00a0€"),
        (Amount(500, "brl"), "pt-BR", "R$\u00a05"),
        (Amount(500, "eur"), "nl", "€\u00a05"),
        (Amount(-500, "usd"), "en", "−$5"),
        (Amount(0, "usd"), "en", "$0"),
        (Amount(5, "usd"), "xx-YY", "$0.05"),
    ],
)
def test_it_is_shown_as_people_write_it(amount: Amount, language: str, shown: str) -> None:
    assert money.show(amount, language) == shown


@given(st.data())
def test_what_is_shown_can_be_typed_again(data: st.DataObject) -> None:
    currency = data.draw(st.sampled_from(sorted(DECIMALS)))
    counted, charged = DECIMALS[currency]
    step = 10 ** (counted - charged)
    amount = Amount(data.draw(st.integers(1, MOST // step)) * step, currency)

    assert money.read(money.plain(amount), currency) == amount
    if counted < 3:  # of “1,200” dinars nobody can tell whether thousandths are meant
        assert money.read(money.show(amount), currency) == amount


@given(st.text(), st.sampled_from(sorted(DECIMALS)))
def test_any_text_is_an_amount_or_one_sentence(text: str, currency: str) -> None:
    try:
        amount = money.read(text, currency)
    except InvalidAmount:
        return

    assert 0 < amount.cents <= MOST


@given(st.integers(0, 10**6), st.integers(0, 99))
def test_dollars_and_cents_are_exact(whole: int, part: int) -> None:
    cents = whole * 100 + part
    if 0 < cents <= MOST:
        assert money.read(f"{whole}.{part:02}", "usd").cents == cents
