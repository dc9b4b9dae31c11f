"""Pages for everybody: home, archive, issues, about, feeds, images, health.

What is declared public here is answered from memory afterwards, so nothing in this module looks
at a query or a header. Only who is signed in is looked for, and their pages are never kept.
"""

from collections.abc import Iterable
from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector import clock
from connector.errors import ConnectorError, NotFound
from connector.membership import complimentary
from connector.publishing import editions, feeds, store
from connector.publishing.store import PublishedIssue
from connector.web import session
from connector.web.site import FOREVER, PUBLIC, Site, page, site_of

RECENT = 12
ATOM = "application/atom+xml"


def home(request: Request) -> Response:
    """Anyone: what this is, the newest issue, the form, and what came before."""
    site = site_of(request)
    with site.db.read() as connection:
        issues = store.archive(connection, clock.now())
    return page(
        request,
        "pages/home.html",
        headers=PUBLIC,
        latest=issues[0] if issues else None,
        earlier=issues[1 : RECENT + 1],
        count=len(issues),
    )


def archive(request: Request) -> Response:
    """Anyone: every issue, by year."""
    site = site_of(request)
    with site.db.read() as connection:
        issues = store.archive(connection, clock.now())
    return page(
        request,
        "pages/archive.html",
        headers=PUBLIC,
        years=by_year(issues, site.settings.publication.zone),
        count=len(issues),
    )


def issue(request: Request) -> Response:
    """Anyone: one issue, without its asking for who is signed in and a member."""
    site, now, reader = site_of(request), clock.now(), session.reader(request)
    with site.db.read() as connection:
        found = store.by_slug(connection, request.path_params["slug"], now)
        if found is None:
            raise NotFound("There is no issue at this address.")
        is_member = reader and complimentary.is_member(connection, reader.id, now)
        audience: editions.Audience = "member" if is_member else "everyone"
        body = store.edition(connection, found.id, "web", audience)
        issues = store.archive(connection, now)
    at = [other.id for other in issues].index(found.id)
    return page(
        request,
        "pages/issue.html",
        headers=PUBLIC,
        issue=found,
        body=body,
        number=len(issues) - at,
        newer=issues[at - 1] if at > 0 else None,
        older=issues[at + 1] if at + 1 < len(issues) else None,
    )


def about(request: Request) -> Response:
    """Anyone: who writes this and why."""
    settings = site_of(request).settings
    text = settings.publication.about or settings.publication.description
    return page(
        request, "pages/about.html", headers=PUBLIC, body=editions.page(text, settings).strip()
    )


def feed(request: Request) -> Response:
    """Anyone: the newest issues as Atom, in full."""
    site = site_of(request)
    with site.db.read() as connection:
        xml = feeds.atom(connection, site.settings, site.environment, now=clock.now())
    return Response(xml, media_type=ATOM, headers=PUBLIC)


def sitemap(request: Request) -> Response:
    """Anyone, and above all search engines: every page there is."""
    site = site_of(request)
    with site.db.read() as connection:
        xml = feeds.sitemap(connection, site.settings, site.environment, now=clock.now())
    return Response(xml, media_type="application/xml", headers=PUBLIC)


def robots(request: Request) -> Response:
    """Any crawler: all of it is open, except what belongs to one reader."""
    return site_of(request).templates.TemplateResponse(
        request, "pages/robots.txt", headers=PUBLIC, media_type="text/plain"
    )


def image(request: Request) -> Response:
    """Anyone: a picture, named by its content."""
    with site_of(request).db.read() as connection:
        found = store.image(connection, request.path_params["digest"])
    if found is None:
        raise NotFound("There is no picture at this address.")
    return Response(found.bytes, media_type=found.media_type, headers=FOREVER)


def asset(request: Request) -> Response:
    """Anyone: stylesheet, scripts, icons."""
    site, name = site_of(request), request.path_params["name"]
    if found := site.assets.hashed(name):
        return Response(found.body, media_type=found.media_type, headers=FOREVER)
    if found := site.assets.plain(name):
        return Response(found.body, media_type=found.media_type, headers=PUBLIC)
    raise NotFound("There is no file at this address.")


async def health(request: Request) -> Response:
    """Anyone, and above all a monitor: 200 while the database answers, 503 when it does not."""
    try:
        await run_in_threadpool(_ask, site_of(request))
    except ConnectorError:
        return JSONResponse({"status": "unavailable"}, status_code=503)
    return JSONResponse({"status": "ok"})


def _ask(site: Site) -> None:
    with site.db.read() as connection:
        store.version(connection)


def by_year(issues: Iterable[PublishedIssue], zone: str) -> list[tuple[int, list[PublishedIssue]]]:
    """Issues that are already newest first, under the year their readers saw them in."""
    years = groupby(issues, key=lambda each: clock.moment(each.published_at, zone).year)
    return [(year, list(each)) for year, each in years]
