"""What a reader changes by a link from a letter: stop, come back, pause, a name, see it all, be erased.

A link is proof enough, no cookie is asked for; stopping works for ever and never fails.
"""

from calendar import monthrange
from typing import Any

from connector import clock
from connector.database import Connection, Database, Transaction
from connector.delivery import mailings
from connector.delivery import store as ledger
from connector.delivery.decision import Decision
from connector.errors import NotFound, Refused
from connector.inbound import bounces
from connector.inbound import store as returns
from connector.inbound.bounce import Inbound
from connector.readers import erasure, store
from connector.readers.subscriber import (
    Consent,
    Session,
    Subscriber,
    clean_name,
    clean_page,
    client_tag,
)
from connector.settings import Settings

GONE = "We hold nothing about you any more. You are welcome to sign up again."


def find(db: Database, recipient: int) -> Subscriber:
    """Who a preferences link is about; raises NotFound once they are erased."""
    with db.read() as connection:
        return _find(connection, recipient)


def unsubscribe(
    db: Database,
    settings: Settings,
    recipient: int,
    *,
    how: str,
    page: str,
    client: str,
    now: int,
) -> Subscriber | None:
    """Stop every letter of an issue, those already queued too; the second time changes nothing.

    Answers None for somebody who is not here any more: there is nothing left to stop.
    `client` is a network address; only its keyed hash is kept.
    """
    with db.write(durable=True) as tx:
        found = store.by_id(tx, recipient)
        if found is None:
            return None
        if store.set_unsubscribed(tx, recipient, now=now):
            tag = client_tag(settings, client)
            consent = Consent("unsubscribed", how=how, page=clean_page(page), client=tag, at=now)
            store.insert_consent(tx, recipient, consent)
        mailings.withdraw(tx, found.email_key, why="unsubscribed", now=now)
        return _find(tx, recipient)


def resubscribe(
    db: Database,
    settings: Settings,
    recipient: int,
    *,
    how: str,
    page: str,
    client: str,
    now: int,
) -> Subscriber:
    """Take an unsubscribing back; changes nothing for somebody who is on the list.

    Raises NotFound, or Refused for somebody who never confirmed or whose address is
    suppressed: they sign up again and confirm.
    """
    with db.write(durable=True) as tx:
        found = _find(tx, recipient)
        if found.confirmed_at is None:
            raise Refused("You have not confirmed yet. Please sign up again and we will write.")
        if mailings.suppression(tx, found.email_key):
            raise Refused("Our letters to you came back. Please sign up again and confirm.")
        if store.set_active(tx, recipient, now=now):
            tag = client_tag(settings, client)
            consent = Consent("resubscribed", how=how, page=clean_page(page), client=tag, at=now)
            store.insert_consent(tx, recipient, consent)
        return _find(tx, recipient)


def rename(db: Database, recipient: int, *, name: str) -> Subscriber:
    """Change the name letters greet somebody with; empty takes it away. Raises NotFound."""
    with db.write() as tx:
        _find(tx, recipient)
        store.set_name(tx, recipient, clean_name(name))
        return _find(tx, recipient)


def pause(db: Database, recipient: int, *, until: int | None, now: int) -> Subscriber:
    """No issues before `until`, those already queued neither; None takes letters up again.

    Raises NotFound, or Refused for somebody who gets no letters anyway.
    """
    with db.write() as tx:
        found = _find(tx, recipient)
        until = until if until is not None and until > now else None
        if not store.set_paused(tx, recipient, until=until):
            raise Refused("You get no letters now, so there is nothing to pause.")
        if until is not None:
            mailings.withdraw(tx, found.email_key, why="paused", now=now)
        return _find(tx, recipient)


def in_months(months: int, *, now: int, zone: str = "UTC") -> int:
    """The same day and time some months from now, or the last day of a shorter month."""
    at = clock.moment(now, zone)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    day = min(at.day, monthrange(year, month + 1)[1])
    return clock.milliseconds(at.replace(year=year, month=month + 1, day=day))


