"""Every statement of every store finds its rows by an index, however many there are.

The statements are those of the functions in the stores, all of them: whoever adds one adds it
here too. They are explained, not executed, on a database of a million deliveries.
"""

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import pytest

from connector import database
from connector.clock import DAY
from connector.database import Database, Transaction
from connector.database.connection import Row, T
from connector.database.opening import Engine  # noqa: TC001
from connector.database.postgres import translated
from connector.delivery import store as post
from connector.delivery.bucket import Bucket
from connector.delivery.mailing import Lease, Mailing
from connector.inbound import store as inbound
from connector.inbound.bounce import Score
from connector.membership import store as membership
from connector.membership.billing import Dispute, Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.membership import Membership
from connector.publishing import store as publishing
from connector.publishing.images import Image
from connector.publishing.store import PublishedIssue
from connector.readers import store as readers
from connector.readers.subscriber import Consent
from connector.till import store as till
from tests import clusters
from tests.conftest import NOW
from tests.database import files
from tests.delivery import post as letters

STORES: tuple[ModuleType, ...] = (post, inbound, readers, publishing, membership, till)
DELIVERIES = 1_000_000
MAILINGS = 10
READERS = 200_000
NOTICES = 50_000
PAYING = READERS // 10
YEAR = 12  # payments of each
EVENTS = 100_000
OBJECTS = 50_000  # at the Till
# One row for each publication, relay, sender or issue, or a few: reading all of them costs nothing.
SMALL = {
    "issues", "editions", "versions", "relays", "senders", "buckets", "alarms", "askings",
    "till_clock", "till_faults", "rounds",
}  # fmt: skip
# What reads a whole table because it means everybody, or everything there is.
ON_PURPOSE = {
    "delivery.insert_deliveries": "a freeze reads the whole list, once for each mailing",
    "delivery.count_suppressed": "the freeze counts whom it left out",
    "delivery.count_audience": "`connector publish` says how many will get it",
    "delivery.count_again": "people who may be written to now, for `connector resend`",
    "delivery.requeue": "the same, once they are queued again",
    "readers.has_erasures": "one row, whichever comes first",
    "readers.has_former": "the same",
    "readers.counts": "`connector status` counts the list",
    "readers.everybody": "the export of the whole list",
    "readers.find": "`connector readers` looks for a piece of a name",
    "readers.insert_imported_consents": "every reader of an import, just brought in",
    "membership.live": "`connector members` lists all of them",
    "membership.delete_paid_of_other_modes": "the nightly sync, everybody who paid",
    "membership.payers": "the same",
    "membership.subscriptions": "the same",
    "membership.unclaimed": "what the sync found, of all subscriptions",
    "membership.duplicates": "an hourly look at all subscriptions",
    "membership.foreign": "all that is in the account and not ours",
    "membership.disputes": "a list of all of them",
    "membership.joined_and_left": "figures, of everybody who pays or paid",
    "membership.members_by_kind": "the same",
    "membership.paying": "the same",
    "membership.has_money": "one row, whichever comes first",
    "membership.paying_unread": "a round, of all who pay",
    "membership.receivers": "an erasure looks through all gifts for an address",
    "membership.roll": "`connector members` lists them",
    "membership.gifts": "`connector gifts` lists all of them",
    "till.events": "the Till keeps thirty days of events, and shows them all",
}
BUCKET = Bucket("relay")
LEASE = Lease(
    id=5, mailing_id=3, kind="issue", first=200_001, last=200_500, starts_at=NOW,
    expires_at=NOW * 2, boot="",
)  # fmt: skip
MAILING = Mailing(
    id=3, kind="issue", about="bench", once="issue:3", starts_at=NOW, expires_at=NOW * 2,
    size=100_000, first_delivery=200_001, last_delivery=300_000, created_at=NOW, frozen_at=NOW,
    paused_at=None, why="", cancelled_at=None, finished_at=None, spread=0,
)  # fmt: skip
SUBSCRIPTION = Subscription(
    "sub_7", "live", 7, "cus_7", "member", "active", "month", 500, 0, "eur", "si_7", "price_7",
    NOW, NOW, NOW, None, None, None, None, None, None, "",
)  # fmt: skip
PAYMENT = Payment(
    "in_7", "live", "membership", 7, "cus_7", "sub_7", "pi_7", "", "paid", "", 500, 500, 0, "eur",
    NOW, NOW, 1, None, "",
)  # fmt: skip
GIFT = Gift("pi_7", "live", "CODE-7", "member", 12, 7, "", None, NOW)
ISSUE = PublishedIssue(1, "bench", "", "", "", "", "", "", "", "", 1, "", NOW, NOW)
# What the functions of the stores are given, by the names of their parameters; an id that is not
# here is 7.
GIVEN: dict[str, Any] = {
    "about": "bench", "address_key": "reader7@example.org", "after": 900_000, "again_at": NOW,
    "attempts": 1, "audience": membership.AUDIENCE, "before": 1_000, "boot": "", "bucket": BUCKET,
    "by": 1, "client": "127.0.0.1", "complaints": 1, "confirmed_at": NOW,
    "consent": Consent("confirmed", "link", "/", "", NOW), "delivery": 250_000, "detail": "",
    "digest": "0", "due_at": NOW, "email": "ada@example.org", "email_key": "ada@example.org",
    "ends_at": NOW, "expires_at": NOW, "first": 1, "found": MAILING,
    "ids": range(200_001, 200_011), "inbound_id": 5, "issue": 1, "keep": 500,
    "key": "reader7@example.org", "lane": 1, "last": 10, "learned_before": NOW, "lease": LEASE,
    "letter": letters.LETTER, "letter_id": 5, "level": "high", "limit": 100, "mailing": 3,
    "mailing_id": 3, "most": 1_000, "name": "Ada", "newer_than": 10, "now": NOW, "once": "issue:3",
    "page": "", "patterns": ("%@example.org",), "proof": "0", "reply_to": "", "retry_at": NOW,
    "score": Score(1, 1), "since": NOW - 1_000, "size": 1, "slug": "bench", "source": 3,
    "spread": 0, "state": "uncertain", "states": ("sending", "queued"), "subscriber_id": 7,
    "surface": "web", "taken_at": NOW, "text": "", "tier": "member", "tray_id": 5, "until": NOW,
    "values": {"now": NOW, "since": NOW - 1_000}, "rows": (), "upto": 5, "was": "uncertain", "why": "", "worker": "anna",
    "asked": 7, "customer_id": "cus_7", "gift": GIFT,
    "intent_id": "pi_7", "kind": "paid", "membership": Membership(7, "member", "paid", NOW, None),
    "mode": "live", "subscription_id": "sub_7",
    "to_whom": "reader", "what": "joined", "body": b"{}", "answer": till.Answer("", 200, ""),
    "address": "reader7@example.org", "token": "token 7", "failures": 0,
    "clock": till.Clock(), "events": (), "owner": "owner 7", "times": 1,
    "bodies": {("web", "everyone"): "Hello."}, "pictures": [Image("0", "image/png", 1, 1, b"")],
}  # fmt: skip
SPECIAL: dict[str, dict[str, Any]] = {
    "delivery.hold_lease": {"lease": 5},
    "delivery.holds": {"lease": 5},
    "delivery.renew_lease": {"lease": 5},
    "delivery.let_go": {"lease": 5},
    "inbound.reported": {"mailing": MAILING},
    "inbound.count_sent": {"mailing": MAILING},
    "publishing.edition": {"audience": "everyone"},
    "publishing.add": {"issue": ISSUE},
    "publishing.replace": {"issue": ISSUE},
    "membership.keep_dispute": {"one": Dispute("dp_7", "live", "pi_7", 1, "eur", "", "", NOW)},
    "membership.keep_payment": {"one": PAYMENT},
    "membership.keep_refund": {"one": Refund("re_7", "live", "pi_7", 1, "eur", "", "", NOW)},
    "membership.keep_subscription": {"one": SUBSCRIPTION},
    "membership.income": {"since": NOW - 31 * DAY, "until": NOW},
    "membership.settle_event": {"why": ""},
    "till.add_fault": {"kind": "timeout"},
    "till.of_kind": {"kind": "price"},
    "till.of_owner": {"kind": "invoice"},
    "till.take_fault": {"kind": "timeout"},
    "readers.insert": {"source": "form", "state": "pending"},
    "readers.find": {"text": "ada"},
}
VALUE = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@dataclass
class Listener:
    """A transaction that executes nothing and remembers what it was asked."""

    asked: list[tuple[str, Mapping[str, Any]]]

    def all(self, sql: str, /, *, into: type[T], **values: Any) -> list[T]:  # noqa: ARG002
        self.asked.append((sql, values))
        return []

    def one(self, sql: str, /, *, into: type[T], **values: Any) -> Any:
        self.asked.append((sql, values))
        return BUCKET if into is Bucket else None

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        self.asked.append((sql, values))
        is_count = sql.lstrip().startswith("SELECT count(") and "GROUP BY" not in sql
        return [(1,) * sql.count("count(")] if is_count else []

    def stream(self, sql: str, /, **values: Any) -> Iterator[Row]:
        return iter(self.rows(sql, **values))

    def value(self, sql: str, /, **values: Any) -> Any:
        self.asked.append((sql, values))
        return DELIVERIES

    def run(self, sql: str, /, **values: Any) -> int:
        self.asked.append((sql, values))
        return 0

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        first = next(iter(rows), None)
        self.asked.append((sql, first if first is not None else _named_in(sql)))
        return 0


