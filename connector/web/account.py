"""A reader's own pages: subscribing, confirming, preferences, leaving.

A mailed link only ever shows a page; what it changes, it changes on a post. Nothing here signs
anybody in: the link is the proof.
"""

from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector import clock
from connector.delivery import links
from connector.delivery.links import Purpose
from connector.errors import ExpiredLink, NotFound
from connector.publishing import store as issues
from connector.readers import preferences, signup
from connector.readers.subscriber import Subscriber
from connector.web import forms
from connector.web.forms import NameForm, PauseForm, SubscribeForm
from connector.web.site import PUBLIC, client_of, page, see, site_of

SAVED = ("name", "paused", "resumed", "back")


# Subscribing


def subscribe(request: Request) -> Response:
    """Anyone: the form, on a page of its own."""
    return page(request, "pages/subscribe.html", headers=PUBLIC, form=SubscribeForm())


async def ask_to_subscribe(request: Request) -> Response:
    """Anyone: ask to be put on the list. The answer never says who is already on it."""
    form = SubscribeForm.parse(
        await forms.read(request), referrer=request.headers.get("referer", "")
    )
    if form.errors:
        return page(request, "pages/subscribe.html", status_code=422, form=form)
    if not form.is_trapped:
        await run_in_threadpool(_ask, request, form.email, form.name, form.page)
    return see("/subscribe/sent")


def sent(request: Request) -> Response:
    """Anyone who just asked: what to do next."""
    return page(request, "pages/sent.html", headers=PUBLIC)


# Confirming


def confirmation(request: Request) -> Response:
    """Whoever holds the link from a confirmation letter: a button, and nothing happens yet."""
    # Mail scanners open every link, so GET only shows the button.
    site, token = site_of(request), request.path_params["token"]
    subscriber = signup.read_confirmation(site.db, site.settings, token, clock.now())
    return page(request, "pages/confirm.html", subscriber=subscriber, token=token)


async def confirm(request: Request) -> Response:
    """Whoever holds the link from a confirmation letter: put them on the list."""
    site, token = site_of(request), request.path_params["token"]
    confirmed = partial(signup.confirm, site.db, site.settings, site.environment, token)
    await run_in_threadpool(confirmed, **_where(request))
    return see("/welcome")


async def resend(request: Request) -> Response:
    """Whoever holds an old confirmation link: send a new one to the same address."""
    subscriber = await run_in_threadpool(_whoever_asked, request)
    await run_in_threadpool(_ask, request, subscriber.email, "", "/confirm")
    return see("/subscribe/sent")


def welcome(request: Request) -> Response:
    """Anyone who just confirmed: it worked, and here is something to read."""
    with site_of(request).db.read() as connection:
        latest = issues.latest(connection, clock.now())
    return page(request, "pages/welcome.html", headers=PUBLIC, latest=latest)


# Leaving


def leaving(request: Request) -> Response:
    """Whoever holds the link from a letter: a button, and nothing happens yet."""
    # Mail scanners open every link, so GET only shows the button.
    subscriber = _present(request, "unsubscribe")
    if subscriber is None or subscriber.state == "unsubscribed":
        return _left(request, subscriber)
    return page(
        request,
        "pages/unsubscribe.html",
        subscriber=subscriber,
        token=request.path_params["token"],
        preferences=_own_path(request, subscriber),
    )


async def unsubscribe(request: Request) -> Response:
    """Whoever holds the link, or their mail program (RFC 8058): stop the letters at once."""
    return _left(request, await run_in_threadpool(_unsubscribe, request, "unsubscribe"))


async def undo(request: Request) -> Response:
    """Whoever holds the link: take the unsubscribing back."""
    subscriber = await run_in_threadpool(_resubscribe, request, "unsubscribe")
    return page(request, "pages/resubscribed.html", subscriber=subscriber)


# Preferences


def overview(request: Request) -> Response:
    """Whoever holds the link from a letter: what they get, and what can be changed."""
    return _preferences(request, _reader(request), saved=request.query_params.get("saved"))


async def rename(request: Request) -> Response:
    """Whoever holds the link: change the name letters greet them with."""
    form = NameForm.parse(await forms.read(request))
    if form.errors:
        subscriber = await run_in_threadpool(_reader, request)
        return _preferences(request, subscriber, form=form, status_code=422)
    await run_in_threadpool(
        preferences.rename, site_of(request).db, _recipient(request), name=form.name
    )
    return _saved(request, "name")


async def pause(request: Request) -> Response:
    """Whoever holds the link: no issues for one month, or for three."""
    site = site_of(request)
    form = PauseForm.parse(await forms.read(request))
    if form.errors:
        subscriber = await run_in_threadpool(_reader, request)
        return _preferences(request, subscriber, pause=form, status_code=422)
    now = clock.now()
    until = preferences.in_months(form.months, now=now, zone=site.settings.publication.zone)
    await run_in_threadpool(preferences.pause, site.db, _recipient(request), until=until, now=now)
    return _saved(request, "paused")