def export(db: Database, recipient: int) -> dict[str, Any]:
    """Everything we hold about somebody, ready for JSON, times in UTC. Raises NotFound."""
    with db.read() as connection:
        found = _find(connection, recipient)
        former = store.former(connection, found.id)
        keys = [*(one.email_key for one in former), found.email_key]
        return {
            "subscriber": _subscriber(found),
            "former_addresses": [{"email": one.email, "until": _time(one.until)} for one in former],
            "signed_in": [_session(one) for one in store.sessions_of(connection, found.id)],
            "consents": [_consented(each) for each in store.consents(connection, found.id)],
            "confirmations_asked_for": [
                clock.utc(at) for at in store.askings_for(connection, found.email_key)
            ],
            "memberships": [_membership(one) for one in store.memberships(connection, found.id)],
            "letters": [
                _letter(row) for key in keys for row in ledger.deliveries_to(connection, key)
            ],
            "decisions": [
                _decided(one) for key in keys for one in ledger.decisions_to(connection, key)
            ],
            "returned": [_returned(one) for key in keys for one in returns.about(connection, key)],
            "suppression": _suppression(connection, found.email_key),
        }


def erase(db: Database, settings: Settings, recipient: int, now: int) -> None:
    """Forget somebody: list, consents, membership, askings, sessions, Tray, ledger; twice is harmless.

    A keyed hash stays, so that an import does not bring them back.
    """
    with db.write(durable=True) as tx:
        found = store.by_id(tx, recipient)
        if found is None:
            return
        former = [one.email_key for one in store.former(tx, found.id)]
        wished = store.change_of(tx, found.id)
        store.delete(tx, found.id)
        for key in (found.email_key, *former):
            _forget(tx, key, now=now)
            erasure.record(tx, settings, key, now=now)
        if wished and store.by_key(tx, wished.email_key) is None:
            _forget(tx, wished.email_key, now=now)


def _forget(tx: Transaction, email_key: str, *, now: int) -> None:
    mailings.forget(tx, email_key, now=now)
    bounces.forget(tx, email_key)
    store.delete_askings_for(tx, email_key)


def _find(connection: Connection, recipient: int) -> Subscriber:
    found = store.by_id(connection, recipient)
    if found is None:
        raise NotFound(GONE)
    return found


def _subscriber(found: Subscriber) -> dict[str, Any]:
    return {
        "email": found.email,
        "name": found.name,
        "state": found.state,
        "source": found.source,
        "created_at": _time(found.created_at),
        "confirmed_at": _time(found.confirmed_at),
        "unsubscribed_at": _time(found.unsubscribed_at),
        "paused_until": _time(found.paused_until),
    }


def _session(found: Session) -> dict[str, Any]:
    return {"since": _time(found.begun_at), "until": _time(found.ends_at)}


def _consented(consent: Consent) -> dict[str, Any]:
    return {
        "what": consent.what,
        "how": consent.how,
        "page": consent.page,
        "client": consent.client,
        "at": _time(consent.at),
    }


def _membership(found: tuple[Any, ...]) -> dict[str, Any]:
    tier, kind, started_at, ends_at = found
    return {
        "tier": tier,
        "kind": kind,
        "started_at": _time(started_at),
        "ends_at": _time(ends_at),
    }


def _letter(row: tuple[Any, ...]) -> dict[str, Any]:
    about, subject, state, attempts, settled_at, reply = row
    return {
        "about": about,
        "subject": subject,
        "state": state,
        "attempts": attempts,
        "settled_at": _time(settled_at),
        "reply": reply,
    }


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "what": decision.what,
        "was": decision.was,
        "reply": decision.reply,
        "at": _time(decision.at),
    }


def _returned(report: Inbound) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "status": report.status,
        "detail": report.detail,
        "effect": report.effect,
        "at": _time(report.received_at),
    }


def _suppression(connection: Connection, email_key: str) -> dict[str, Any] | None:
    found = mailings.suppression(connection, email_key)
    if found is None:
        return None
    return {"why": found.why, "detail": found.detail, "at": _time(found.at)}


def _time(at: int | None) -> str | None:
    return None if at is None else clock.utc(at)
