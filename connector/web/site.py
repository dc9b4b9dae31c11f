"""What every handler needs, made once when the app starts: settings, database, templates, assets.

It renders pages; it never looks anything up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from connector import clock, templates
from connector.database import Database
from connector.delivery.outage import Outage
from connector.delivery.steady import Steady
from connector.membership import tiers
from connector.settings import Settings
from connector.till.opening import Payments
from connector.web import assets
from connector.web.assets import Assets

# What may be kept, by whom: see cache.py, which answers what is public from memory.
PUBLIC = {"Cache-Control": "public, max-age=0, must-revalidate"}
PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Cookie"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
WORDS_A_MINUTE = 230


@dataclass(frozen=True)
class Site:
    settings: Settings
    db: Database
    environment: jinja2.Environment
    templates: Jinja2Templates
    assets: Assets
    outage: Outage
    session: str  # the name of the cookie that says who is signed in
    payments: Payments  # site.payments() is the client, in a thread: opening it takes a moment


def build(settings: Settings, db: Database) -> Site:
    environment = templates.environment(settings.root)
    site = Site(
        settings,
        db,
        environment,
        Jinja2Templates(env=environment),
        assets.load(settings),
        Outage(Steady(), again=clock.MINUTE),
        session_cookie(settings),
        Payments(settings, db),
    )
    environment.globals.update(
        publication=settings.publication,
        site_url=settings.publication.url.rstrip("/"),
        asset=site.assets.url,
        has_tray=has_tray(settings),
        has_paid=tiers.has_paid(settings),
        frequency=settings.publication.frequency.strip().rstrip("."),
    )
    zone = settings.publication.zone
    environment.filters.update(
        day=lambda at: f"{(when := clock.moment(at, zone)).day} {when:%B %Y}",
        short_day=lambda at: f"{(when := clock.moment(at, zone)).day} {when:%b}",
        hour=lambda at: f"{clock.moment(at, zone):%H:%M}",
        utc=clock.utc,
        minutes=lambda words: max(1, round(words / WORDS_A_MINUTE)),
    )
    return site


def session_cookie(settings: Settings) -> str:
    """The cookie of who is signed in; on https no other host can set one of this name."""
    # RFC 6265bis, 4.1.3.2: a browser takes __Host- only when Secure, for all paths, with no domain.
    return "__Host-reader" if is_secure(settings) else "reader"


def is_secure(settings: Settings) -> bool:
    return settings.publication.url.startswith("https:")


def has_tray(settings: Settings) -> bool:
    """Whether letters are shown to whoever asks: without a relay, and only on this machine."""
    return settings.is_local and not settings.has_relay


def has_till(settings: Settings) -> bool:
    """Whether play money stands in for Stripe: without a key, where something can be paid for."""
    return settings.stripe.is_till and settings.takes_payments


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def client_of(request: Request) -> str:
    """The network client, for limits and the record of consent."""
    return request.client.host if request.client else ""


def page(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page of ours; nobody may keep it unless `headers` say so.

    Who seems to be signed in gets one of their own, which nobody keeps at all.
    """
    site = site_of(request)
    signed_in = site.session in request.cookies
    shown = {"here": request.url.path, "signed_in": signed_in, **context}
    if signed_in:
        headers = {**(headers or {}), **PRIVATE}
    return site.templates.TemplateResponse(
        request, template, shown, status_code=status_code, headers=headers
    )


def see(path: str) -> Response:
    """Go and look at another page of ours; a reload there repeats nothing."""
    return RedirectResponse(path, status_code=303)
