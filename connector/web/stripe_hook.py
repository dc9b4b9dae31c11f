"""Where Stripe, or the Till in its stead, says that something changed: proven, kept, answered.

Nothing is asked of Stripe here, and nothing an event says is followed; that is for the sender's
process, a moment later.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connector.errors import InvalidWebhook, Unavailable
from connector.membership import webhooks
from connector.web.site import site_of

log = logging.getLogger(__name__)

# Threads of its own: those of the pages may all be waiting for Stripe.
_doormen = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stripe-hook")


async def receive(request: Request) -> Response:
    """Stripe alone, and the Till: each proves itself by a signature over the body."""
    site = site_of(request)
    if not site.settings.takes_payments:
        raise HTTPException(404)
    header = request.headers.get("stripe-signature", "")
    try:
        body = await _body(request)
        await asyncio.get_running_loop().run_in_executor(
            _doormen, lambda: webhooks.receive(site.db, site.settings, body, header, now=_now())
        )
    except InvalidWebhook as error:
        log.warning("An event sent to %s was refused: %s", request.url.path, error)
        return PlainTextResponse(f"{error}\n", status_code=400)
    except Unavailable as error:
        log.warning("An event sent to %s has to come again: %s", request.url.path, error)
        return PlainTextResponse("Not now; please send it again.\n", status_code=503)
    return Response()


async def _body(request: Request) -> bytes:
    """Byte for byte, since the signature is over it; no more of it than an event can have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > webhooks.LARGEST:
            raise InvalidWebhook("The event is too large.")
    return bytes(body)


def _now() -> int:
    # Signatures carry the time of day, whatever the clock of the Till was turned to.
    return time.time_ns() // 1_000_000
