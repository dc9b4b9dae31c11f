"""An issue while it is being written: the page, the letter and the text, renewed as the file is saved.

It publishes into a database of its own that is thrown away; no reader sees it, and nothing
is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.publishing.finding import Finding
from connector.publishing.publish import Prepared
from connector.web import guard
from connector.web.tray import TARGET

if TYPE_CHECKING:
    from connector.publishing.editions import Audience
    from connector.web.site import Site

HEARTBEAT_SECONDS = 15
# What a letter says where it will be personal.
SAMPLES = {
    "[[address]]": "reader@example.org",
    "[[name]]": "Reader",
    "[[unsubscribe]]": "/preview/link",
    "[[preferences]]": "/preview/link",
}


@dataclass
class Draft:
    """The file as it was last read: what became of it, or what is wrong with it."""

    name: str
    prepared: Prepared | None = None
    findings: tuple[Finding, ...] = ()
    version: int = 0
    is_over: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def renew(self, prepared: Prepared | None, findings: tuple[Finding, ...]) -> None:
        """Show this from now on. What could be read last stays while the file is broken."""
        self.prepared = prepared or self.prepared
        self.findings = findings
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Let everybody go who waits for a change."""
        self.is_over = True
        self._changed.set()

    async def change(self) -> None:
        """Wait until the file is read again, or the preview is over."""
        await self._changed.wait()


def create_preview(site_app: Starlette, draft: Draft) -> ASGIApp:
    """The site itself, which may be framed here, with the preview's own pages before it.

    Whoever is at this machine may call all of it; it listens on loopback only.
    """
    site: Site = site_app.state.site

    def shell(request: Request) -> Response:
        shown = {"draft": draft, "slug": draft.prepared.issue.slug if draft.prepared else ""}
        # The script waits at /preview/events for the next save.
        policy = guard.policy(connect_src="'self'")
        return site.templates.TemplateResponse(
            request,
            "preview/shell.html",
            shown,
            headers={"Content-Security-Policy": policy},
        )

    def letter(request: Request) -> Response:
        if draft.prepared is None:
            return PlainTextResponse("")
        audience: Audience = "member" if request.path_params["audience"] == "member" else "everyone"
        html = _personal(draft.prepared.letters[audience].html)
        policy = guard.policy(
            style_src="'unsafe-inline'",
            script_src="",
            frame_ancestors="'self'",
            sandbox="allow-popups allow-popups-to-escape-sandbox",
        )
        return HTMLResponse(
            html.replace("<head>", f"<head>{TARGET}", 1),
            headers={"Content-Security-Policy": policy},
        )

    def text(request: Request) -> Response:
        body = _personal(draft.prepared.letters["everyone"].text) if draft.prepared else ""
        return site.templates.TemplateResponse(request, "preview/text.html", {"body": body})

    def link(_request: Request) -> Response:
        return PlainTextResponse("In a real letter this is the reader's own link.")

    def events(_request: Request) -> Response:
        return StreamingResponse(_events(draft), media_type="text/event-stream")

    own = Starlette(
        routes=[
            Route("/preview", shell),
            Route("/preview/letter/{audience}", letter),
            Route("/preview/text", text),
            Route("/preview/link", link),
            Route("/preview/events", events),
            Mount("/", site_app),
        ]
    )
    return _framed(own, lambda headers: guard.protect(headers, "/", site.settings))


async def _events(draft: Draft) -> AsyncIterator[str]:
    """One line for each time the file is read again (server-sent events)."""
    yield f"data: {draft.version}\n\n"
    while not draft.is_over:
        try:
            await asyncio.wait_for(draft.change(), HEARTBEAT_SECONDS)
        except TimeoutError:
            yield ": still here\n\n"
        else:
            yield f"data: {draft.version}\n\n"


def _personal(body: str) -> str:
    for mark, sample in SAMPLES.items():
        body = body.replace(mark, sample)
    return body


def _framed(app: ASGIApp, protect: Callable[[MutableHeaders], None]) -> ASGIApp:
    async def framed(scope: Scope, receive: Receive, send: Send) -> None:
        async def allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                protect(headers)
                headers["Content-Security-Policy"] = headers["Content-Security-Policy"].replace(
                    "frame-ancestors 'none'", "frame-ancestors 'self'"
                )
            await send(message)

        await app(scope, receive, allow)

    return framed
