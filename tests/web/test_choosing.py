"""What a page offers can be chosen, button by button, however the writer set the tiers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.datastructures import FormData

from connector.membership import wish
from connector.membership.wish import Wish
from connector.settings import FREE, TIERS, TIP, Prices, Settings, TierSettings
from connector.web import choosing
from connector.web.choosing import Shelf, Way

EURO = Prices("eur", monthly="4.50", yearly="45")
MIXED = (
    TierSettings(FREE, name="Free"),
    TierSettings("supporter", name="Supporter", monthly="5", yearly="50", elsewhere=(EURO,)),
    TierSettings("patron_2", name="Patron", yearly="500"),
    TierSettings("yen", name="In yen", currency="jpy", suggested=("500", "1000")),
    TierSettings("yearly", name="Yearly", suggested=("8.50",), minimum="1", every=("year",)),
    TierSettings("any", name="Any", minimum="1", elsewhere=(Prices("kwd", minimum="0.500"),)),
    TierSettings(TIP, name="Tip", minimum="1", elsewhere=(Prices("eur", suggested=("3",)),)),
)


@pytest.fixture(params=[TIERS, MIXED], ids=["ours", "mixed"])
def offered(request: pytest.FixtureRequest, configured: Settings) -> Settings:
    return replace(configured, tiers=request.param)


def buttons(shelf: Shelf) -> Iterator[tuple[Way, dict[str, str]]]:
    """Every button of a tier, with what has to be filled in beside it."""
    for row in shelf.rows:
        yield from ((way, {}) for way in row.ways)
    if shelf.own:
        amount = {f"amount-{shelf.key}": "750"}
        for every in shelf.own.everys or (Way("", ""),):
            yield shelf.own.way, amount | {f"every-{shelf.key}": every.value}


def test_every_button_comes_to_what_it_says(offered: Settings) -> None:
    for currency in ("", *choosing.currencies(offered)):
        for shelf in choosing.shelves(offered, currency):
            for way, beside in buttons(shelf):
                form = choosing.read(FormData({"join": way.value, **beside}), offered)
                assert form.choice is not None, (way, form.errors)
                if not beside:
                    told = choosing.told(offered, form.choice)
                    assert told.startswith(way.label), (way, told)


def test_every_gift_and_every_tip_too(offered: Settings) -> None:
    for currency in ("", *choosing.currencies(offered)):
        for shelf in choosing.presents(offered, currency):
            for way, beside in buttons(shelf):
                form = choosing.read_present(FormData({"join": way.value, **beside}), offered)
                assert form.choice is not None, (way, form.errors)
                assert form.months in (1, 3, 6, 12)
    for currency in ("", *choosing.currencies(offered, tip=True)):
        tip = choosing.tips(offered, currency)
        assert tip is not None
        for way, beside in buttons(tip):
            assert choosing.read_tip(FormData({"join": way.value, **beside}), offered).choice, way


def test_a_wish_comes_back_as_it_went(offered: Settings) -> None:
    for shelf in choosing.shelves(offered):
        for way, beside in buttons(shelf):
            sent = FormData({"join": way.value, "offer": "SPRING-26", **beside})
            form = choosing.read(sent, offered)
            again = choosing.wished(str(form.wish), offered)
            assert (again.choice, again.offer) == (form.choice, "SPRING-26")
            assert wish.read(str(form.wish)) == form.wish


@pytest.mark.parametrize("text", ["", "free", "free-month-usd", "-", "\n-x", "a" * 201])
def test_what_is_no_wish_is_none(text: str) -> None:
    assert wish.read(text) is None


def test_a_wish_is_short_where_nothing_is_left_to_say() -> None:
    assert str(Wish("supporter", "month", "usd")) == "supporter-month-usd"


def test_a_form_without_anything_is_free(configured: Settings) -> None:
    form = choosing.read(FormData({}), configured)

    assert (form.picked, form.choice, form.errors) == (FREE, None, {})
