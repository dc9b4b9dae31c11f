"""What people do with mailings: announce, freeze, notify, pause, resume, cancel, suppress.

Verbs that take `tx` belong to their caller's transaction; none of them sends anything.
"""

from collections.abc import Mapping
from typing import Any

from connector.database import Connection, Database, Transaction
from connector.delivery import store
from connector.delivery.address import Address
from connector.delivery.letter import Letter
from connector.delivery.mailing import EXPIRES, LANES, Frozen, Mailing, Suppression
from connector.errors import NotFound, Refused


def announce(
    tx: Transaction,
    letters: Mapping[str, Letter],
    *,
    about: str,
    once: str,
    starts_at: int,
    now: int,
    spread: int = 0,
) -> int | None:
    """Fix the letters of an issue, one for each audience; the mailing's id.

    Answers None when a mailing with the same `once` exists: announcing twice sends nothing
    twice. The list of people is fixed later, by `freeze`; its letters leave evenly over
    `spread` milliseconds from then.
    """
    mailing = store.insert_mailing(
        tx,
        kind="issue",
        about=about,
        once=once,
        starts_at=starts_at,
        expires_at=starts_at + spread + EXPIRES["issue"],
        spread=spread,
        created_at=now,
    )
    if mailing is None:
        return None
    for audience, letter in letters.items():
        store.insert_letter(tx, letter, mailing=mailing, audience=audience)
    return mailing


def freeze(
    tx: Transaction, mailing: int, *, audience: str, values: Mapping[str, Any], now: int
) -> Frozen:
    """Fix the list of people: one queued delivery for each row of the `audience` SELECT.

    `audience` gives recipient, address, address_key, name and audience; suppressed
    addresses are left out and counted. Flat memory, whatever the size.
    """
    before = store.newest_delivery(tx)
    queued = store.insert_deliveries(tx, mailing=mailing, audience=audience, values=values, now=now)
    first, last = store.stretch(tx, mailing=mailing, after=before) if queued else (None, None)
    if not store.set_frozen(tx, mailing, size=queued, first=first, last=last, now=now):
        raise Refused("This mailing was frozen before, or was cancelled.")
    if first is not None and last is not None:
        found = store.mailing(tx, mailing)
        store.insert_leases(
            tx,
            mailing=mailing,
            lane=LANES["issue"],
            first=first,
            last=last,
            due_at=now,
            spread=found.spread if found else 0,
        )
    store.set_finished(tx, mailing, now=now)
    suppressed = store.count_suppressed(tx, audience=audience, values=values)
    return Frozen(queued=queued, suppressed=suppressed)


def notify(
    tx: Transaction,
    letter: Letter,
    *,
    to: Address,
    recipient: int | None,
    about: str,
    now: int,
    name: str = "",
) -> int:
    """Queue one notice in its own lane, ahead of every issue; the mailing's id."""
    mailing = store.insert_mailing(
        tx,
        kind="notice",
        about=about,
        once=None,
        starts_at=now,
        expires_at=now + EXPIRES["notice"],
        spread=0,
        created_at=now,
    )
    if mailing is None:
        raise RuntimeError("a mailing without `once` never meets another")
    delivery = store.insert_notice(
        tx,
        mailing=mailing,
        letter=store.insert_letter(tx, letter, mailing=mailing, audience="everyone"),
        recipient=recipient,
        address=to.display,
        address_key=to.key,
        name=name,
        now=now,
    )
    store.set_frozen(tx, mailing, size=1, first=delivery, last=delivery, now=now)
    store.insert_leases(
        tx, mailing=mailing, lane=LANES["notice"], first=delivery, last=delivery, due_at=now
    )
    return mailing


def pause(db: Database, mailing: int, *, why: str, now: int) -> None:
    """Stop handing letters of this mailing to the relay; what is under way is finished.

    Raises NotFound, or Refused when there is nothing to stop.
    """
    with db.write(durable=True) as tx:
        found = _find(tx, mailing)
        if not store.set_paused(tx, mailing, why=why, now=now):
            raise Refused(f"Mailing {mailing} cannot be paused: it is {state_of(found)}.")


def resume(db: Database, mailing: int, *, now: int) -> None:
    """Go on with a paused mailing; the time it was paused does not count towards giving up.

    One that is spread over a time goes on at its pace.
    """
    with db.write(durable=True) as tx:
        found = _find(tx, mailing)
        if not store.set_resumed(tx, mailing, now=now):
            raise Refused(f"Mailing {mailing} cannot be resumed: it is {state_of(found)}.")
        if found.paused_at is not None:
            store.shift_turns(tx, mailing, after=found.paused_at, by=now - found.paused_at)


def cancel(db: Database, mailing: int, *, now: int) -> int:
    """Withdraw every letter that has not left; how many that were. Nothing can bring them back."""
    with db.write(durable=True) as tx:
        found = _find(tx, mailing)
        if not store.set_cancelled(tx, mailing, now=now):
            raise Refused(f"Mailing {mailing} cannot be cancelled: it is {state_of(found)}.")
        withdrawn = store.withdraw_all(tx, found, why="cancelled", now=now)
        store.close_leases(tx, mailing)
        return withdrawn


def state_of(mailing: Mailing) -> str:
    """One word for where a mailing stands."""
    if mailing.cancelled_at is not None:
        return "cancelled"
    if mailing.finished_at is not None:
        return "finished"
    if mailing.paused_at is not None:
        return "paused"
    return "sending" if mailing.frozen_at is not None else "scheduled"


def withdraw(tx: Transaction, address_key: str, *, why: str, now: int) -> int:
    """Take back every queued letter of an issue to this address; how many that were."""
    return store.withdraw(tx, address_key, why=why, now=now)


def suppress(tx: Transaction, address_key: str, *, why: str, detail: str, now: int) -> None:
    """Stop writing to an address, including what is queued. Notices it asks for still go."""
    store.upsert_suppression(tx, address_key, why=why, detail=detail, now=now)
    store.withdraw(tx, address_key, why=f"suppressed: {why}", now=now)


def lift(tx: Transaction, address_key: str) -> bool:
    """Write to a suppressed address again; whether it was suppressed."""
    return store.delete_suppression(tx, address_key) > 0


def suppression(connection: Connection, address_key: str) -> Suppression | None:
    return store.suppression(connection, address_key)


def forget(tx: Transaction, address_key: str, *, now: int) -> None:
    """Blank an address everywhere in the ledger and the Tray; the counts of each mailing stay true."""
    store.blank_decisions(tx, address_key)
    store.blank(tx, address_key, now=now)
    store.blank_tray(tx, address_key)
    store.delete_suppression(tx, address_key)


def _find(tx: Transaction, mailing: int) -> Mailing:
    found = store.mailing(tx, mailing)
    if found is None:
        raise NotFound(f"There is no mailing {mailing}. See them with: connector status")
    return found
