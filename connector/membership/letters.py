"""Letters about money: each note becomes one letter, or none when it is true no more.

A note is marked in the transaction that queues its letter, so that whatever dies, each is
written once. Nothing is asked of Stripe.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

from connector import clock
from connector.clock import HOUR
from connector.database import Connection, Database
from connector.delivery import address, letter, links, mailings
from connector.delivery.address import Address
from connector.delivery.letter import Letter
from connector.errors import InvalidAddress, NotFound
from connector.membership import billing, money, notes, store, tiers
from connector.membership.billing import Payment, Subscription
from connector.membership.gift import Gift
from connector.membership.money import Amount
from connector.membership.store import Note
from connector.readers import erasure
from connector.readers import store as readers
from connector.readers.subscriber import Subscriber
from connector.settings import Settings

BATCH = 100
# Who stops the letters may be about to end their plan as well; they are asked on that page.
SECOND_THOUGHTS = HOUR
# Where Stripe shows what a note is about, for the writer.
DASHBOARD = "https://dashboard.stripe.com/"
ADDRESSES = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)\S*", re.IGNORECASE)

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Post:
    letter: Letter
    to: Address
    recipient: int | None


def is_owed(db: Database, settings: Settings, *, at: int) -> bool:
    """Whether there is a letter to write now."""
    with db.read() as connection:
        return bool(
            store.owed(connection, limit=1)
            or store.gifts_to_send(connection, mode=settings.stripe.mode, now=at, limit=1)
        )


def write(
    db: Database, settings: Settings, environment: jinja2.Environment, *, at: int, now: int
) -> int:
    """Write what is owed, each once; how many letters were queued.

    `at` is the time that payments go by, `now` that of the post. A letter that cannot be made
    holds up no other; it stays owed, and the first such error is raised at the end.
    """
    with db.read() as connection:
        owed = store.owed(connection, limit=BATCH)
        gifts = store.gifts_to_send(connection, mode=settings.stripe.mode, now=at, limit=BATCH)
    steps = [
        *(functools.partial(_write, db, settings, environment, note) for note in owed),
        *(functools.partial(_send_gift, db, settings, environment, gift) for gift in gifts),
    ]
    written, errors = 0, []
    for step in steps:
        try:
            written += step(now=now)
        except (jinja2.TemplateError, KeyError, TypeError, ValueError) as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return written


def look(db: Database, settings: Settings, *, at: int, now: int) -> int:
    """Owe letters to whom time alone makes them owed: a gift ended, a plan goes on unread."""
    with db.write() as tx:
        ended = store.over(tx, since=at - notes.FRESH, now=at)
        for one in ended:
            notes.about_end(tx, one, now=at)
        paying = store.paying_unread(
            tx, mode=settings.stripe.mode, since=now - notes.FRESH, until=now - SECOND_THOUGHTS
        )
        for subscription_id, subscriber_id, since in paying:
            notes.about_still_paying(
                tx, subscription_id, subscriber_id=subscriber_id, since=since, now=at
            )
    return len(ended) + len(paying)


def _write(
    db: Database, settings: Settings, environment: jinja2.Environment, note: Note, *, now: int
) -> int:
    with db.read() as connection:
        post = _post(connection, settings, environment, note)
    with db.write() as tx:
        if not store.set_written(tx, note.key, now=now) or post is None:
            return 0
        mailing = mailings.notify(
            tx, post.letter, to=post.to, recipient=post.recipient, about=note.what, now=now
        )
        store.set_mailing(tx, note.key, mailing)
    return 1


def _post(
    connection: Connection, settings: Settings, environment: jinja2.Environment, note: Note
) -> _Post | None:
    """The letter for a note, and whom it goes to; None when there is nothing to say any more."""
    find = FACTS.get(note.what)
    facts = find(_Case(connection, settings, note)) if find else None
    if facts is None:
        return None
    reader = readers.by_id(connection, note.subscriber_id) if note.subscriber_id else None
    if note.to_whom == "writer":
        return _to_writer(settings, environment, note, facts, reader)
    to = reader.address if reader else _buyer(connection, note)
    if to is None:
        return None
    known = reader or readers.by_key(connection, to.key)
    name = TEMPLATES.get(note.what, note.what)
    made = _render(environment, settings, name, {**facts, "is_known": known is not None})
    return _Post(made, to, known.id if known else None)


def _buyer(connection: Connection, note: Note) -> Address | None:
    """Where to write to somebody who bought a gift and was not signed in."""
    gift = store.gift_by_payment(connection, note.about) if note.what == "gift" else None
    return Address(gift.buyer, gift.buyer_key) if gift is not None and gift.buyer else None


def _to_writer(
    settings: Settings,
    environment: jinja2.Environment,
    note: Note,
    facts: Facts,
    reader: Subscriber | None,
) -> _Post:
    who = f"{reader.name} ({reader.email})" if reader and reader.name else ""
    who = _quiet(who or (reader.email if reader else "Somebody"))
    place = "" if settings.stripe.is_till else _dashboard(settings, note.about)
    words = environment.get_template(f"mail/writer/{note.what}.txt").render(
        {"publication": settings.publication, "who": who, **facts}
    )
    subject, *paragraphs = [each.strip() for each in words.strip().split("\n\n")]
    lines = {"subject": subject, "paragraphs": paragraphs, "place": place}
    to = address.parse(settings.publication.email)
    return _Post(_render(environment, settings, "writer", {**facts, **lines}), to, None)


def _render(
    environment: jinja2.Environment, settings: Settings, name: str, facts: Mapping[str, Any]
) -> Letter:
    return letter.render(
        environment,
        name,
        settings,
        sender=settings.mail.notices_from or f"notices@{settings.domain}",
        sender_name=settings.publication.title,
        reply_to=settings.publication.email,
        account=f"{links.site(settings)}/account",
        join=f"{links.site(settings)}/join",
        is_play=settings.stripe.is_till,
        **facts,
    )


# A gift, to whom it is for


def _send_gift(
    db: Database, settings: Settings, environment: jinja2.Environment, gift: Gift, *, now: int
) -> int:
    with db.read() as connection:
        to = _wanted(connection, settings, gift.address)
        buyer = readers.by_id(connection, gift.buyer_id) if gift.buyer_id else None
        known = readers.by_key(connection, to.key) if to else None
    author = settings.publication.author if gift.is_from_writer else ""
    facts = {
        "giver": author or (_quiet(buyer.name) if buyer else ""),
        "words": [line for line in _quiet(gift.words).splitlines() if line.strip()],
        **_gift_facts(settings, gift),
    }
    made = _render(environment, settings, "gift", facts)
    with db.write() as tx:
        if not store.set_gift_sent(tx, gift.payment_id, now=now):
            return 0
        if to is None:
            notes.about_unsent_gift(tx, gift, now=now)
            return 0
        recipient = known.id if known else None
        mailings.notify(tx, made, to=to, recipient=recipient, about="gift", now=now)
    return 1


def _wanted(connection: Connection, settings: Settings, text: str) -> Address | None:
    """Whom to write to; None for no address, and for one that must not be written to."""
    try:
        to = address.parse(text)
    except InvalidAddress:
        return None
    if mailings.suppression(connection, to.key) or erasure.is_erased(connection, settings, to.key):
        return None
    return to


def _gift_facts(settings: Settings, gift: Gift) -> Facts:
    return {
        "tier": _tier(settings, gift.tier),
        "months": gift.months,
        "code": gift.code,
        "take": f"{links.site(settings)}/gift/{gift.code}",
    }


# What a letter has to say


@dataclass(frozen=True, slots=True)
class _Case:
    """A note, and where to look up what it is about."""

    connection: Connection
    settings: Settings
    note: Note

    def subscription(self, key: str) -> Subscription | None:
        found = store.subscription(self.connection, key)
        return found if found is not None and found.mode == self.settings.stripe.mode else None

    def payment(self, key: str) -> Payment | None:
        found = store.payment(self.connection, key)
        return found if found is not None and found.mode == self.settings.stripe.mode else None

    def paid(self, intent_id: str) -> Payment | None:
        found = store.payment_by_intent(self.connection, intent_id)
        return found if found is not None and found.mode == self.settings.stripe.mode else None

    def others(self, one: Subscription) -> list[Subscription]:
        """What else the same person has, or had."""
        if one.subscriber_id is None:
            return []
        known = store.subscriptions_of(self.connection, one.subscriber_id, mode=one.mode)
        return [each for each in known if each.id != one.id and billing.has_begun(each)]

    def counts(self, one: Subscription) -> bool:
        """Whether it is the one that makes its person a member."""
        if one.subscriber_id is None or not one.is_live:
            return False
        counting = store.current(self.connection, one.subscriber_id, mode=one.mode)
        return counting is not None and counting.id == one.id

    def day(self, at: int | None) -> str:
        if at is None:
            return ""
        when = clock.moment(at, self.settings.publication.zone)
        return f"{when.day} {when:%B %Y}"

    def show(self, cents: int, currency: str) -> str:
        return money.show(Amount(cents, currency), self.settings.publication.language)

    def plan(self, one: Subscription) -> Facts:
        """A subscription in words: what it is, what it costs, when it is paid next."""
        return {
            "tier": _tier(self.settings, one.tier),
            "amount": f"{self.show(one.cents - one.off_cents, one.currency)} a {one.every}",
            "next_day": self.day(one.period_end),
            "why": _quiet(one.why),
        }


def _joined(case: _Case) -> Facts | None:
    one = case.subscription(case.note.about)
    if one is None or not case.counts(one) or _was_welcomed(case, one):
        return None
    is_trial = one.status == "trialing"
    return case.plan(one) | {"trial_day": case.day(one.trial_end) if is_trial else ""}


def _was_welcomed(case: _Case, one: Subscription) -> bool:
    """Whether the last we said was a welcome to a plan that this one goes on from."""
    told = store.last_told(case.connection, one.subscriber_id or 0, to_whom=case.note.to_whom)
    if told is None or told[0] != "joined":
        return False
    before = case.subscription(told[1])
    return before is not None and (before.ended_at is None or before.ended_at >= one.created_at)


def _leaving(case: _Case) -> Facts | None:
    subscription_id, _, until = case.note.about.rpartition(":")
    one = case.subscription(subscription_id)
    if one is None or not one.is_leaving or not case.counts(one) or str(one.cancel_at) != until:
        return None
    return case.plan(one) | {"last_day": case.day(one.cancel_at)}


def _left(case: _Case) -> Facts | None:
    one = case.subscription(case.note.about)
    if one is None or one.ended_at is None:
        return None
    ended_at = one.ended_at
    if any(
        other.created_at <= ended_at and (other.ended_at is None or other.ended_at > ended_at)
        for other in case.others(one)
    ):
        return None  # one of two ended, and they are a member by the other
    return case.plan(one) | {"last_day": case.day(ended_at)}


def _failed(case: _Case) -> Facts | None:
    payment = case.payment(case.note.about)
    one = case.subscription(payment.subscription_id) if payment else None
    if payment is None or not payment.has_failed or one is None or one.status != "past_due":
        return None
    until = billing.member_until(one, grace_days=case.settings.stripe.grace_days) or 0
    return case.plan(one) | {
        "owed": case.show(payment.due_cents, payment.currency),
        "again_day": case.day(payment.next_attempt_at),
        "last_day": case.day(until) if until > case.note.at else "",
        "pay": payment.url,
    }


def _paid_once(case: _Case) -> Facts | None:
    payment = case.payment(case.note.about)
    if payment is None:
        return None
    facts: Facts = {"amount": case.show(payment.cents, payment.currency)}
    gift = store.gift_by_payment(case.connection, payment.id)
    if payment.kind != "gift":
        return facts
    if gift is None:
        return None
    facts["address"] = _quiet(gift.address)
    facts["send_day"] = case.day(gift.send_at) if gift.send_at and gift.address else ""
    return facts | _gift_facts(case.settings, gift) | _stranger(gift)


def _stranger(gift: Gift) -> Facts:
    """Whom the writer may ask, when the buyer is not on the list."""
    return {"who": _quiet(gift.buyer)} if gift.buyer else {}


def _refunded(case: _Case) -> Facts | None:
    refund = store.refund(case.connection, case.note.about)
    payment = case.paid(refund.intent_id) if refund else None
    if refund is None or payment is None:
        return None
    told = store.was_owed(
        case.connection, "duplicate", to_whom="reader", about=payment.subscription_id
    )
    if told and case.note.to_whom == "reader":
        return None
    return {
        "amount": case.show(refund.cents, refund.currency),
        "whole": case.show(payment.cents, payment.currency),
        "is_whole": refund.cents >= payment.cents,
        "paid_day": case.day(payment.paid_at),
        "kind": payment.kind,
    }


def _disputed(case: _Case) -> Facts | None:
    dispute = store.dispute(case.connection, case.note.about)
    payment = case.paid(dispute.intent_id) if dispute else None
    if dispute is None or payment is None:
        return None
    return {
        "amount": case.show(dispute.cents, dispute.currency),
        "why": dispute.why.replace("_", " "),
        "paid_day": case.day(payment.paid_at),
    }


def _duplicate(case: _Case) -> Facts | None:
    one = case.subscription(case.note.about)
    if one is None:
        return None
    back = [
        refund.cents
        for payment in store.payments_for(case.connection, one.id)
        for refund in store.refunds_of(case.connection, payment.intent_id)
        if payment.intent_id and refund.status != "failed"
    ]
    returned = case.show(sum(back), one.currency) if back else ""
    return case.plan(one) | {"returned": returned, "began": case.day(one.created_at)}


def _still_paying(case: _Case) -> Facts | None:
    one = case.subscription(case.note.about.rpartition(":")[0])
    who = readers.by_id(case.connection, case.note.subscriber_id or 0)
    if one is None or who is None or who.is_active or one.is_leaving or not case.counts(one):
        return None
    return case.plan(one)


def _ended(case: _Case) -> Facts | None:
    kind = case.note.about.partition(":")[0]
    of_now = store.of(case.connection, case.note.subscriber_id or 0)
    if any(one.ends_at is None or one.ends_at > case.note.at for one in of_now):
        return None
    tier = next((one.tier for one in of_now if one.kind == kind), "")
    return {"tier": _tier(case.settings, tier), "kind": kind}


def _unsent(case: _Case) -> Facts | None:
    gift = store.gift_by_payment(case.connection, case.note.about)
    if gift is None or gift.mode != case.settings.stripe.mode:
        return None
    return {
        "address": _quiet(gift.address),
        **_gift_facts(case.settings, gift),
        **_stranger(gift),
    }


FACTS: dict[str, Callable[[_Case], Facts | None]] = {
    "joined": _joined,
    "leaving": _leaving,
    "left": _left,
    "failed": _failed,
    "tip": _paid_once,
    "gift": _paid_once,
    "refunded": _refunded,
    "refund-failed": _refunded,
    "disputed": _disputed,
    "warned": lambda _: {},
    "duplicate": _duplicate,
    "duplicate-shown": _duplicate,
    "still-paying": _still_paying,
    "ended": _ended,
    "gift-unsent": _unsent,
}
# The letter called “gift” goes to whom it is for; its buyer gets another.
TEMPLATES = {"gift": "gift-bought"}


def _tier(settings: Settings, key: str) -> str:
    try:
        return tiers.find(settings, key).name
    except NotFound:
        return key.replace("_", " ").capitalize() or "Member"


def _quiet(text: str) -> str:
    """What people typed, without what a letter would act on: places to fill in, and addresses."""
    return ADDRESSES.sub("…", text.replace("[[", "[").replace("]]", "]"))


def _dashboard(settings: Settings, about: str) -> str:
    kind = {"sub_": "subscriptions", "in_": "invoices", "pi_": "payments", "dp_": "disputes"}
    key = about.partition(":")[0]
    page = next((page for start, page in kind.items() if key.startswith(start)), "")
    test = "" if settings.stripe.is_live else "test/"
    return f"{DASHBOARD}{test}{page}/{key}" if page else ""
