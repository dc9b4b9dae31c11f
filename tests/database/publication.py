"""A publication with something in every table, and in it whatever is hard to carry."""

from typing import Any, cast

from connector.database import Database
from connector.database.opening import Engine  # noqa: TC001
from connector.database.tables import keep_counting

HARD = "Zoë 日本 🦊 \\N \\. \\x41 :name %s %(a)s 'it''s' \"x\"\t\r\n\u2028 \x01\x7f|,;"
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
BYTES = bytes(range(256)) * 3
AT = 1_790_000_000_000
STATES = ("queued", "sending", "sent", "refused", "uncertain", "withdrawn")

ROWS: dict[str, list[dict[str, Any]]] = {
    "subscribers": [
        {"id": 3, "email": "Ada@example.org", "email_key": "ada@example.org", "name": HARD,
         "state": "active", "source": "form", "created_at": SMALLEST, "confirmed_at": None,
         "unsubscribed_at": None, "paused_until": LARGEST},
        {"id": 17, "email": "bea@example.org", "email_key": "bea@example.org", "name": "",
         "state": "pending", "source": "import", "created_at": -1, "confirmed_at": -2,
         "unsubscribed_at": 0, "paused_until": None},
    ],
    "consents": [
        {"id": 5, "subscriber_id": 17, "what": "letters", "how": HARD, "page": "", "client": "::1",
         "at": AT},
    ],
    "confirmations": [{"id": 2, "email_key": "ada@example.org", "client": HARD, "at": AT}],
    "erasures": [{"proof": HARD, "at": AT}, {"proof": "", "at": 0}],
    "memberships": [
        {"id": 9, "subscriber_id": 3, "tier": HARD, "kind": "complimentary", "started_at": AT,
         "ends_at": None},
    ],
    "issues": [
        {"id": 4, "slug": "bench", "title": HARD, "subtitle": "", "words": 7, "source": HARD * 500,
         "published_at": AT, "updated_at": AT},
    ],
    "editions": [
        {"issue_id": 4, "surface": surface, "audience": audience, "body": f"{surface} {HARD}"}
        for surface in ("web", "email", "text", "feed")
        for audience in ("everyone", "member")
    ],
    "images": [
        {"digest": "ab" * 16, "media_type": "image/png", "width": 1, "height": 1, "bytes": BYTES},
        {"digest": "cd" * 16, "media_type": "image/png", "width": 1, "height": 1, "bytes": b""},
        {"digest": "ef" * 16, "media_type": "image/png", "width": 1, "height": 1,
         "bytes": b"\0\xff\\x" * 500_000},
    ],
    "mailings": [
        {"id": 6, "kind": "issue", "about": HARD, "once": "issue:4", "starts_at": AT,
         "expires_at": AT, "size": 6, "first_delivery": 1, "last_delivery": 6, "created_at": AT},
        {"id": 8, "kind": "notice", "about": "", "once": None, "starts_at": AT, "expires_at": AT,
         "created_at": AT, "frozen_at": 1, "paused_at": 2, "why": HARD, "cancelled_at": 3,
         "finished_at": 4},
    ],
    "letters": [
        {"id": 11, "mailing_id": 6, "audience": "everyone", "subject": HARD, "sender": "a",
         "sender_name": HARD, "text": HARD, "html": "<p>" * 100_000},
    ],
    "deliveries": [
        {"id": number, "mailing_id": 6, "letter_id": 11, "recipient": number if number % 2 else None,
         "address": HARD, "address_key": "a@b", "state": state, "attempts": 1, "due_at": AT,
         "settled_at": None, "reply": HARD}
        for number, state in enumerate(STATES, 1)
    ],
    "leases": [
        {"id": 12, "mailing_id": 6, "lane": 1, "first_delivery": 1, "last_delivery": 6, "due_at": AT},
    ],
    "suppressions": [{"address_key": HARD, "why": "bounced", "detail": HARD, "at": AT}],
    "relays": [{"name": HARD, "failures": 3, "why": HARD, "failed_at": AT, "retry_at": AT}],
    "senders": [{"name": HARD, "started_at": 1, "seen_at": 2}],
    "tray": [
        {"id": 21, "received_at": AT, "sender": "a", "recipient": "b", "recipient_key": "b",
         "subject": HARD, "raw": BYTES},
    ],
    "inbound": [
        {"id": 31, "received_at": AT, "source": "lmtp", "digest": "x", "kind": "bounce",
         "delivery_id": 3, "effect": "none", "raw": BYTES, "seen_at": None},
        {"id": 32, "received_at": AT, "source": "lmtp", "digest": "y", "kind": "bounce",
         "delivery_id": None, "effect": "none", "raw": None, "seen_at": AT},
    ],
    "soft_bounces": [{"address_key": HARD, "score": 2, "scored_on": 20_000}],
    "decisions": [
        {"id": 41, "mailing_id": 6, "delivery_id": 4, "what": "leave", "was": "refused", "at": AT},
    ],
    "buckets": [{"name": HARD, "next_at": LARGEST, "learned": SMALLEST}],
    "alarms": [{"mailing_id": 6, "level": "too high", "complaints": 9, "at": AT}],
}  # fmt: skip


def put(db: Database, table: str, *rows: dict[str, Any]) -> None:
    with db.write() as tx:
        for row in rows:
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            tx.run(f"INSERT INTO {table} ({names}) VALUES ({values})", **row)


def fill(db: Database) -> None:
    """Something in every table, and issue pages at their 78th version."""
    for table, rows in ROWS.items():
        put(db, table, *rows)
    with db.write() as tx:
        tx.run("UPDATE versions SET number = 78")
    with cast("Engine", db).alone() as tables:
        keep_counting(tables, {})
