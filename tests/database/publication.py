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
        {"id": 14, "subscriber_id": 3, "tier": "", "kind": "paid", "started_at": 0, "ends_at": AT},
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
    "till_objects": [
        {"id": 51, "key": "sub_1", "kind": "subscription", "owner": "cus_1", "due_at": AT,
         "body": f'{{"name": "{HARD}"}}', "own": HARD},
        {"id": 53, "key": "pi_1", "kind": "payment_intent", "due_at": None, "body": "{}"},
    ],
    "till_events": [
        {"id": number, "key": f"evt_{number}", "type": "invoice.paid", "at": AT, "state": state,
         "attempts": 2, "body": HARD}
        for number, state in enumerate(("waiting", "delivered", "lost"), 61)
    ],
    "till_answers": [{"key": HARD, "request": HARD, "status": 402, "body": HARD, "at": AT}],
    "till_clock": [{"name": "till", "ahead": LARGEST, "at_last": "past_due"}],
    "till_faults": [{"kind": HARD, "times": 3}],
    "customers": [
        {"id": "cus_1", "mode": "live", "subscriber_id": 3, "created_at": AT},
        {"id": "cus_2", "mode": "till", "subscriber_id": None, "created_at": 0},
    ],
    "subscriptions": [
        {"id": "sub_1", "mode": "live", "subscriber_id": 3, "customer_id": "cus_1", "tier": HARD,
         "status": "active", "every": "month", "cents": LARGEST, "off_cents": 0,
         "currency": "eur", "item_id": "si_1", "price_id": "price_1", "created_at": AT,
         "period_start": AT, "period_end": AT, "trial_end": None, "cancel_at": AT,
         "cancelled_at": None, "ended_at": None, "paused_at": None, "unpaid_since": AT,
         "why": HARD, "is_current": 1, "asked": 71},
        {"id": "sub_2", "mode": "test", "subscriber_id": None, "customer_id": "", "tier": "",
         "status": "canceled", "every": "year", "cents": 0, "off_cents": 0, "currency": "jpy",
         "item_id": "", "price_id": "", "created_at": 0, "period_start": 0, "period_end": 0,
         "trial_end": 1, "cancel_at": None, "cancelled_at": 2, "ended_at": 3, "paused_at": 4,
         "unpaid_since": None, "why": "", "asked": 72},
    ],
    "payments": [
        {"id": key, "mode": "live", "kind": kind, "subscriber_id": person, "customer_id": "cus_1",
         "subscription_id": "", "intent_id": "pi_1", "number": HARD, "status": "paid",
         "why": HARD, "cents": LARGEST, "due_cents": 0, "tax_cents": -1, "currency": "eur",
         "created_at": AT, "paid_at": AT if person else None, "attempts": 1,
         "next_attempt_at": None if person else AT, "url": HARD, "asked": 73}
        for key, kind, person in (("in_1", "membership", 3), ("pi_2", "tip", None), ("pi_3", "gift", 17))
    ],
    "refunds": [
        {"id": "re_1", "mode": "live", "intent_id": "pi_1", "cents": 700, "currency": "eur",
         "status": "succeeded", "why": HARD, "created_at": AT, "asked": 74},
    ],
    "disputes": [
        {"id": "dp_1", "mode": "live", "intent_id": "pi_1", "cents": 700, "currency": "eur",
         "status": "needs_response", "why": HARD, "created_at": AT, "asked": 75},
    ],
    "gifts": [
        {"id": 81, "payment_id": "pi_3", "mode": "live", "code": "QXRV-7K2M", "tier": HARD,
         "months": 12, "buyer_id": 17, "address": HARD, "send_at": AT, "created_at": AT,
         "taken_by": 3, "taken_at": AT, "ended_at": None, "words": HARD, "sent_at": AT,
         "buyer": HARD, "buyer_key": HARD},
        {"id": 83, "payment_id": "pi_4", "mode": "till", "code": HARD, "tier": "", "months": 1,
         "buyer_id": None, "address": "", "send_at": None, "created_at": 0, "taken_by": None,
         "taken_at": None, "ended_at": 1},
    ],
    "webhook_events": [
        {"id": "evt_1", "mode": "live", "type": "invoice.paid", "received_at": AT, "body": BYTES,
         "due_at": AT, "settled_at": None, "attempts": 3, "why": HARD},
        {"id": "evt_2", "mode": "test", "type": "", "received_at": 0, "body": None,
         "due_at": None, "settled_at": AT},
        {"id": "evt_3", "mode": "till", "type": "", "received_at": 0, "body": b""},
    ],
    "foreign_subscriptions": [
        {"id": "sub_9", "mode": "live", "customer_id": "cus_9", "product": HARD, "seen_at": AT},
    ],
    "notes": [
        {"key": HARD, "what": "joined", "to_whom": "reader", "subscriber_id": 3, "about": HARD,
         "at": AT, "sent_at": None, "mailing_id": None},
        {"key": "", "what": "", "to_whom": "writer", "subscriber_id": None, "about": "", "at": 0,
         "sent_at": AT, "mailing_id": 8},
    ],
    "visits": [{"id": 85, "client": HARD, "at": AT}],
    "rounds": [
        {"name": HARD, "due_at": AT, "holder": HARD, "held_until": 0, "done_at": None,
         "failures": 2, "said": HARD},
    ],
    "signins": [
        {"id": 91, "subscriber_id": 3, "address": HARD, "client": "::1", "code": HARD,
         "goes_to": "/", "at": AT, "guesses": 3, "used_at": AT},
        {"id": 93, "subscriber_id": None, "address": "", "client": "", "code": "", "goes_to": "",
         "at": 0, "used_at": None},
    ],
    "sessions": [
        {"id": 95, "token": HARD, "subscriber_id": 3, "begun_at": AT, "ends_at": LARGEST},
    ],
    "address_changes": [
        {"id": 97, "subscriber_id": 3, "email": HARD, "email_key": HARD, "at": AT,
         "old_at": None, "new_at": AT},
    ],
    "former_addresses": [
        {"subscriber_id": 3, "email": HARD, "email_key": HARD, "until": LARGEST},
    ],
    "askings": [{"name": "stripe", "number": LARGEST}],
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
