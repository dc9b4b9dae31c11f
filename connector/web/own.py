"""The account: one page for who is signed in, from which everything of theirs is reached.

Letters, data and erasing stay where the link from a letter leads; nothing is built twice.
"""

from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from connector import clock
from connector.delivery import links as personal
from connector.delivery import mailings
from connector.errors import ExpiredLink, InvalidLink, Refused, TooManyRequests
from connector.membership import plan
from connector.readers import links, moving, signup
from connector.readers.subscriber import Subscriber
from connector.web import forms, session
from connector.web.forms import EmailForm
from connector.web.plan import plan_of
from connector.web.site import client_of, page, see, site_of

SAID = ("letters", "moving", "stay")


def overview(request: Request) -> Response:
    """Whoever is signed in: who they are, what they get, what they pay, and how to change it."""
    return _overview(request, session.require(request))


async def start_letters(request: Request) -> Response:
    """Whoever is signed in and gets no letters: put them on the list."""
    await run_in_threadpool(_start_letters, request)
    return see("/account?said=letters")


# Another address


async def ask_to_move(request: Request) -> Response:
    """Whoever is signed in: write to a new address and to the old one, so that both can agree."""
    form = EmailForm.parse(await forms.read(request))
    return await run_in_threadpool(_ask_to_move, request, form)


async def stay(request: Request) -> Response:
    """Whoever is signed in: keep the address after all."""
    await run_in_threadpool(_stay, request)
    return see("/account?said=stay")


def moving_page(request: Request) -> Response:
    """Whoever holds a link from one of the two letters: what is asked; nothing happens yet."""
    # Mail scanners open every link, so GET only shows the buttons.
    site, token = site_of(request), request.path_params["token"]
    try:
        found = moving.read(site.db, site.settings, token, now=clock.now())
    except ExpiredLink:
        raise InvalidLink(moving.GONE) from None
    return page(request, "pages/moving.html", moving=found, token=token)


async def decide(request: Request) -> Response:
    """Whoever holds a link from one of the two letters: agree to the change, or refuse it."""
    sent = await forms.read(request)
    return await run_in_threadpool(_decide, request, says_yes=sent.get("answer") == "yes")


def _ask_to_move(request: Request, form: EmailForm) -> Response:
    site, subscriber = site_of(request), session.require(request)
    if form.errors:
        return _overview(request, subscriber, form=form, status_code=422)
    try:
        moving.ask(
            site.db,
            site.settings,
            site.environment,
            subscriber.id,
            email=form.email,
            client=client_of(request),
            now=clock.now(),
        )
    except TooManyRequests:
        raise
    except Refused as error:
        form = EmailForm(form.email, {"email": str(error)})
        return _overview(request, subscriber, form=form, status_code=422)
    return see("/account?said=moving")


def _stay(request: Request) -> None:
    moving.take_back(site_of(request).db, session.require(request).id)


def _decide(request: Request, *, says_yes: bool) -> Response:
    site, token, now = site_of(request), request.path_params["token"], clock.now()
    try:
        if not says_yes:
            moving.refuse(site.db, site.settings, token, now=now)
            return page(request, "pages/moved.html", subscriber=None)
        moved = moving.agree(site.db, site.settings, token, client=client_of(request), now=now)
    except ExpiredLink:
        raise InvalidLink(moving.GONE) from None
    if moved is None:
        return see(request.url.path)
    plan.follow_address(site.db, site.settings, site.payments, moved)
    return page(request, "pages/moved.html", subscriber=moved)


# What they share


def _start_letters(request: Request) -> None:
    """As by the link in a confirmation: signing in has shown who reads there."""
    site, subscriber, now = site_of(request), session.require(request), clock.now()
    token = links.confirm(site.settings, subscriber.id, now=now).rpartition("/")[2]
    signup.confirm(
        site.db,
        site.settings,
        site.environment,
        token,
        page="/account",
        client=client_of(request),
        now=now,
    )


def _overview(
    request: Request,
    subscriber: Subscriber,
    *,
    form: EmailForm | None = None,
    status_code: int = 200,
) -> Response:
    site, said, now = site_of(request), request.query_params.get("said"), clock.now()
    with site.db.read() as connection:
        is_suppressed = mailings.suppression(connection, subscriber.email_key) is not None
    return page(
        request,
        "pages/account.html",
        status_code=status_code,
        subscriber=subscriber,
        is_paused=subscriber.is_paused(now),
        is_suppressed=is_suppressed,
        preferences=urlsplit(personal.preferences(site.settings, subscriber.id)).path,
        plan=plan_of(request, subscriber),
        change=moving.pending(site.db, subscriber.id, now=now),
        form=form or EmailForm(),
        said=said if said in SAID else None,
    )
