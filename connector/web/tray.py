"""The Tray's pages: every letter that would have been sent, read as its reader would read it.

They exist only on this machine and only without a mail relay (site.py says when); they
change nothing, and a letter is shown in a frame of its own that can run nothing.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from connector.delivery import tray
from connector.delivery.tray import TrayMessage
from connector.errors import NotFound
from connector.web import guard
from connector.web.site import page, site_of

PAGE = 50
# Links in a letter open beside the Tray, not inside the frame.
TARGET = '<base target="_blank">'


def letters(request: Request) -> Response:
    """Whoever is at this machine: what went out, newest first."""
    before = request.query_params.get("before", "")
    with site_of(request).db.read() as connection:
        found = tray.messages(
            connection, limit=PAGE + 1, before=int(before) if before.isdecimal() else None
        )
    return page(
        request,
        "tray/list.html",
        letters=found[:PAGE],
        older=found[PAGE - 1].id if len(found) > PAGE else None,
    )


def letter(request: Request) -> Response:
    """Whoever is at this machine: one letter, as HTML."""
    return _shown(request, "html")


def text(request: Request) -> Response:
    """Whoever is at this machine: one letter, as plain text."""
    return _shown(request, "text")


def source(request: Request) -> Response:
    """Whoever is at this machine: one letter, byte for byte."""
    return _shown(request, "source", lambda found: found.raw.decode("utf-8", "replace"))


def frame(request: Request) -> Response:
    """The frame in a letter's page: its HTML and nothing else."""
    html = _found(request).html.replace("<head>", f"<head>{TARGET}", 1)
    site = site_of(request)
    policy = guard.policy(
        img_src=f"'self' {site.settings.publication.url} https: data:",
        style_src="'unsafe-inline'",
        script_src="",
        frame_src="",
        form_action="'none'",
        frame_ancestors="'self'",
        sandbox="allow-popups allow-popups-to-escape-sandbox",
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


def _shown(
    request: Request, view: str, body: Callable[[TrayMessage], str] = lambda found: found.text
) -> Response:
    found = _found(request)
    return page(request, "tray/letter.html", letter=found, view=view, body=body(found))


def _found(request: Request) -> TrayMessage:
    with site_of(request).db.read() as connection:
        found = tray.message(connection, request.path_params["letter"])
    if found is None:
        raise NotFound("This letter is not in the Tray any more.")
    return found
