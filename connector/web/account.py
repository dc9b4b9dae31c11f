"""A reader's own pages: confirming, preferences, leaving.

A mailed link only ever shows a page; what it changes, it changes on a post. The link is the proof:
nobody has to be signed in.
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
from connector.membership import own_data
from connector.publishing import store as issues
from connector.readers import preferences, signup
from connector.readers.subscriber import Subscriber
from connector.web import changing, forms, joining, session
from connector.web.forms import NameForm, PauseForm, SubscribeForm
from connector.web.plan import plan_of
from connector.web.site import PUBLIC, client_of, page, see, site_of

SAVED = ("name", "paused", "resumed", "back")


# Confirming


def confirmation(request: Request) -> Response:
    """Whoever holds the link from a confirmation letter: a button, and nothing happens yet."""
    # Mail scanners open every link, so GET only shows the button.
    site, token = site_of(request), request.path_params["token"]
    subscriber = signup.read_confirmation(site.db, site.settings, token, clock.now())
    return page(
        request,
        "pages/confirm.html",
        subscriber=subscriber,
        token=token,
        carried=joining.carried(request),
        chosen=joining.chosen(request),
        is_gift="gift" in request.query_params,
    )


async def confirm(request: Request) -> Response:
    """Whoever holds the link from a confirmation letter: put them on the list.

    Who chose something before is signed in and goes on with it.
    """
    site, token = site_of(request), request.path_params["token"]
    confirmed = partial(signup.confirm, site.db, site.settings, site.environment, token)
    subscriber = await run_in_threadpool(confirmed, **_where(request))
    return await joining.go_on(request, subscriber)


async def resend(request: Request) -> Response:
    """Whoever holds an old confirmation link: send a new one to the same address."""
    subscriber = await run_in_threadpool(_whoever_asked, request)
    form = SubscribeForm(email=subscriber.email, page="/confirm")
    await run_in_threadpool(joining.ask, request, form, joining.carried(request).lstrip("?"))
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
    return await run_in_threadpool(_unsubscribe_at_once, request)


async def undo(request: Request) -> Response:
    """Whoever holds the link: take the unsubscribing back."""
    subscriber = await run_in_threadpool(_resubscribe, request, "unsubscribe")
    return page(request, "pages/resubscribed.html", subscriber=subscriber)


async def settle_plan(request: Request) -> Response:
    """Whoever holds the link and left the list: end what they pay for, or pay on unread."""
    sent = await forms.read(request)
    return await run_in_threadpool(_settle_plan, request, forms.text(sent, "plan"), "unsubscribe")


# Preferences


async def settle_own_plan(request: Request) -> Response:
    """The same from somebody's own page."""
    sent = await forms.read(request)
    return await run_in_threadpool(_settle_plan, request, forms.text(sent, "plan"), "preferences")


def overview(request: Request) -> Response:
    """Whoever holds the link from a letter: what they get, and what can be changed."""
    return _preferences(request, _reader(request), saved=request.query_params.get("saved"))


async def rename(request: Request) -> Response:
    """Whoever holds the link: change the name letters greet them with."""
    form = NameForm.parse(await forms.read(request))
    if form.errors:
        subscriber = await run_in_threadpool(_reader, request)
        again = partial(_preferences, request, subscriber, form=form, status_code=422)
        return await run_in_threadpool(again)
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
        again = partial(_preferences, request, subscriber, pause=form, status_code=422)
        return await run_in_threadpool(again)
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
    site = site_of(request)
    everything = own_data.export(site.db, site.settings, _recipient(request))
    return JSONResponse(
        everything, headers={"Content-Disposition": 'attachment; filename="my-data.json"'}
    )


def erasing(request: Request) -> Response:
    """Whoever holds the link: whether they are sure."""
    view = plan_of(request, _reader(request))
    return page(request, "pages/erase.html", token=request.path_params["token"], plan=view)


async def erase(request: Request) -> Response:
    """Whoever holds the link: end what they pay for, and forget everything about them."""
    site, recipient = site_of(request), _recipient(request)
    erased = partial(own_data.erase, site.db, site.settings, site.payments, recipient)
    await run_in_threadpool(erased, now=clock.now())
    response = see("/goodbye")
    await run_in_threadpool(session.tidy, response, request)
    return response


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


def _unsubscribe_at_once(request: Request) -> Response:
    return _left(request, _unsubscribe(request, "unsubscribe"))


def _settle_plan(request: Request, what: str, purpose: Purpose) -> Response:
    site, token = site_of(request), request.path_params["token"]
    subscriber = preferences.find(site.db, _recipient(request, purpose))
    told = changing.settle_unread(request, subscriber, what)
    return see(f"/{purpose}/{token}?plan={told}" if told else f"/{purpose}/{token}")


def _left(request: Request, subscriber: Subscriber | None) -> Response:
    token = request.path_params["token"]
    return page(
        request,
        "pages/unsubscribed.html",
        subscriber=subscriber,
        token=token,
        path=f"/unsubscribe/{token}",
        plan=plan_of(request, subscriber) if subscriber else None,
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
        plan=plan_of(request, subscriber),
        form=form or NameForm(subscriber.name),
        pause=pause or PauseForm(),
        saved=saved if saved in SAVED else None,
    )


def _own_path(request: Request, subscriber: Subscriber) -> str:
    token = links.token(site_of(request).settings, "preferences", subscriber.id)
    return f"/preferences/{token}"


def _saved(request: Request, what: str) -> Response:
    return see(f"/preferences/{request.path_params['token']}?saved={what}")