def _named_in(sql: str) -> dict[str, Any]:
    """Something for every value that a statement names."""
    numbers = dict.fromkeys(("id", "received_at", "now", "due_at", "settled_at", "attempts"), 1)
    return {name: numbers.get(name, "1") for name in VALUE.findall(sql)}


Question = tuple[str, str, Mapping[str, Any]]


def questions(db: Database) -> list[Question]:
    """Whose it is, text and values of every statement in the stores."""
    found: list[Question] = []
    for store in STORES:
        room = store.__name__.split(".")[1]
        for name, function in inspect.getmembers(store, inspect.isfunction):
            if function.__module__ == store.__name__ and not name.startswith("_"):
                whose = f"{room}.{name}"
                found += [(whose, *asked) for asked in _asked(function, whose, db)]
    return found


def _plain(value: object) -> object:
    return value if isinstance(value, str | int) else 1


def _value(one: inspect.Parameter, given: Mapping[str, Any]) -> Any:
    """What a parameter is given: by its name, or else an id or a word by its kind."""
    if one.name in given:
        return given[one.name]
    kinds: dict[object, Any] = {int: 7, int | None: 7, str: "7", str | None: "7"}
    return kinds[one.annotation]


def _asked(
    function: Callable[..., object], whose: str, db: Database
) -> list[tuple[str, Mapping[str, Any]]]:
    """What a function of a store asks when it is called."""
    names, *others = inspect.signature(function).parameters.values()
    if names.name not in ("tx", "connection"):
        return []  # it only makes a piece of a statement
    given = GIVEN | {"skip_locked": db.skip_locked("leases")} | SPECIAL.get(whose, {})
    asked: list[tuple[str, Mapping[str, Any]]] = []
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for one in others:
        if one.kind is one.VAR_KEYWORD:
            named |= {key: _plain(value) for key, value in given.items()}
        elif one.kind is one.KEYWORD_ONLY:
            named[one.name] = _value(one, given)
        else:
            positional.append(_value(one, given))
    found: Any = function(Listener(asked), *positional, **named)
    if inspect.isgenerator(found):
        list(found)
    return asked


