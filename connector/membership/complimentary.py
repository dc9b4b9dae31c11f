"""Memberships that are a gift of the writer: given, ended, listed, asked about.

No money moves here, and nobody is written to.
"""

from collections.abc import Iterable

from connector.clock import utc
from connector.database import Connection, Database, Transaction
from connector.errors import NotFound, Refused
from connector.membership import store
from connector.membership.membership import TIER, Membership
from connector.readers import store as readers
from connector.readers.importing import Marked


def comp(db: Database, subscriber_id: int, *, until: int | None, now: int) -> Membership:
    """Make somebody a member until a moment, or for good with None; again changes the end.

    Raises NotFound, or Refused for an end that is past.
    """
    if until is not None and until <= now:
        raise Refused(f"{utc(until)} is past; a membership needs an end that is to come.")
    with db.write() as tx:
        _find(tx, subscriber_id)
        store.upsert(tx, subscriber_id, tier=TIER, ends_at=until, now=now)
        return _membership(tx, subscriber_id)


def end(db: Database, subscriber_id: int, *, now: int) -> Membership:
    """End a membership at once; one that has ended stays as it is. Raises NotFound, Refused."""
    with db.write() as tx:
        _find(tx, subscriber_id)
        store.set_ended(tx, subscriber_id, now=now)
        return _membership(tx, subscriber_id)


def list_live(db: Database, *, now: int) -> list[Membership]:
    """Every membership that is live at `now`, oldest first; somebody may have several."""
    with db.read() as connection:
        return store.live(connection, now=now)


def is_member(connection: Connection, subscriber_id: int, now: int) -> bool:
    """Whether somebody is a member at `now`, by a payment, a gift, or the writer's own word."""
    return any(one.is_live(now) for one in store.of(connection, subscriber_id))


def give(tx: Transaction, marked: Iterable[Marked], now: int) -> int:
    """What an import does for the members it brings: a membership for each; the number given."""
    return store.insert(
        tx,
        (
            {"subscriber_id": each.subscriber_id, "tier": TIER, "ends_at": each.until, "now": now}
            for each in marked
        ),
    )


def _find(connection: Connection, subscriber_id: int) -> None:
    if readers.by_id(connection, subscriber_id) is None:
        raise NotFound(f"There is no subscriber {subscriber_id}.")


def _membership(connection: Connection, subscriber_id: int) -> Membership:
    for one in store.of(connection, subscriber_id):
        if one.kind == "complimentary":
            return one
    raise Refused("They are not a member by your gift, so there is nothing to end.")
