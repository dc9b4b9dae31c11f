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
from connector.settings import Settings
from connector.till.opening import Payments
from connector.web import assets
from connector.web.assets import Assets

# What may be kept, by whom: see cache.py, which answers what is public from memory.
PUBLIC = {"Cache-Control": "public, max-age=0, must-revalidate"}
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
        Payments(settings, db),
    )
    environment.globals.update(
        publication=settings.publication,
        site_url=settings.publication.url.rstrip("/"),
        asset=site.assets.url,
        has_tray=has_tray(settings),
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


def has_tray(settings: Settings) -> bool:
    """Whether letters are shown to whoever asks: without a relay, and only on this machine."""
    return settings.is_local and not settings.has_relay


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
    """A page of ours; nobody may keep it unless `headers` say so."""
    shown = {"here": request.url.path, **context}
    return site_of(request).templates.TemplateResponse(
        request, template, shown, status_code=status_code, headers=headers
    )


def see(path: str) -> Response:
    """Go and look at another page of ours; a reload there repeats nothing."""
    return RedirectResponse(path, status_code=303)
