"""What we do about letters that come back: stop at once, count, or only write it down.

Everything is recorded once and acted on once, however often it is told; nobody is stopped
by a message that does not prove which letter it is about.
"""

import hashlib
import logging
from collections.abc import Callable

from connector.clock import DAY
from connector.database import Connection, Database, Transaction
from connector.delivery import mailings, mime
from connector.delivery.address import parse
from connector.delivery.kept import packed
from connector.delivery.outcome import printable
from connector.errors import InvalidAddress
from connector.inbound import complaints, report, store
from connector.inbound.bounce import (
    Bounced,
    Effect,
    Kind,
    Received,
    Report,
    after_bounce,
)
from connector.settings import Settings

log = logging.getLogger(__name__)

KEEP = 500
LARGEST_KEPT = 64 * 1024

# What is done about each kind of report that says nothing against an address.
EFFECTS: dict[Kind, Effect] = {
    "delayed": "ignored",
    "delivered": "ignored",
    "auto-reply": "ignored",
    "unreadable": "kept",
}

# What is done for a reader who asks, by mail or at a provider, to be unsubscribed: who, and how.
Leave = Callable[[int, str], object]


def receive(
    db: Database,
    settings: Settings,
    raw: bytes,
    *,
    recipient: str = "",
    source: str,
    leave: Leave,
    now: int,
) -> Received:
    """Take one message in; when this returns, it is on disk and need not be told again.

    `recipient` is the one of the envelope, if known. Raises DatabaseUnavailable, and then it
    has to come again.
    """
    found = report.read(settings, raw, recipient=recipient)
    digest = hashlib.sha256(recipient.lower().encode(errors="replace") + b"\0")
    digest.update(raw)
    return record(
        db,
        settings,
        found,
        digest=digest.hexdigest(),
        source=source,
        raw=raw,
        leave=leave,
        now=now,
    )


def record(
    db: Database,
    settings: Settings,
    found: Report,
    *,
    digest: str,
    source: str,
    raw: bytes = b"",
    leave: Leave,
    now: int,
) -> Received:
    """Act on a report and write it down, in one transaction; the second time changes nothing.

    `digest` tells reports apart. `raw` is kept when nothing could be made of it. `leave` is
    called before that for a reader who asks to be unsubscribed, and may be called again when
    we are interrupted in between.
    """
    if found.kind == "unsubscribe":
        _let_go(db, settings, found, leave, digest=digest, source=source)
    with db.write(durable=True) as tx:
        if store.is_received(tx, digest):
            return Received(found.kind, "repeated", found.detail)
        about = _about(tx, settings, found)
        effect = _act(tx, found, about, now=now)
        store.insert(
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
            store.trim_texts(tx, keep=KEEP)
    if effect in ("unproven", "kept"):
        log.warning("Inbound %s by %s: %s: %s", found.kind, source, effect, printable(found.detail))
    if found.kind == "complaint" and about:
        complaints.weigh(db, about.mailing_id, now=now)
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


def forget(tx: Transaction, address_key: str) -> None:
    """Take an address, and what was written about it, out of everything that came back."""
    store.blank(tx, address_key)
    store.delete_score(tx, address_key)


def _let_go(
    db: Database, settings: Settings, found: Report, leave: Leave, *, digest: str, source: str
) -> None:
    """Let a reader go who asks to; not for a wish that was recorded before, or is nobody's."""
    with db.read() as connection:
        if store.is_received(connection, digest):
            return
        about = _about(connection, settings, found)
    reader = _reader(found, about)
    if reader is not None:
        leave(reader, "mail" if found.recipient is not None else source)


def _reader(found: Report, about: Bounced | None) -> int | None:
    """Who asks to be unsubscribed."""
    if found.recipient is not None:
        return found.recipient
    return about.recipient if about else None


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
    if found.kind in EFFECTS:
        return EFFECTS[found.kind]
    if found.kind == "unsubscribe" and _reader(found, about) is not None:
        return "unsubscribed"
    if about is None:
        return "unknown" if found.address else "unproven"
    is_erased = not about.address_key
    if is_erased or found.kind == "unsubscribe" or (found.kind == "bounce" and found.is_about_us):
        return "ignored"
    return _stop(tx, found, about, now=now)


def _stop(tx: Transaction, found: Report, about: Bounced, *, now: int) -> Effect:
    """Stop the letters to an address, at once or when it was enough."""
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
