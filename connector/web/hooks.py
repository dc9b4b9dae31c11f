"""Where mail providers report bounces, complaints and leaving: each proves who it is, or is turned away.

What is refused is logged with the reason and changes nothing; what is told twice counts once.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connector import clock
from connector.errors import Refused, Unavailable
from connector.inbound import bounces, events, signatures
from connector.inbound.sns import Topic
from connector.readers import preferences
from connector.settings import Settings
from connector.web.site import Site, site_of

log = logging.getLogger(__name__)


async def receive(request: Request) -> Response:
    """A mail provider whose secret we know: what became of letters."""
    site, provider = site_of(request), request.path_params["provider"]
    if not is_open(site.settings, provider):
        raise HTTPException(404)
    body = await request.body()
    topic: Topic = request.app.state.topic
    try:
        await run_in_threadpool(_receive, site, topic, provider, request.headers, body)
    except Refused as error:
        log.warning("A report to %s was refused: %s.", request.url.path, error)
        return PlainTextResponse(f"Refused: {error}.\n", status_code=403)
    except Unavailable as error:
        log.warning("A report to %s has to come again: %s", request.url.path, error)
        return PlainTextResponse("Not now; please send it again.\n", status_code=503)
    return PlainTextResponse("Thank you.\n")


def is_open(settings: Settings, provider: str) -> bool:
    """Whether we know what this provider proves itself with."""
    hooks = settings.hooks
    return bool(hooks.ses_topic if provider == "ses" else _secret(settings, provider))


def _receive(
    site: Site, topic: Topic, provider: str, headers: Mapping[str, str], body: bytes
) -> None:
    now = clock.now()
    fields, identity = _proven(site.settings, topic, provider, headers, body, now=now)
    if fields is None:
        return

    def leave(reader: int, how: str) -> None:
        preferences.unsubscribe(
            site.db, site.settings, reader, how=how, page="", client="", now=now
        )

    for event in events.read(site.settings, provider, fields, identity=identity):
        bounces.record(
            site.db,
            site.settings,
            event.report,
            digest=event.digest,
            source=provider,
            leave=leave,
            now=now,
        )


def _proven(
    settings: Settings,
    topic: Topic,
    provider: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: int,
) -> tuple[Any, str]:
    """What was posted, and its name; nothing is looked at before the proof but what proves it."""
    secret = _secret(settings, provider)
    if provider == "ses":
        envelope = _object(body)
        message = topic.open(envelope, now=now)
        return _report(message), str(envelope.get("MessageId"))
    if provider == "mailgun":
        fields = _object(body)
        token = _mailgun(secret, fields, now=now)
        return fields, token
    if provider == "sendgrid":
        signatures.sendgrid(secret, headers, body)
    elif provider == "resend":
        signatures.resend(secret, headers, body, now=now)
    else:
        signatures.password(secret, headers)
    return _json(body), headers.get("svix-id", "")


def _mailgun(secret: str, fields: Mapping[str, Any], *, now: int) -> str:
    proof = fields.get("signature")
    if not isinstance(proof, dict):
        raise Refused("it is not signed")
    token = str(proof.get("token", ""))
    timestamp, signature = str(proof.get("timestamp", "")), str(proof.get("signature", ""))
    signatures.mailgun(secret, timestamp, token, signature, now=now)
    return token


def _report(message: str) -> Any:
    """What SES wrote; SNS also sends greetings in plain words, which say nothing."""
    return _json(message.encode()) if message.lstrip().startswith("{") else None


def _object(body: bytes) -> dict[str, Any]:
    fields = _json(body)
    if not isinstance(fields, dict):
        raise Refused("it is not shaped as the manual says")
    return fields


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("it cannot be read") from None


def _secret(settings: Settings, provider: str) -> str:
    secret: str = getattr(settings.hooks, f"{provider}_secret", "")
    return secret
