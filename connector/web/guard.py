"""What every request must be, and what every answer says to the browser.

It refuses posts that another site sent and bodies that are too large; it never reads a form
and never sets a cookie.
"""

import sys
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.settings import Settings

LARGEST_BODY = 256 * 1024
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# A link in these is its own proof: whoever has it may act, and nobody else can guess it.
TOKENS = ("/confirm/", "/unsubscribe/", "/preferences/", "/signin/", "/account/email/", "/till/")
UNSUBSCRIBE = "/unsubscribe/"
# Mail providers post here; each request proves by itself who sent it.
HOOKS = "/hooks/"
# It reads no more than an event can have, and says so in a sentence of its own.
STRIPE = "/hooks/stripe"
# SendGrid reports up to 768 kB at once.
LARGEST_REPORT = 1024 * 1024
UNINDEXED = (*TOKENS, "/signin", "/account", "/tray")
# Stripe's own pages: browsers ask form-action about where a post leads on to, too.
PAYING = "https://checkout.stripe.com https://billing.stripe.com https://invoice.stripe.com"
CONTENT = {
    "default-src": "'none'",
    "img-src": "'self' https: data:",
    "media-src": "'self' https:",
    "font-src": "'self'",
    "style-src": "'self'",
    "script-src": "'self'",
    "frame-src": "'self'",
    "form-action": f"'self' {PAYING}",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
FEATURES = ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")

Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Guard:
    """ASGI middleware; `refuse` makes the page that answers a request it turns away."""

    def __init__(self, app: ASGIApp, settings: Settings, refuse: Refuse) -> None:
        self._app = app
        self._settings = settings
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(raw=message["headers"]), scope["path"], self._settings)
            await send(message)

        if refusal := self._refusal(scope):
            response = await self._refuse(Request(scope), refusal)
            await response(scope, receive, guarded)
        else:
            await self._app(scope, _limited(receive, largest(scope["path"])), guarded)

    def _refusal(self, scope: Scope) -> HTTPException | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > largest(scope["path"]):
            return HTTPException(413)
        if scope["method"] not in SAFE and not _is_from_here(
            scope["path"], headers, self._settings
        ):
            return HTTPException(403)
        return None


def protect(headers: MutableHeaders, path: str, settings: Settings) -> None:
    """Add what a browser should know; what a handler already said stays."""
    holds_token = path.startswith(TOKENS)
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", policy())
    headers.setdefault(
        "Referrer-Policy", "no-referrer" if holds_token else "strict-origin-when-cross-origin"
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Permissions-Policy", ", ".join(f"{name}=()" for name in FEATURES))
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if path.startswith(UNINDEXED):
        headers.setdefault("X-Robots-Tag", "noindex")
    if settings.publication.url.startswith("https:"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def policy(**changes: str) -> str:
    """The Content-Security-Policy; `img_src="…"` changes one directive, an empty text drops it."""
    directives = CONTENT | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items() if value)


def _is_from_here(path: str, headers: Headers, settings: Settings) -> bool:
    """Whether a post may act: sent by a page of ours, or not by a browser at all."""
    # RFC 8058, 3.2: the mail program posts without cookie, origin or referrer.
    if path.startswith((UNSUBSCRIBE, HOOKS)):
        return True
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    # Every browser names the origin of a post, so a request without one is no browser's.
    if origin is None:
        return True
    # Fetch, 3.2.2: our own token pages send “null”, for they ask for no referrer.
    if origin == "null":
        return path.startswith(TOKENS)
    return origin == _origin(settings.publication.url) or urlsplit(origin).netloc == headers.get(
        "host"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def largest(path: str) -> int:
    """How much may be posted here, in bytes."""
    if path == STRIPE:
        return sys.maxsize
    return LARGEST_REPORT if path.startswith(HOOKS) else LARGEST_BODY


def _limited(receive: Receive, most: int) -> Receive:
    """The same body, until it proves larger than it may be; for bodies of no stated length."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413)
        return message

    return limited
