"""The Till's pages in a window: nothing hides that it is play, and everybody can read them."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from connector import clock
from connector.clock import DAY, SECOND
from connector.till import desk, opening
from tests.browser.conftest import DESKTOP, PHONE, Open
from tests.browser.looking import look, overflow
from tests.browser.test_everybody_can_read_every_page import ELSE, TEXT
from tests.stories.site import Site

BANNER = "This is the till: play money. No card is charged."
FIELDS = [
    {"key": "heard", "type": "text", "label": {"type": "custom", "custom": "Who told you?"}},
    {
        "key": "town",
        "type": "dropdown",
        "label": {"type": "custom", "custom": "Your part of town"},
        "dropdown": {"options": [{"label": "Harbour Row", "value": "harbour"}]},
    },
]


@pytest.fixture(scope="module")
def pages(home: Site) -> list[str]:
    """A checkout of each kind, the bank, the portal, invoices paid and open, a receipt."""
    settings, now = home.settings, clock.now()
    with home.db() as db:
        v1: Any = opening.client(settings, db).v1
        price = {
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Supporter"},
        }
        wanted = {
            "success_url": settings.publication.url,
            "line_items": [{"price_data": price, "quantity": 1}],
            "mode": "subscription",
            "custom_fields": FIELDS,
            "allow_promotion_codes": True,
            "consent_collection": {"terms_of_service": "required", "promotions": "auto"},
        }
        still_open = v1.checkout.sessions.create(wanted)
        joined = v1.checkout.sessions.create(
            wanted | {"custom_fields": [], "consent_collection": {}}
        )
        desk.pay(db, settings, joined.id, card="later", now=now)
        desk.advance(db, settings, 32 * DAY // SECOND, now=now)
        customer = v1.checkout.sessions.retrieve(joined.id).customer
        asking = v1.checkout.sessions.create(wanted)
        portal = v1.billing_portal.sessions.create({"customer": customer})
        bills = v1.invoices.list({"customer": customer}).data
        (charge,) = [one for one in v1.charges.list().data if one.paid]
    found = [
        f"{asking.url}?said=declined",
        f"{asking.url}/3ds",
        f"{settings.publication.url}/till/{still_open.id}",
        f"{settings.publication.url}/till/{joined.id}",
        f"{portal.url}?said=done",
        *(bill.hosted_invoice_url for bill in bills),
        bills[0].invoice_pdf,
        charge.receipt_url,
    ]
    assert [bill.status for bill in bills] == ["open", "paid"]
    return [urlsplit(url)._replace(scheme="", netloc="").geturl() for url in found]


@pytest.mark.parametrize("width", [PHONE, 320, DESKTOP])
def test_no_page_scrolls_sideways(visit: Open, pages: list[str], width: int) -> None:
    page = visit(width).page

    wide = {}
    for path in pages:
        page.goto(path)
        if by := overflow(page):
            wide[path] = by

    assert wide == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_says_that_it_is_play_and_stands_out(
    visit: Open, pages: list[str], scheme: str
) -> None:
    page = visit(color_scheme=scheme).page

    trouble = []
    for path in pages:
        page.goto(path)
        assert page.locator(".notice").inner_text().startswith(BANNER), path
        seen = look(page)
        trouble += [f"{path}: {what}" for what in seen.structure]
        trouble += [f"{path}: {ratio} {where}" for ratio, where in seen.texts if ratio < TEXT]
        trouble += [f"{path}: {ratio} {where}" for ratio, where in seen.others if ratio < ELSE]

    assert trouble == []
