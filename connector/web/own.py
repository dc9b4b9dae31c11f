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
from connector.readers import links, signup
from connector.readers.subscriber import Subscriber
from connector.web import session
from connector.web.plan import plan_of
from connector.web.site import client_of, page, see, site_of

SAID = ("letters",)


def overview(request: Request) -> Response:
    """Whoever is signed in: who they are, what they get, what they pay, and how to change it."""
    return _overview(request, session.require(request))


async def start_letters(request: Request) -> Response:
    """Whoever is signed in and gets no letters: put them on the list."""
    await run_in_threadpool(_start_letters, request)
    return see("/account?said=letters")


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


def _overview(request: Request, subscriber: Subscriber, *, status_code: int = 200) -> Response:
    site, said = site_of(request), request.query_params.get("said")
    with site.db.read() as connection:
        is_suppressed = mailings.suppression(connection, subscriber.email_key) is not None
    return page(
        request,
        "pages/account.html",
        status_code=status_code,
        subscriber=subscriber,
        is_paused=subscriber.is_paused(clock.now()),
        is_suppressed=is_suppressed,
        preferences=urlsplit(personal.preferences(site.settings, subscriber.id)).path,
        plan=plan_of(request, subscriber),
        said=said if said in SAID else None,
    )
