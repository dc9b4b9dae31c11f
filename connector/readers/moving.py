"""Another address for somebody: asked for by who is signed in, agreed to at both addresses.

Until both have agreed nothing changes, and either can say no; who already reads at the new
address hears of it there, and nowhere else.
"""

from dataclasses import dataclass
from functools import partial

import jinja2

from connector.database import Connection, Database, Transaction
from connector.delivery import address, mailings
from connector.delivery import links as personal
from connector.delivery.address import Address
from connector.errors import InvalidLink, Refused
from connector.readers import erasure, links, notices, signup, store
from connector.readers.links import Side
from connector.readers.subscriber import Change, Consent, Subscriber, client_tag
from connector.settings import Settings

GONE = "This change was taken back, or is done already. Nothing is left to decide."
SAME = "That is your address already."
TAKEN = "Somebody reads at that address already, so it cannot be yours as well."


@dataclass(frozen=True)
class Moving:
    """A change as the holder of one of its links sees it."""

    change: Change
    subscriber: Subscriber
    side: Side

    @property
    def has_agreed(self) -> bool:
        agreed_at = self.change.new_at if self.side == "new" else self.change.old_at
        return agreed_at is not None


def ask(
    db: Database,
    settings: Settings,
    environment: jinja2.Environment,
    subscriber_id: int,
    *,
    email: str,
    client: str,
    now: int,
) -> None:
    """Write to both addresses; asking again takes the place of what was asked before.

    It says nothing of who reads at the new address. Raises InvalidAddress, Refused for the
    address they have, TooManyRequests beyond the limits of signing up.
    """
    to, tag = address.parse(email), client_tag(settings, client)
    with db.write() as tx:
        may_write = signup.count_asking(tx, settings, to, tag, now=now)
        known = _find(tx, subscriber_id)
        if to.key == known.email_key:
            raise Refused(SAME)
        store.delete_change_of(tx, subscriber_id)
        change_id = store.insert_change(
            tx, subscriber_id, email=to.display, email_key=to.key, now=now
        )
        write = partial(_write, tx, settings, environment, change_id=change_id, now=now)
        write(to=known.address, side="old")
        if not may_write:
            return
        if _is_taken(tx, to, by=subscriber_id):
            letter = notices.taken(environment, settings, link=f"{personal.site(settings)}/signin")
            mailings.notify(tx, letter, to=to, recipient=None, about="taken", now=now)
        else:
            write(to=to, side="new")


def pending(db: Database, subscriber_id: int, *, now: int) -> Change | None:
    """The change that somebody waits for; its links hold for seven days."""
    with db.read() as connection:
        found = store.change_of(connection, subscriber_id)
    return found if found and now - found.at <= links.AGE else None


def read(db: Database, settings: Settings, token: str, *, now: int) -> Moving:
    """What a link from one of the two letters is about; it only reads.

    Raises InvalidLink, ExpiredLink.
    """
    with db.read() as connection:
        return _moving(connection, settings, token, now=now)


def agree(
    db: Database, settings: Settings, token: str, *, client: str, now: int
) -> Subscriber | None:
    """Say yes at one address; the reader at their new one once both have, else None.

    They are then signed out everywhere: whoever still reads at the old address does not come
    along. Raises InvalidLink, ExpiredLink, Refused.
    """
    with db.write(durable=True) as tx:
        moving = _moving(tx, settings, token, now=now)
        agree_to = store.set_new_agreed if moving.side == "new" else store.set_old_agreed
        agree_to(tx, moving.change.id, now=now)
        change = _moving(tx, settings, token, now=now).change
        if change.old_at is None or change.new_at is None:
            return None
        return _move(tx, settings, moving.subscriber, change, client=client, now=now)


def refuse(db: Database, settings: Settings, token: str, *, now: int) -> None:
    """Say no at one address: nothing changes, and the other link is void. Twice is harmless."""
    with db.write() as tx:
        change_id, _ = links.moving(settings, token, now=now)
        if change := store.change(tx, change_id):
            store.delete_change_of(tx, change.subscriber_id)


def take_back(db: Database, subscriber_id: int) -> None:
    """Keep the address after all; twice is harmless."""
    with db.write() as tx:
        store.delete_change_of(tx, subscriber_id)


def _move(
    tx: Transaction, settings: Settings, known: Subscriber, change: Change, *, client: str, now: int
) -> Subscriber:
    if _is_taken(tx, change.address, by=known.id):
        raise Refused(TAKEN)
    if unconfirmed := store.by_key(tx, change.email_key):
        store.delete(tx, unconfirmed.id)
    store.keep_former(tx, known.id, email=known.email, email_key=known.email_key, now=now)
    store.set_address(tx, known.id, email=change.email, email_key=change.email_key)
    # Who follows a link there gets mail there, and wants ours.
    mailings.lift(tx, change.email_key)
    erasure.lift(tx, settings, change.email_key)
    tag = client_tag(settings, client)
    consent = Consent("moved", how="link", page="/account/email", client=tag, at=now)
    store.insert_consent(tx, known.id, consent)
    store.delete_change_of(tx, known.id)
    store.delete_sessions_of(tx, known.id)
    store.delete_signins_of(tx, known.id)
    return _find(tx, known.id)


def _is_taken(connection: Connection, to: Address, *, by: int) -> bool:
    """Whether somebody else reads there; who never confirmed does not."""
    other = store.by_key(connection, to.key)
    if other is None or other.id == by:
        return False
    return other.state != "pending" or bool(store.memberships(connection, other.id))


def _moving(connection: Connection, settings: Settings, token: str, *, now: int) -> Moving:
    change_id, side = links.moving(settings, token, now=now)
    change = store.change(connection, change_id)
    if change is None:
        raise InvalidLink(GONE)
    return Moving(change, _find(connection, change.subscriber_id), side)


def _find(connection: Connection, subscriber_id: int) -> Subscriber:
    found = store.by_id(connection, subscriber_id)
    if found is None:
        raise InvalidLink(GONE)
    return found


def _write(
    tx: Transaction,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    to: Address,
    side: Side,
    change_id: int,
    now: int,
) -> None:
    link = links.move(settings, change_id, side=side, now=now)
    letter = notices.moving(environment, settings, link=link, side=side)
    mailings.notify(tx, letter, to=to, recipient=None, about="moving", now=now)