async def resume(request: Request) -> Response:
    """Whoever holds the link: end a pause."""
    await run_in_threadpool(
        preferences.pause,
        site_of(request).db,
        _recipient(request),
        until=None,
        now=clock.now(),
    )
    return _saved(request, "resumed")


async def leave(request: Request) -> Response:
    """Whoever holds the link: stop the letters; the page they came from shows the way back."""
    await run_in_threadpool(_unsubscribe, request, "preferences")
    return see(request.url.path.removesuffix("/unsubscribe"))


async def come_back(request: Request) -> Response:
    """Whoever holds the link: back on the list after leaving it."""
    await run_in_threadpool(_resubscribe, request, "preferences")
    return _saved(request, "back")


def download(request: Request) -> Response:
    """Whoever holds the link: everything that is kept about them, as JSON."""
    everything = preferences.export(site_of(request).db, _recipient(request))
    return JSONResponse(
        everything, headers={"Content-Disposition": 'attachment; filename="my-data.json"'}
    )


def erasing(request: Request) -> Response:
    """Whoever holds the link: whether they are sure."""
    _reader(request)
    return page(request, "pages/erase.html", token=request.path_params["token"])


async def erase(request: Request) -> Response:
    """Whoever holds the link: forget everything about them."""
    site = site_of(request)
    await run_in_threadpool(
        preferences.erase, site.db, site.settings, _recipient(request), clock.now()
    )
    return see("/goodbye")


def goodbye(request: Request) -> Response:
    """Anyone who just had everything erased."""
    return page(request, "pages/goodbye.html", headers=PUBLIC)


# What they share


def _recipient(request: Request, purpose: Purpose = "preferences") -> int:
    return links.recipient_of(site_of(request).settings, purpose, request.path_params["token"])


def _reader(request: Request) -> Subscriber:
    return preferences.find(site_of(request).db, _recipient(request))


def _present(request: Request, purpose: Purpose) -> Subscriber | None:
    """Who the link is for, or None once they are erased."""
    try:
        return preferences.find(site_of(request).db, _recipient(request, purpose))
    except NotFound:
        return None


def _whoever_asked(request: Request) -> Subscriber:
    """Whom a confirmation link is for, however old it is."""
    site, token = site_of(request), request.path_params["token"]
    find = partial(signup.read_confirmation, site.db, site.settings, token)
    try:
        return find(clock.now())
    except ExpiredLink as expired:
        return find(expired.signed_at)


def _ask(request: Request, email: str, name: str, page: str) -> None:
    site = site_of(request)
    signup.subscribe(
        site.db,
        site.settings,
        site.environment,
        email=email,
        name=name,
        page=page,
        client=client_of(request),
        now=clock.now(),
    )


def _unsubscribe(request: Request, purpose: Purpose) -> Subscriber | None:
    site, recipient = site_of(request), _recipient(request, purpose)
    return preferences.unsubscribe(
        site.db, site.settings, recipient, how="link", **_where(request, purpose)
    )


def _resubscribe(request: Request, purpose: Purpose) -> Subscriber:
    site, recipient = site_of(request), _recipient(request, purpose)
    return preferences.resubscribe(
        site.db, site.settings, recipient, how="link", **_where(request, purpose)
    )


def _where(request: Request, purpose: str = "confirm") -> dict[str, Any]:
    """Page, client and time for the record of consent; a token is no page's name."""
    return {"page": f"/{purpose}", "client": client_of(request), "now": clock.now()}


def _left(request: Request, subscriber: Subscriber | None) -> Response:
    return page(
        request,
        "pages/unsubscribed.html",
        subscriber=subscriber,
        token=request.path_params["token"],
    )


def _preferences(
    request: Request,
    subscriber: Subscriber,
    *,
    form: NameForm | None = None,
    pause: PauseForm | None = None,
    saved: str | None = None,
    status_code: int = 200,
) -> Response:
    return page(
        request,
        "pages/preferences.html",
        status_code=status_code,
        subscriber=subscriber,
        token=request.path_params["token"],
        is_paused=subscriber.is_paused(clock.now()),
        form=form or NameForm(subscriber.name),
        pause=pause or PauseForm(),
        saved=saved if saved in SAVED else None,
    )


def _own_path(request: Request, subscriber: Subscriber) -> str:
    token = links.token(site_of(request).settings, "preferences", subscriber.id)
    return f"/preferences/{token}"


def _saved(request: Request, what: str) -> Response:
    return see(f"/preferences/{request.path_params['token']}?saved={what}")