# How an engine goes about it


def scans(db: Database, sql: str, values: Mapping[str, Any]) -> set[str]:
    """The large tables that a statement would read from end to end."""
    read = _scanned_by_postgres if db.url.startswith("postgresql") else _scanned_by_sqlite
    return read(db, sql, {**_named_in(sql), **values}) - SMALL


def _scanned_by_sqlite(db: Database, sql: str, values: Mapping[str, Any]) -> set[str]:
    with db.read() as connection:
        plan = [row[3] for row in connection.rows(f"EXPLAIN QUERY PLAN {sql}", **values)]
    found = (re.fullmatch(r"SCAN (\w+)", step) for step in plan)
    return {one[1] for one in found if one} & set(_tables(db))


def _scanned_by_postgres(db: Database, sql: str, values: Mapping[str, Any]) -> set[str]:
    """As planned for these values; and as planned once for all, where the server prefers that."""
    with db.write() as tx:
        plan = tx.value(f"EXPLAIN (FORMAT JSON) {sql}", **values)[0]["Plan"]
        once = _generic(tx, sql, values)[0]["Plan"]
    # The server weighs the two like this, and adds what planning anew would cost it.
    plans = [plan, once] if once["Total Cost"] < plan["Total Cost"] + PLANNING else [plan]
    return {table for one in plans for table in _walked(one)}


