"""How somebody joins the list: they ask, we write to the address, they confirm.

The answer to asking is the same whether or not we know the address, and asking never takes
anything away from anybody.
"""

import jinja2

from connector.clock import DAY, HOUR
from connector.database import Connection, Database, Transaction
from connector.delivery import address, mailings
from connector.delivery import links as personal
from connector.delivery.address import Address
from connector.errors import InvalidLink, Refused
from connector.readers import erasure, haste, links, notices, store
from connector.readers.subscriber import Consent, Subscriber, clean_name, clean_page, client_tag
from connector.settings import Settings


def subscribe(
    db: Database,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    email: str,
    name: str = "",
    page: str,
    client: str,
    now: int,
    onward: str = "",
) -> None:
    """Ask for letters to an address; the one who reads there decides, from the letter we send.

    `client` is the network address of whoever asks; only its keyed hash is kept. The link in the
    letter carries `onward`, the query of where they want to go on from there. Beyond the
    limit of an address nothing more is sent and nothing is said. Raises InvalidAddress, and
    TooManyRequests when this client asks for too much.
    """
    to = address.parse(email)
    tag = client_tag(settings, client)
    with db.write() as tx:
        store.delete_askings(tx, before=now - DAY)
        may_write = count_asking(tx, settings, to, tag, now=now)
        known = _note(tx, to, clean_name(name), now=now)
        if may_write:
            consent = Consent("asked", how="form", page=clean_page(page), client=tag, at=now)
            _write(tx, settings, environment, known, consent, onward=onward)


def confirm(
    db: Database,
    settings: Settings,
    environment: jinja2.Environment,
    token: str,
    *,
    page: str,
    client: str,
    now: int,
) -> Subscriber:
    """Put the one who reads at an address on the list; the second time changes nothing.

    It lifts a suppression and an erasure too: whoever follows this link gets mail there, and
    wants ours. Raises InvalidLink or ExpiredLink.
    """
    with db.write(durable=True) as tx:
        found = _confirming(tx, settings, token, now=now)
        is_new = store.set_active(tx, found.id, now=now) == 1
        is_lifted = mailings.lift(tx, found.email_key)
        erasure.lift(tx, settings, found.email_key)
        if is_new or is_lifted:
            tag = client_tag(settings, client)
            consent = Consent("confirmed", how="link", page=clean_page(page), client=tag, at=now)
            store.insert_consent(tx, found.id, consent)
        if is_new:
            _welcome(tx, settings, environment, found, now=now)
        return _confirming(tx, settings, token, now=now)


def read_confirmation(db: Database, settings: Settings, token: str, now: int) -> Subscriber:
    """Whom a confirmation link is for; it only reads. Raises InvalidLink or ExpiredLink."""
    with db.read() as connection:
        return _confirming(connection, settings, token, now=now)


def add(db: Database, settings: Settings, *, email: str, name: str = "", now: int) -> Subscriber:
    """Put an address on the list on the writer's word; adding twice changes nothing.

    Raises InvalidAddress, or Refused for somebody who left, was erased or cannot be reached:
    they come back only by asking and confirming themselves.
    """
    to = address.parse(email)
    with db.write() as tx:
        _refuse_the_unwilling(tx, settings, to)
        known = store.by_key(tx, to.key)
        if known is None or known.state == "pending":
            known = known or _insert(tx, to, clean_name(name), source="command", now=now)
            store.set_active(tx, known.id, now=now)
            consent = Consent("added", how="command", page="", client="", at=now)
            store.insert_consent(tx, known.id, consent)
        return store.by_id(tx, known.id) or known


def _confirming(connection: Connection, settings: Settings, token: str, *, now: int) -> Subscriber:
    found = store.by_id(connection, links.confirming(settings, token, now=now))
    if found is None:
        raise InvalidLink("This link is no longer in use. You are welcome to sign up again.")
    return found


def count_asking(tx: Transaction, settings: Settings, to: Address, tag: str, *, now: int) -> bool:
    """Count an asking for a letter; whether one may be written to this address.

    Raises TooManyRequests for a client that asked for too many within the hour.
    """
    haste.refuse(
        "That is a lot of sign-ups from one place. Please try again in a while.",
        store.askings(tx, tag, since=now - HOUR) if tag else [],
        most=settings.limits.confirmations_per_client,
        now=now,
    )
    asked = store.letters_asked(tx, to.key, since=now - DAY)
    may_write = asked < settings.limits.confirmations_per_address
    # An asking that sent nothing counts for its client, never against the address.
    store.insert_asking(tx, email_key=to.key if may_write else "", client=tag, now=now)
    return may_write


def _refuse_the_unwilling(connection: Connection, settings: Settings, to: Address) -> None:
    back = "Only they can come back, by signing up on the site."
    known = store.by_key(connection, to.key)
    if known is not None and known.state == "unsubscribed":
        raise Refused(f"{to.display} has unsubscribed. {back}")
    if known is None and (moved := store.moved_to(connection, to.key)):
        raise Refused(f"{to.display} has moved and reads at {moved} now.")
    if erasure.is_erased(connection, settings, to.key):
        raise Refused(f"{to.display} asked to be forgotten. {back}")
    if suppression := mailings.suppression(connection, to.key):
        raise Refused(f"{to.display} is not written to any more: {suppression.why}. {back}")


def _note(tx: Transaction, to: Address, name: str, *, now: int) -> Subscriber:
    """The subscriber behind an address, made if there is none; nobody's state changes."""
    known = store.by_key(tx, to.key)
    if known is None:
        return _insert(tx, to, name, source="form", now=now)
    if known.state == "pending" and name:
        store.set_name(tx, known.id, name)
    return known


def _insert(tx: Transaction, to: Address, name: str, *, source: str, now: int) -> Subscriber:
    subscriber_id = store.insert(
        tx,
        email=to.display,
        email_key=to.key,
        name=name,
        state="pending",
        source=source,
        confirmed_at=None,
        now=now,
    )
    return Subscriber(
        id=subscriber_id,
        email=to.display,
        email_key=to.key,
        name=name,
        state="pending",
        source=source,
        created_at=now,
        confirmed_at=None,
        unsubscribed_at=None,
        paused_until=None,
    )


def _write(
    tx: Transaction,
    settings: Settings,
    environment: jinja2.Environment,
    known: Subscriber,
    consent: Consent,
    *,
    onward: str,
) -> None:
    now = consent.at
    is_listed = known.is_active and mailings.suppression(tx, known.email_key) is None
    if is_listed and onward:
        link = links.confirm(settings, known.id, now=now, onward=onward)
        letter, about = notices.onward(environment, settings, link=link), "onward"
    elif is_listed:
        link = personal.preferences(settings, known.id)
        letter, about = notices.already(environment, settings, link=link), "already"
    else:
        store.insert_consent(tx, known.id, consent)
        link = links.confirm(settings, known.id, now=now, onward=onward)
        letter, about = notices.confirm(environment, settings, link=link), "confirm"
    mailings.notify(tx, letter, to=known.address, recipient=known.id, about=about, now=now)


def _welcome(
    tx: Transaction,
    settings: Settings,
    environment: jinja2.Environment,
    known: Subscriber,
    *,
    now: int,
) -> None:
    link = personal.preferences(settings, known.id)
    letter = notices.welcome(environment, settings, link=link)
    mailings.notify(tx, letter, to=known.address, recipient=known.id, about="welcome", now=now)
