"""Signing in and out: an address, then the link from the letter or its code.

A mailed link only shows a button; the answer to asking never says who is on the list.
"""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from connector import clock
from connector.clock import SECOND
from connector.errors import ExpiredLink, InvalidLink, Refused
from connector.readers import sessions, signin
from connector.readers.signin import Entry
from connector.web import forms, session
from connector.web.forms import CodeForm, SignInForm
from connector.web.site import client_of, page, see, site_of

# Names the asking, so that a code is typed in the browser that asked for it.
ASKED = "signin"


def door(request: Request) -> Response:
    """Anyone: the form that asks for an address; on to where they were going if signed in."""
    goes_to = session.local(request.query_params.get("next", session.HOME))
    if session.reader(request):
        return see(goes_to)
    return _door(request, SignInForm(goes_to=goes_to))


async def ask(request: Request) -> Response:
    """Anyone: ask for a letter that signs in. The answer never says who is on the list."""
    form = SignInForm.parse(await forms.read(request))
    if form.errors:
        return _door(request, form, status_code=422)
    site = site_of(request)
    asked = await run_in_threadpool(
        signin.ask,
        site.db,
        site.settings,
        site.environment,
        email=form.email,
        goes_to=session.local(form.goes_to),
        client=client_of(request),
        now=clock.now(),
    )
    response = see("/signin/code")
    session.keep(response, request, ASKED, asked, seconds=signin.AGE // SECOND)
    return response


def waiting(request: Request) -> Response:
    """Anyone who just asked: look for the letter, or type its code."""
    if not _asked(request):
        return see("/signin")
    return _waiting(request, CodeForm())


async def enter(request: Request) -> Response:
    """Anyone who just asked: sign in with the code from the letter."""
    if not _asked(request):
        return see("/signin")
    form = CodeForm.parse(await forms.read(request))
    if form.errors:
        return _waiting(request, form, status_code=422)
    site = site_of(request)
    try:
        by_code = partial(signin.by_code, site.db, site.settings, _asked(request), form.code)
        entry = await run_in_threadpool(by_code, now=clock.now())
    except InvalidLink:
        return _ask_anew(request, signin.OLD)
    except ExpiredLink as error:
        return _ask_anew(request, str(error))
    except Refused as error:
        return _waiting(request, CodeForm(errors={"code": str(error)}), status_code=422)
    return await run_in_threadpool(_welcome, request, entry)


def button(request: Request) -> Response:
    """Whoever holds the link from a sign-in letter: a button, and nothing happens yet."""
    # Mail scanners open every link, so GET only shows the button.
    site, token = site_of(request), request.path_params["token"]
    try:
        subscriber = signin.read(site.db, site.settings, token, now=clock.now())
    except ExpiredLink as error:
        return _over(request, str(error))
    return page(request, "pages/signin_link.html", subscriber=subscriber, token=token)


async def follow(request: Request) -> Response:
    """Whoever holds the link from a sign-in letter: sign in, once."""
    return await run_in_threadpool(_follow, request)


async def leave(request: Request) -> Response:
    """Whoever is signed in: sign out in this browser."""
    response = see("/")
    await run_in_threadpool(session.end, response, request)
    return response


async def leave_everywhere(request: Request) -> Response:
    """Whoever is signed in: sign out in every browser."""
    response = see("/")
    await run_in_threadpool(_leave_everywhere, response, request)
    return response


def _follow(request: Request) -> Response:
    site, token = site_of(request), request.path_params["token"]
    try:
        entry = signin.by_link(site.db, site.settings, token, now=clock.now())
    except ExpiredLink as error:
        # A second click on the button, or the way back to it.
        return see(session.HOME) if session.reader(request) else _over(request, str(error))
    return _welcome(request, entry)


def _welcome(request: Request, entry: Entry) -> Response:
    response = see(session.local(entry.goes_to))
    session.begin(response, request, entry.subscriber)
    session.keep(response, request, ASKED, "", seconds=0)
    return response


def _leave_everywhere(response: Response, request: Request) -> None:
    if subscriber := session.reader(request):
        sessions.end_all(site_of(request).db, subscriber.id)
    session.end(response, request)


def _asked(request: Request) -> str:
    return request.cookies.get(session.named(request, ASKED), "")


def _door(request: Request, form: SignInForm, *, status_code: int = 200) -> Response:
    return page(request, "pages/signin.html", form=form, over="", status_code=status_code)


def _waiting(request: Request, form: CodeForm, *, status_code: int = 200) -> Response:
    minutes = signin.AGE // clock.MINUTE
    return page(request, "pages/code.html", form=form, minutes=minutes, status_code=status_code)


def _ask_anew(request: Request, why: str) -> Response:
    """Nothing is left to type in this browser."""
    response = _over(request, why)
    session.keep(response, request, ASKED, "", seconds=0)
    return response


def _over(request: Request, why: str) -> Response:
    return page(request, "pages/signin.html", form=SignInForm(), over=why, status_code=410)