def _generic(tx: Transaction, sql: str, values: Mapping[str, Any]) -> Any:
    numbers: dict[str, int] = {}
    text = re.sub(
        r"%\((\w+)\)s",
        lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}",
        translated(sql),
    ).replace("%%", "%")
    kinds = ["bigint" if type(values.get(name)) is int else "unknown" for name in numbers]
    tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
    tx.run(f"PREPARE asked {_listed(kinds)} AS {text}")
    try:
        return tx.value(f"EXPLAIN (FORMAT JSON) EXECUTE asked {_listed(['NULL'] * len(kinds))}")
    finally:
        tx.run("DEALLOCATE asked")


def _listed(items: list[str]) -> str:
    return f"({', '.join(items)})" if items else ""


def _walked(plan: Mapping[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from _walked(inner)


def _tables(db: Database) -> list[str]:
    return cast("Engine", db).tables()


# A database of some years


def some(many: int) -> str:
    """A table `n` of the numbers 1 to `many`."""
    return f"""
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
    """


PLANNING = 25  # what a plan for five tables is taken to cost
PART = DELIVERIES // MAILINGS
LETTER = "'The bench', 'ines@letters.example.org', 'Ines', '', 'Hello.', '<p>Hello.</p>'"
READER = f"'reader' || (i % {READERS}) || '@example.org'"
FILL = (
    f"""
    INSERT INTO subscribers (email, email_key, name, state, source, created_at, confirmed_at)
    {some(READERS)}
    SELECT {READER}, {READER}, 'Reader ' || i,
           CASE WHEN i % 10 = 0 THEN 'unsubscribed' ELSE 'active' END, 'import', {NOW} - i, {NOW} - i
      FROM n
    """,
    f"""
    INSERT INTO consents (subscriber_id, what, how, at)
    SELECT id, 'imported', 'csv', {NOW} - id FROM subscribers
    """,
    f"""
    INSERT INTO memberships (subscriber_id, tier, kind, started_at)
    SELECT id, 'member', 'complimentary', {NOW} - 5 FROM subscribers WHERE id % 20 = 0
    """,
    # Every tenth pays each month; every fourth of them left before and came back.
    f"""
    INSERT INTO memberships (subscriber_id, tier, kind, started_at)
    SELECT id, 'member', 'paid', {NOW} - 5 FROM subscribers WHERE id % 10 = 5
    """,
    f"""
    INSERT INTO customers (id, mode, subscriber_id, created_at)
    SELECT 'cus_' || id, 'live', id, {NOW} FROM subscribers WHERE id % 10 = 5
    """,
    *(
        f"""
        INSERT INTO subscriptions
               (id, mode, subscriber_id, customer_id, tier, status, every, cents, off_cents,
                currency, item_id, price_id, created_at, period_start, period_end, ended_at, why,
                is_current, asked)
        SELECT '{key}' || id, 'live', id, 'cus_' || id, 'member', '{status}', 'month', 500, 0,
               'eur', 'si_' || id, 'price', {NOW} - 1000 * id, {NOW}, {NOW}, {ended}, '',
               {is_current}, 1
          FROM subscribers WHERE id % {every} = 5
        """
        for key, status, ended, is_current, every in (
            ("sub_", "active", "NULL", 1, 10),
            ("old_", "canceled", NOW, 0, 40),
        )
    ),
    f"""
    INSERT INTO payments
           (id, mode, kind, subscriber_id, customer_id, subscription_id, intent_id, number, status,
            why, cents, due_cents, tax_cents, currency, created_at, paid_at, attempts, url, asked)
    {some(PAYING * YEAR)}
    SELECT 'in_' || i, 'live', 'membership', 5 + 10 * (i % {PAYING}),
           'cus_' || (5 + 10 * (i % {PAYING})), 'sub_' || (5 + 10 * (i % {PAYING})), 'pi_' || i,
           'A-' || i, 'paid', 'subscription_cycle', 500, 500, 0, 'eur',
           {NOW} - {30 * DAY} * (i / {PAYING}), {NOW} - {30 * DAY} * (i / {PAYING}), 1, '', 1
      FROM n
    """,
    *(
        f"""
        INSERT INTO {table} (id, mode, intent_id, cents, currency, status, why, created_at, asked)
        {some(PAYING)}
        SELECT '{table}' || i, 'live', 'pi_' || i, 500, 'eur', '{status}', '',
               {NOW} - {30 * DAY} * (i / 1000), 1
          FROM n
        """
        for table, status in (("refunds", "succeeded"), ("disputes", "lost"))
    ),
    f"""
    INSERT INTO gifts (payment_id, mode, code, tier, months, buyer_id, address, created_at,
                       taken_by, taken_at, buyer, buyer_key)
    {some(PAYING)}
    SELECT 'gift_' || i, 'live', 'CODE-' || i, 'member', 12, 3 + 10 * (i % {PAYING}), '',
           {NOW} - i, 4 + 10 * (i % {PAYING}), {NOW},
           CASE WHEN i % 10 = 0 THEN {READER} ELSE '' END,
           CASE WHEN i % 10 = 0 THEN {READER} ELSE '' END
      FROM n
    """,
    f"""
    INSERT INTO webhook_events (id, mode, type, received_at, body, due_at, settled_at)
    {some(EVENTS)}
    SELECT 'evt_' || i, 'live', 'invoice.paid', {NOW} - i,
           CASE WHEN i % 100 = 0 THEN {{blob}} END, CASE WHEN i % 10000 = 0 THEN {NOW} END,
           CASE WHEN i % 10000 <> 0 THEN {NOW} END
      FROM n
    """,
    f"""
    INSERT INTO foreign_subscriptions (id, mode, customer_id, product, seen_at)
    {some(PAYING)} SELECT 'alien_' || i, 'live', 'cus_' || i, 'prod', {NOW} FROM n
    """,
    f"""
    INSERT INTO notes (key, what, to_whom, subscriber_id, about, at, sent_at)
    {some(NOTICES)}
    SELECT 'joined:' || i, 'joined', 'reader', 1 + i % {READERS}, 'sub_' || i, {NOW} - i,
           CASE WHEN i % 1000 <> 0 THEN {NOW} END
      FROM n
    """,
    f"""
    INSERT INTO till_objects (key, kind, owner, due_at, body)
    {some(OBJECTS)}
    SELECT 'object_' || i, CASE WHEN i % 1000 = 0 THEN 'price' WHEN i % 2 = 0 THEN 'invoice'
                                ELSE 'subscription' END,
           'owner ' || (i % 5000), CASE WHEN i % 4 = 0 THEN {NOW} + i END, '{{}}'
      FROM n
    """,
    f"""
    INSERT INTO till_events (key, type, at, state, body)
    {some(OBJECTS)}
    SELECT 'evt_' || i, 'invoice.paid', {NOW} - {OBJECTS} + i,
           CASE WHEN i % 1000 = 0 THEN 'waiting' ELSE 'delivered' END, '{{}}'
      FROM n
    """,
    f"""
    INSERT INTO till_answers (key, request, status, body, at)
    {some(OBJECTS)} SELECT 'key_' || i, '', 200, '', {NOW} - {OBJECTS} + i FROM n
    """,
    f"""
    INSERT INTO confirmations (email_key, client, at)
    {some(20_000)} SELECT {READER}, '127.0.0.' || (i % 200), {NOW} - 7000 * i FROM n
    """,
    f"""
    INSERT INTO signins (subscriber_id, address, client, code, goes_to, at)
    {some(20_000)}
    SELECT 1 + i, {READER}, '127.0.0.' || (i % 200), '', '/', {NOW} - 7000 * i FROM n
    """,
    f"""
    INSERT INTO visits (client, at)
    {some(20_000)} SELECT '127.0.0.' || (i % 200), {NOW} - 7000 * i FROM n
    """,
    f"""
    INSERT INTO sessions (token, subscriber_id, begun_at, ends_at)
    {some(20_000)} SELECT 'token ' || i, 1 + i, {NOW}, {NOW} - 7000 * i FROM n
    """,
    f"""
    INSERT INTO address_changes (subscriber_id, email, email_key, at)
    {some(20_000)} SELECT i, {READER}, {READER}, {NOW} FROM n
    """,
    f"""
    INSERT INTO former_addresses (subscriber_id, email, email_key, until)
    {some(20_000)} SELECT i, {READER}, {READER}, {NOW} FROM n
    """,
    f"INSERT INTO erasures (proof, at) {some(20_000)} SELECT 'proof ' || i, {NOW} FROM n",
    f"""
    INSERT INTO suppressions (address_key, why, at)
    {some(20_000)} SELECT {READER}, 'bounced', {NOW} - i FROM n
    """,
    f"""
    INSERT INTO soft_bounces (address_key, score, scored_on)
    {some(20_000)} SELECT {READER}, 1, 1 FROM n
    """,
    f"""
    INSERT INTO images (digest, media_type, width, height, bytes)
    {some(20_000)} SELECT 'digest ' || i, 'image/png', 1, 1, {{blob}} FROM n
    """,
    f"""
    INSERT INTO mailings (kind, about, once, starts_at, expires_at, size, first_delivery,
                          last_delivery, created_at, frozen_at, finished_at)
    {some(MAILINGS)}
    SELECT 'issue', 'issue-' || i, 'issue:' || i, {NOW} - i, {NOW} + 1000, {PART},
           1 + (i - 1) * {PART}, i * {PART}, {NOW} - i, {NOW} - i,
           CASE WHEN i = {MAILINGS} THEN NULL ELSE {NOW} END
      FROM n
    """,
    f"""
    INSERT INTO letters
           (mailing_id, audience, subject, sender, sender_name, reply_to, text, html)
    SELECT id, 'everyone', {LETTER} FROM mailings
    """,
    f"""
    INSERT INTO deliveries (mailing_id, letter_id, recipient, address, address_key, name, state,
                            attempts, due_at, settled_at, reply)
    {some(DELIVERIES)}
    SELECT 1 + (i - 1) / {PART}, 1 + (i - 1) / {PART}, 1 + i % {READERS}, {READER}, {READER},
           'Reader ' || i,
           CASE WHEN i > {DELIVERIES - PART // 2} THEN 'queued' WHEN i % 200 = 0 THEN 'refused'
                WHEN i % 5000 = 1 THEN 'uncertain' ELSE 'sent' END,
           1, {NOW} - 1000, {NOW}, '250 2.0.0 Ok'
      FROM n
    """,
    f"""
    INSERT INTO leases (mailing_id, lane, first_delivery, last_delivery, due_at)
    {some(DELIVERIES // 500)}
    SELECT 1 + (i - 1) * 500 / {PART}, 1, 1 + (i - 1) * 500, i * 500,
           CASE WHEN i * 500 > {DELIVERIES - PART // 2} THEN {NOW} - 1000 ELSE NULL END
      FROM n
    """,
    # Notices: each is a mailing, a letter, a delivery and a lease of its own.
    f"""
    INSERT INTO mailings (kind, about, starts_at, expires_at, size, first_delivery,
                          last_delivery, created_at, frozen_at, finished_at)
    {some(NOTICES)}
    SELECT 'notice', 'confirm', {NOW}, {NOW}, 1, {DELIVERIES} + i, {DELIVERIES} + i, {NOW}, {NOW},
           {NOW}
      FROM n
    """,
    f"""
    INSERT INTO letters
           (mailing_id, audience, subject, sender, sender_name, reply_to, text, html)
    SELECT id, 'everyone', {LETTER} FROM mailings WHERE id > {MAILINGS}
    """,
    f"""
    INSERT INTO deliveries (mailing_id, letter_id, recipient, address, address_key, name, state,
                            attempts, due_at, settled_at, reply)
    {some(NOTICES)}
    SELECT {MAILINGS} + i, {MAILINGS} + i, NULL, {READER}, {READER}, '', 'sent', 1, {NOW}, {NOW},
           '250 2.0.0 Ok'
      FROM n
    """,
    f"""
    INSERT INTO leases (mailing_id, lane, first_delivery, last_delivery)
    {some(NOTICES)} SELECT {MAILINGS} + i, 0, {DELIVERIES} + i, {DELIVERIES} + i FROM n
    """,
    f"""
    INSERT INTO decisions (mailing_id, delivery_id, what, was, at)
    SELECT mailing_id, id, 'leave', 'uncertain', {NOW} FROM deliveries
     WHERE state = 'uncertain' OR (state = 'refused' AND id % 400 = 0)
    """,
    f"""
    INSERT INTO inbound (received_at, source, digest, kind, delivery_id, address_key, effect, raw)
    {some(NOTICES)}
    SELECT {NOW} - 10000 * i, 'pipe', 'digest ' || i, 'bounce', i, {READER},
           CASE WHEN i % 3 = 0 THEN 'ignored' ELSE 'scored' END,
           CASE WHEN i % 100 = 0 THEN {{blob}} ELSE NULL END
      FROM n
    """,
    f"""
    INSERT INTO tray (received_at, sender, recipient, recipient_key, subject, raw)
    {some(20_000)} SELECT {NOW}, 'ines@letters.example.org', {READER}, {READER}, '', {{blob}} FROM n
    """,
)
BLOBS = {"sqlite": "x'00'", "postgres": "'\\x00'::bytea"}


@pytest.fixture(scope="module", params=clusters.ENGINES)
def old(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Ten mailings to a hundred thousand, the last still leaving, and notices without number."""
    with clusters.place(request.param) as url:
        place = url or f"sqlite:///{tmp_path_factory.mktemp('old') / 'letters.db'}"
        with contextlib.closing(database.open(place)) as db:
            with db.write() as tx:
                for sql in FILL:
                    tx.run(sql.replace("{blob}", BLOBS[request.param]))
            if url:
                with files.raw(url) as connection:
                    connection.execute("ANALYZE")
            yield db


def test_every_statement_finds_its_rows_by_an_index(old: Database) -> None:
    asked = questions(old)

    found = {
        (whose, table)
        for whose, sql, values in asked
        if whose not in ON_PURPOSE
        for table in scans(old, sql, values)
    }

    assert len(asked) > 200
    assert sorted(found) == []


def test_what_reads_whole_tables_on_purpose_is_still_there() -> None:
    rooms = {store.__name__.split(".")[1]: store for store in STORES}

    for whose in ON_PURPOSE:
        room, name = whose.split(".")
        assert callable(getattr(rooms[room], name))
