"""Every answer that is a no, as a page: what happened, in one sentence, and where to go on.

It shows the words of our own errors and never a traceback.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector.errors import (
    ConnectorError,
    DatabaseUnavailable,
    ExpiredLink,
    InvalidAddress,
    InvalidLink,
    Misconfigured,
    NotFound,
    PaymentsUnavailable,
    Refused,
    SignInNeeded,
    TooManyRequests,
    Unavailable,
)
from connector.web import guard, joining, session
from connector.web.site import page, site_of

logger = logging.getLogger(__name__)

RETRY_AFTER = 30  # seconds
STATUS: dict[type[ConnectorError], int] = {
    NotFound: 404,
    InvalidLink: 404,
    ExpiredLink: 410,
    InvalidAddress: 422,
    TooManyRequests: 429,
    Refused: 409,
    Unavailable: 503,
    Misconfigured: 500,
    ConnectorError: 500,
}
TITLES = {
    400: "That did not arrive whole",
    403: "That came from somewhere else",
    404: "There is nothing here",
    405: "That cannot be done here",
    409: "Not like this",
    413: "That is too much at once",
    422: "Please check",
    429: "A little slower, please",
    500: "Something broke",
    503: "Closed for a moment",
}
MESSAGES = {
    400: "Please go back, and try again.",
    403: "For your safety this only works from our own pages. Please go back to ours and try again.",
    404: "The page may have moved, or the link lost a letter on its way.",
    405: "This address shows a page, or takes a form, but not what was asked of it.",
    413: "We take in a few words here, not whole files.",
    500: "It is our fault, not yours, and it has been noted. Please try again later.",
    503: "We shall be back shortly. Please try again in a minute.",
}


async def answer(request: Request, error: Exception) -> Response:
    """The page for an error of ours, or for one of HTTP's."""
    if isinstance(error, SignInNeeded):
        return session.to_signin(request, error)
    if isinstance(error, ExpiredLink):
        return _expired(request, error)
    if isinstance(error, ConnectorError):
        return _trouble(request, _status(error), str(error), _headers(error), error)
    if isinstance(error, HTTPException):
        if error.status_code == HTTPStatus.NOT_FOUND and (path := _without_slash(request)):
            return RedirectResponse(path, status_code=308)
        return _trouble(request, error.status_code, "", error.headers, error)
    return crash(request, error)


def crash(request: Request, error: Exception) -> Response:
    """The page for an error nobody expected; the server's log has the rest."""
    response = _trouble(request, 500, "", {}, error)
    # Starlette answers this one outside of every middleware, the guard's too.
    headers = MutableHeaders(raw=response.raw_headers)
    guard.protect(headers, request.url.path, site_of(request).settings)
    return response


def _trouble(
    request: Request,
    status: int,
    message: str,
    headers: Mapping[str, str] | None,
    error: Exception,
) -> Response:
    if isinstance(error, DatabaseUnavailable):
        site_of(request).outage.tell(error)  # not once for each reader
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s %s: %s", request.method, _told(request), error)
    return page(
        request,
        "pages/trouble.html",
        status_code=status,
        headers=headers,
        status=status,
        title=TITLES.get(status, HTTPStatus(status).phrase),
        message=_message(status, message, error),
    )


def _message(status: int, said: str, error: Exception) -> str:
    # What ails the server is for its operator; readers learn only how long it may take.
    # Whether anything was charged is for readers to know.
    if said and (
        status < HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, PaymentsUnavailable)
    ):
        return said
    return MESSAGES.get(status, "")


def _expired(request: Request, error: ExpiredLink) -> Response:
    return page(
        request,
        "pages/expired.html",
        status_code=410,
        token=request.path_params["token"],
        carried=joining.carried(request),
        signed_at=error.signed_at,
    )


def _status(error: ConnectorError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _headers(error: ConnectorError) -> dict[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER)}
    return {}


def _told(request: Request) -> str:
    """The path for the log, less the token that would let its reader act."""
    path = request.url.path
    for prefix in (*guard.TOKENS, "/gift/"):
        if path.startswith(prefix):
            return f"{prefix}…"
    return path


def _without_slash(request: Request) -> str:
    """The same address without the slash at its end; on this site, whatever stands before it."""
    path = request.scope["path"]
    shorter = "/" + path.strip("/\\")
    return (
        shorter if path.endswith("/") and len(shorter) > 1 and request.method in guard.SAFE else ""
    )
