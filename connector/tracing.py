"""Everything that ever happened with one address, gathered from every room, oldest first.

It only reads, and tells the relay's words as they were; of somebody erased it knows only that.
"""

from collections.abc import Iterator
from typing import NamedTuple

from connector import clock
from connector.database import Connection, Database
from connector.delivery import address, decisions, mailings
from connector.delivery import store as post
from connector.delivery.decision import Decision
from connector.delivery.mailing import Record
from connector.errors import NotFound
from connector.inbound import store as returns
from connector.inbound.bounce import Inbound
from connector.membership import store as membership
from connector.readers import erasure
from connector.readers import store as readers
from connector.readers.subscriber import Consent, Subscriber
from connector.settings import Settings


class Event(NamedTuple):
    """Something that happened, or will, at a moment; `details` are lines of their own."""

    at: int
    what: str
    details: tuple[str, ...] = ()


class Trace(NamedTuple):
    """How somebody stands now, in a sentence or two, and how that came."""

    address: str
    standing: str
    events: list[Event]


def trace(db: Database, settings: Settings, email: str, *, now: int) -> Trace:
    """What is known of an address; raises InvalidAddress, or NotFound when that is nothing."""
    asked = address.parse(email)
    with db.read() as connection:
        found = readers.by_key(connection, asked.key)
        events = [
            *_reader(connection, found, asked.key, now=now),
            *_letters(connection, settings, asked.key),
            *_reports(connection, asked.key),
            *_erasure(connection, settings, asked.key),
        ]
        if found is None and not events:
            raise NotFound(f"Nothing is known about {asked.display}.")
        standing = _standing(connection, settings, found, asked.key, now=now)
    shown = found.email if found else asked.display
    return Trace(shown, standing, sorted(events, key=lambda event: event.at))


def _standing(
    connection: Connection, settings: Settings, found: Subscriber | None, key: str, *, now: int
) -> str:
    zone = settings.publication.zone

    def day(at: int | None) -> str:
        return f"{clock.moment(at or 0, zone):%Y-%m-%d}"

    if found is None:
        moved = readers.moved_to(connection, key)
        words = f"Moved, and reads at {moved} now." if moved else "Not on the list."
    elif found.state == "pending":
        words = f"Asked for letters on {day(found.created_at)}, and has not confirmed."
    elif found.state == "unsubscribed":
        words = f"Unsubscribed on {day(found.unsubscribed_at)}."
    elif found.is_paused(now):
        words = f"On the list, and pausing until {day(found.paused_until)}."
    else:
        words = f"On the list since {day(found.confirmed_at or found.created_at)}."
    if mailings.suppression(connection, key):
        words += " We do not write to this address."
    return words


# The reader

CONSENTS = {
    "asked": "Somebody asked for letters to this address",
    "confirmed": "They confirmed",
    "imported": "They came with a list that was imported",
    "added": "They were put on the list by hand",
    "unsubscribed": "They unsubscribed",
    "resubscribed": "They took their unsubscribing back",
    "moved": "They moved here from another address",
}


def _reader(
    connection: Connection, found: Subscriber | None, key: str, *, now: int
) -> Iterator[Event]:
    for at in readers.askings_for(connection, key):
        yield Event(at, "The sign-up form was filled in with this address.")
    if found is None:
        return
    for consent in readers.consents(connection, found.id):
        yield Event(consent.at, _consent(consent))
    if found.paused_until is not None and found.paused_until > now:
        yield Event(found.paused_until, "Their pause ends.")
    for live in membership.of(connection, found.id):
        yield Event(live.started_at, f"Their membership began ({live.kind}).")
        if live.ends_at is not None:
            ends = "ended" if live.ends_at <= now else "ends"
            yield Event(live.ends_at, f"Their membership {ends}.")


def _consent(consent: Consent) -> str:
    where = ", ".join(part for part in (consent.how, consent.page) if part)
    return f"{CONSENTS[consent.what]} ({where})." if where else f"{CONSENTS[consent.what]}."


def _erasure(connection: Connection, settings: Settings, key: str) -> Iterator[Event]:
    at = erasure.erased_at(connection, settings, key)
    if at is not None:
        yield Event(at, "Everything about this address was erased. Only that is known.")


# Letters


def _letters(connection: Connection, settings: Settings, key: str) -> Iterator[Event]:
    decided: dict[int, list[Decision]] = {}
    for decision in post.decisions_to(connection, key):
        decided.setdefault(decision.delivery_id, []).append(decision)
    for record in post.records_to(connection, key):
        yield from _letter(settings, record, decided.get(record.id, []))


def _letter(settings: Settings, record: Record, decided: list[Decision]) -> Iterator[Event]:
    name = f"“{record.subject}”"
    kind = f"mailing {record.mailing_id}, {record.name}"
    if record.kind == "notice":
        kind = f"a notice, {record.about}"
    identity = decisions.message_id(
        settings,
        sender=record.sender,
        mailing=record.mailing_id,
        kind=record.kind,
        delivery=record.id,
    )
    yield Event(record.queued_at, f"{name} was queued ({kind}).", (f"Message-ID: {identity}",))
    for decision in decided:
        yield Event(decision.at, f"{name}: {_decision(decision)}", _said(decision.reply))
    if not (record.state == "sent" and decided and decided[-1].what == "sent"):
        yield _outcome(record, name)


def _outcome(record: Record, name: str) -> Event:
    tries = f"{record.attempts:,} {'try' if record.attempts == 1 else 'tries'}"
    at = record.settled_at or record.due_at
    what = {
        "queued": f"waits{f' after {tries}' if record.attempts else ''}; its turn comes then.",
        "sending": f"is at the relay now (after {tries}).",
        "sent": f"was taken by the relay, after {tries}.",
        "refused": f"was refused for good, after {tries}.",
        "uncertain": f"may have arrived or not, after {tries}; it is not sent again by itself.",
        "withdrawn": "was withdrawn before it left.",
    }[record.state]
    return Event(at, f"{name} {what}", _said(record.reply))


def _decision(decision: Decision) -> str:
    return {
        "resend": f"the author had it sent once more; it had been {decision.was}.",
        "leave": "the author decided to leave it as it is.",
        "sent": f"the author said that it arrived; it had been {decision.was}.",
    }[decision.what]


def _said(reply: str) -> tuple[str, ...]:
    return (reply,) if reply else ()


# What came back

EFFECTS = {
    "suppressed": "We stopped writing to this address.",
    "scored": "It counts; several such days stop the letters.",
    "unsubscribed": "They were unsubscribed.",
    "ignored": "It changes nothing.",
    "repeated": "It was known before.",
    "unproven": "It was not proven, and changes nothing.",
    "unknown": "It was about no letter of ours.",
    "kept": "It was kept for a person to read.",
}


def _reports(connection: Connection, key: str) -> Iterator[Event]:
    for report in returns.about(connection, key):
        yield Event(report.received_at, _report(report), _said(report.detail))
    found = mailings.suppression(connection, key)
    if found is not None:
        yield Event(
            found.at, f"We stopped writing to this address: {found.why}.", _said(found.detail)
        )


def _report(report: Inbound) -> str:
    status = f" ({report.status})" if report.status else ""
    return f"A report came back: {report.kind}{status}. {EFFECTS[report.effect]}"
