"""What we do about letters that come back: stop at once, count, or only write it down.

Everything is recorded once and acted on once, however often it is told; nobody is stopped
by a message that does not prove which letter it is about.
"""

import hashlib
import logging
from collections.abc import Callable

from connector.clock import DAY
from connector.database import Connection, Database, Transaction
from connector.delivery import mailings, mime, report, store
from connector.delivery.address import parse
from connector.delivery.bounce import (
    Bounced,
    Effect,
    Kind,
    Received,
    Report,
    after_bounce,
)
from connector.delivery.kept import packed
from connector.delivery.outcome import printable
from connector.errors import InvalidAddress
from connector.settings import Settings

log = logging.getLogger(__name__)

KEEP = 500
LARGEST_KEPT = 64 * 1024

# What is done about each kind of report that says nothing against an address.
EFFECTS: dict[Kind, Effect] = {
    "delayed": "ignored",
    "delivered": "ignored",
    "auto-reply": "ignored",
    "unsubscribe": "unsubscribed",
    "unreadable": "kept",
}

Leave = Callable[[int], object]


def receive(
    db: Database,
    settings: Settings,
    raw: bytes,
    *,
    recipient: str = "",
    source: str,
    leave: Leave | None = None,
    now: int,
) -> Received:
    """Take one message in; when this returns, it is on disk and need not be told again.

    `recipient` is the one of the envelope, if known. `leave` is called with the reader who
    asks to be unsubscribed, and may be called again when we are interrupted. Raises
    DatabaseUnavailable, and then nothing happened.
    """
    found = report.read(settings, raw, recipient=recipient)
    if found.recipient is not None and leave is not None:
        leave(found.recipient)
    digest = hashlib.sha256(recipient.lower().encode(errors="replace") + b"\0" + raw).hexdigest()
    return record(db, settings, found, digest=digest, source=source, raw=raw, now=now)


def record(
    db: Database,
    settings: Settings,
    found: Report,
    *,
    digest: str,
    source: str,
    raw: bytes = b"",
    now: int,
) -> Received:
    """Act on a report and write it down, in one transaction; the second time changes nothing.

    `digest` tells reports apart. `raw` is kept when nothing could be made of it.
    """
    with db.write(durable=True) as tx:
        if store.is_received(tx, digest):
            return Received(found.kind, "repeated", found.detail)
        about = _about(tx, settings, found)
        effect = _act(tx, found, about, now=now)
        store.insert_inbound(
            tx,
            now=now,
            source=source,
            digest=digest,
            kind=found.kind,
            delivery=about.id if about else None,
            address_key=about.address_key if about else _key(found.author),
            status=found.status,
            detail=printable(found.detail),
            effect=effect,
            raw=packed(raw[:LARGEST_KEPT]) if effect == "kept" else None,
        )
        if effect == "kept":
            store.trim_inbound(tx, keep=KEEP)
    if effect in ("unproven", "kept"):
        log.warning("Inbound %s by %s: %s: %s", found.kind, source, effect, printable(found.detail))
    return Received(found.kind, effect, found.detail)


def hard_bounce(tx: Transaction, address_key: str, *, detail: str, now: int) -> None:
    """Nobody reads there: stop writing at once."""
    mailings.suppress(tx, address_key, why="bounced", detail=detail, now=now)
    store.delete_score(tx, address_key)


def soft_bounce(tx: Transaction, address_key: str, *, detail: str, now: int) -> bool:
    """A letter did not get through this time; whether that was once too often, and we stop."""
    score = after_bounce(store.score(tx, address_key), day=now // DAY)
    if not score.is_enough:
        store.upsert_score(tx, address_key, score)
        return False
    words = f"bounced on {score.points} days; the last time: {detail}"
    hard_bounce(tx, address_key, detail=words, now=now)
    return True


def complaint(tx: Transaction, address_key: str, *, detail: str, now: int) -> None:
    """The reader called a letter spam: stop writing at once."""
    mailings.suppress(tx, address_key, why="complained", detail=detail, now=now)
    store.delete_score(tx, address_key)


def _about(connection: Connection, settings: Settings, found: Report) -> Bounced | None:
    if found.delivery is not None:
        return store.bounced(connection, found.delivery)
    for claim in found.claims:
        about = store.bounced(connection, claim.delivery)
        if about and mime.is_message_of(settings, claim.tag, delivery=about.id):
            return about
    key = _key(found.address)
    return store.newest_to(connection, key) if key else None


def _act(tx: Transaction, found: Report, about: Bounced | None, *, now: int) -> Effect:
    if found.kind not in ("bounce", "complaint"):
        return EFFECTS[found.kind]
    if about is None:
        return "unknown" if found.address else "unproven"
    is_erased = not about.address_key
    if is_erased or (found.kind == "bounce" and found.is_about_us):
        return "ignored"
    before = store.effects_of(tx, about.id)
    if "suppressed" in before:
        return "repeated"
    detail = printable(f"{found.status} {found.detail}".strip())
    if found.kind == "complaint" or found.permanent:
        stop = complaint if found.kind == "complaint" else hard_bounce
        stop(tx, about.address_key, detail=detail, now=now)
        return "suppressed"
    return _count(tx, about, before, detail=detail, now=now)


def _count(tx: Transaction, about: Bounced, before: set[str], *, detail: str, now: int) -> Effect:
    if "scored" in before:
        return "repeated"
    stopped = soft_bounce(tx, about.address_key, detail=detail, now=now)
    return "suppressed" if stopped else "scored"


def _key(address: str) -> str:
    try:
        return parse(address).key
    except InvalidAddress:
        return ""
