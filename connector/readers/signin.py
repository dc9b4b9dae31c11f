"""Signing in: an address is asked for, a letter brings a link and a code, and either works once.

The answer to asking is the same whether or not we know the address. A code is kept as a
keyed hash, a link not at all.
"""

import hmac
import secrets
from dataclasses import dataclass

import jinja2

from connector.clock import DAY, HOUR, MINUTE
from connector.database import Connection, Database, Transaction
from connector.delivery import address, mailings
from connector.errors import ExpiredLink, InvalidLink, Refused
from connector.readers import haste, links, notices, store
from connector.readers.subscriber import Signin, Subscriber, client_tag
from connector.settings import Settings

AGE = 15 * MINUTE
GUESSES = 5
DIGITS = 6
OLD = "This sign-in has grown old. Please ask for a new letter."
USED = "This sign-in was used already. Please ask for a new letter."
WRONG = "That is not the code from our newest letter to you."
NO_MORE = "That was one guess too many. Please ask for a new letter."


@dataclass(frozen=True)
class Entry:
    """Somebody who has shown that they read at their address, and where they wanted to go."""

    subscriber: Subscriber
    goes_to: str


def ask(
    db: Database,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    email: str,
    goes_to: str,
    client: str,
    now: int,
) -> str:
    """Ask for a letter that signs in; what the browser that asked keeps, to name its asking.

    `client` is a network address; only its keyed hash is kept, and of `email` too. An unknown
    address is sent nothing. Raises InvalidAddress, and TooManyRequests for this client.
    """
    to = address.parse(email)
    tag, whom = client_tag(settings, client), settings.keys.tag("signin to", to.key)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    with db.write() as tx:
        _refuse_haste(tx, settings, tag, now=now)
        store.delete_signins(tx, before=now - DAY)
        known = store.by_key(tx, to.key)
        sent = store.signins_to(tx, whom, since=now - DAY)
        may_write = sent < settings.limits.signins_per_address
        signin_id = store.insert_signin(
            tx,
            subscriber_id=known.id if known and may_write else None,
            # An asking that sent nothing counts for its client, never against the address.
            address=whom if may_write else "",
            client=tag,
            goes_to=goes_to,
            now=now,
        )
        # Made for everybody, so that the time an answer takes says nothing either.
        link = links.sign_in(settings, signin_id, now=now)
        letter = notices.sign_in(environment, settings, link=link, code=code)
        if known and may_write:
            store.set_code(tx, signin_id, _kept(settings, signin_id, code))
            mailings.notify(
                tx, letter, to=known.address, recipient=known.id, about="signin", now=now
            )
    return links.asked(settings, signin_id, now=now)


def read(db: Database, settings: Settings, token: str, *, now: int) -> Subscriber:
    """Whom a mailed link signs in; it only reads. Raises InvalidLink or ExpiredLink."""
    with db.read() as connection:
        found = _live(connection, links.signing_in(settings, token, now=now, age=AGE), now=now)
        return _whose(connection, found)


def by_link(db: Database, settings: Settings, token: str, *, now: int) -> Entry:
    """Sign in by the mailed link, once. Raises InvalidLink or ExpiredLink."""
    with db.write() as tx:
        found = _live(tx, links.signing_in(settings, token, now=now, age=AGE), now=now)
        return _enter(tx, found, now=now)


def by_code(db: Database, settings: Settings, asked: str, code: str, *, now: int) -> Entry:
    """Sign in by the mailed code, in the browser that asked; every try counts as a guess.

    Raises InvalidLink or ExpiredLink when there is nothing to guess any more, Refused for a
    wrong code.
    """
    with db.write() as tx:
        found = _live(tx, links.asking(settings, asked, now=now, age=AGE), now=now)
        has_guess = store.count_guess(tx, found.id, most=GUESSES)
        if has_guess and hmac.compare_digest(found.code, _kept(settings, found.id, code)):
            return _enter(tx, found, now=now)
    # Only now, so that the guess stays counted.
    if not has_guess or found.guesses + 1 == GUESSES:
        raise ExpiredLink(NO_MORE, signed_at=found.at)
    raise Refused(WRONG)


def _live(connection: Connection, signin_id: int, *, now: int) -> Signin:
    found = store.signin(connection, signin_id)
    if found is None:
        raise InvalidLink(OLD)
    if found.used_at is not None:
        raise ExpiredLink(USED, signed_at=found.at)
    if now - found.at > AGE:
        raise ExpiredLink(OLD, signed_at=found.at)
    return found


def _whose(connection: Connection, found: Signin) -> Subscriber:
    known = store.by_id(connection, found.subscriber_id) if found.subscriber_id else None
    if known is None:
        raise InvalidLink(OLD)
    return known


def _enter(tx: Transaction, found: Signin, *, now: int) -> Entry:
    known = _whose(tx, found)
    store.set_signin_used(tx, found.id, now=now)
    return Entry(known, found.goes_to)


def _refuse_haste(tx: Transaction, settings: Settings, tag: str, *, now: int) -> None:
    haste.refuse(
        "That is a lot of signing in from one place. Please try again in a while.",
        store.signins_by(tx, tag, since=now - HOUR) if tag else [],
        most=settings.limits.signins_per_client,
        now=now,
    )


def _kept(settings: Settings, signin_id: int, code: str) -> str:
    """What is kept of a code: nothing that could be tried out without our key."""
    return settings.keys.tag("signin code", f"{signin_id}.{code}")
