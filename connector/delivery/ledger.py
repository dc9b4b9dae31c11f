"""What senders do with deliveries: take a stretch, hand letters over, settle, give back.

A letter is handed to a relay only after its row says `sending` on disk, and goes back to
`queued` only when the relay certainly does not have it.
"""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from connector.clock import DAY, HOUR, SECOND
from connector.database import Database, Transaction
from connector.delivery import mailings, store
from connector.delivery.address import key_of
from connector.delivery.mailing import EXPIRES, LANES, RETRIES, Delivery, Kind, Lease, State
from connector.delivery.outcome import Outcome
from connector.settings import Settings

ALIVE = 15 * SECOND
PROBE = 60 * SECOND
POWER = "The machine stopped while this stretch of letters was on its way; the relay may have it."
LOST = "The sender stopped before the relay answered; the relay may have this letter."


class Settled(NamedTuple):
    """A delivery and what became of it."""

    lease: Lease
    delivery: Delivery
    outcome: Outcome


def take(db: Database, kind: Kind, *, worker: str, hold: int, now: int) -> Lease | None:
    """Hold a stretch of letters for `hold` milliseconds, or None when none is due.

    What an earlier holder left in `sending` becomes `uncertain`; letters too old to be
    news are given up.
    """
    with db.read() as connection:
        if not store.is_due(connection, lane=LANES[kind], now=now):
            return None
    with db.write(durable=True, side_by_side=True) as tx:
        lease = store.next_lease(tx, db.skip_locked("leases"), lane=LANES[kind], now=now)
        if lease is not None:
            _bury(tx, lease, boot=db.boot, now=now)
            if lease.expires_at <= now:
                store.give_up_queued(tx, lease, why=too_old(kind), now=now)
            store.hold_lease(tx, lease.id, worker=worker, until=now + hold, boot=db.boot)
        return lease


def _bury(tx: Transaction, lease: Lease, *, boot: str, now: int) -> None:
    """What a dead holder may have handed over becomes uncertain: little, unless power was lost."""
    if lease.boot and lease.boot != boot:
        # Its marks may have been lost with the power, so any of these may be at the relay.
        store.give_up(tx, lease, states=("sending", "queued"), why=POWER, now=now)
    else:
        store.give_up(tx, lease, states=("sending",), why=LOST, now=now)


def due(db: Database, lease: Lease, *, now: int) -> list[Delivery]:
    """The letters of a held stretch that may go now."""
    with db.read() as connection:
        return store.due(connection, lease, now=now)


def hand_over(
    tx: Transaction,
    lease: Lease,
    wanted: Sequence[Delivery],
    *,
    worker: str,
    in_doubt: Collection[int] = (),
    now: int,
) -> list[Delivery]:
    """Mark letters as `sending`; those that may still be sent, once the caller has committed.

    A letter withdrawn meanwhile, a paused or cancelled mailing, a lost lease: left out.
    Letters `in_doubt` were wanted before, in a commit of which we do not know whether it was
    kept: marks that it made count too.
    """
    if not wanted or not store.holds(tx, lease.id, worker=worker, now=now):
        return []
    ids = [delivery.id for delivery in wanted]
    marked = store.mark_sending(tx, lease, ids)
    if in_doubt:
        marked |= {
            one.id
            for one in wanted
            if one.id in in_doubt and store.is_sending(tx, one.id, attempts=one.attempts + 1)
        }
    return [delivery for delivery in wanted if delivery.id in marked]


def settle(tx: Transaction, settled: Sequence[Settled], *, now: int) -> None:
    """Record what the relay said of each letter, word for word."""
    store.settle_sent(
        tx,
        [
            {"id": one.id, "attempts": one.attempts + 1, "reply": outcome.reply, "now": now}
            for _, one, outcome in settled
            if outcome.kind == "sent"
        ],
    )
    others = [one for one in settled if one.outcome.kind != "sent"]
    if not others:
        return
    free = (one.delivery for one in others if one.outcome.is_free)
    store.unmark(tx, ({"id": one.id, "attempts": one.attempts + 1} for one in free))
    store.settle(tx, (_row(one, now=now) for one in others if not one.outcome.is_free))
    for one in others:
        if one.outcome.suppresses:
            mailings.suppress(
                tx, key_of(one.delivery.address), why="bounced", detail=one.outcome.reply, now=now
            )


def release(db: Database, lease: Lease, *, worker: str, now: int) -> None:
    """Give a stretch back, and finish the mailing when it was the last."""
    with db.write() as tx:
        if store.release_lease(tx, lease, worker=worker) is None:
            store.set_finished(tx, lease.mailing_id, now=now)


def put_off(
    db: Database, lease: Lease, *, worker: str, again_at: int, taken_at: int, now: int
) -> None:
    """Give a stretch back whose letters due at `taken_at` have their turn at `again_at`.

    They are not given up for having waited: the mailing has until half its life after that.
    """
    with db.write() as tx:
        due_at = store.put_off_lease(tx, lease, worker=worker, again_at=again_at, taken_at=taken_at)
        if due_at is None:
            store.set_finished(tx, lease.mailing_id, now=now)
        else:
            store.prolong(tx, lease.mailing_id, until=again_at + EXPIRES[lease.kind] // 2)


def renew(db: Database, *, worker: str, held: Collection[int], hold: int, now: int) -> None:
    """Say that this sender is alive, and keeps the leases it `held`, for `hold` milliseconds more.

    A line that broke at the commit of a `take` leaves a lease that its holder does not know
    of: nothing of it was handed over, and others may have it.
    """
    with db.write(side_by_side=True) as tx:
        for lease in store.leases_of(tx, worker, now=now):
            if lease in held:
                store.renew_lease(tx, lease, worker=worker, until=now + hold)
            else:
                store.let_go(tx, lease, worker=worker)


def retry_at(attempts: int, *, now: int) -> int:
    """When to try again after `attempts` tries: 1, 5, 15, 30, 60 minutes, then hourly.

    Up to a tenth later, so that letters deferred together do not all come back together.
    """
    wait: int = RETRIES[attempts - 1] if attempts <= len(RETRIES) else HOUR
    return now + wait + random.randrange(wait // 10)  # noqa: S311 - spread, not secrecy


def too_old(kind: Kind) -> str:
    return f"Given up after {EXPIRES[kind] // HOUR} hours."


def sign_in(db: Database, worker: str, *, now: int) -> None:
    """Say that this sender lives; to be said again at least every `ALIVE` / 3."""
    with db.write(side_by_side=True) as tx:
        store.upsert_sender(tx, worker, now=now)


def sign_out(db: Database, worker: str, *, now: int) -> None:
    with db.write() as tx:
        store.delete_senders(tx, name=worker, before=now - DAY)


def is_attended(db: Database, *, now: int) -> bool:
    """Whether a sender is alive, so that letters queued now will leave."""
    with db.read() as connection:
        return store.count_senders(connection, since=now - ALIVE) > 0


def is_open(db: Database, *, now: int) -> bool:
    """Whether there is anything to send or under way at this moment, retries not counted."""
    with db.read() as connection:
        return store.is_open(connection, now=now)


def relay_name(settings: Settings) -> str:
    """What the ledger calls the relay of these settings."""
    return f"{settings.mail.host}:{settings.mail.port}" if settings.has_relay else "tray"


def relay_names(settings: Settings) -> tuple[str, ...]:
    """What the ledger calls every relay of these settings."""
    return tuple(relay.name for relay in settings.relays) or (relay_name(settings),)


def broken_relays(db: Database) -> dict[str, int]:
    """Relays that failed and have not worked since, and when one may try each again."""
    with db.read() as connection:
        return {relay.name: relay.retry_at for relay in store.relays(connection)}


def probe(db: Database, name: str, *, now: int) -> bool:
    """Whether a relay may be used: it is whole, or its time has come and we are the one to try.

    One sender among all tries a broken relay; it has a minute to say how that went, with
    `relay_works` or `relay_broke`.
    """
    with db.read() as connection:
        found = store.relay(connection, name)
    if found is None:
        return True
    if found.retry_at > now:
        return False
    with db.write() as tx:
        return store.claim_probe(tx, name, until=now + PROBE, now=now) == 1


def relay_broke(db: Database, name: str, *, why: str, is_probe: bool = False, now: int) -> int:
    """Tell every sender that a relay failed; when one of them may try it again.

    After 1 s, doubling with each failure, a minute at most. Many connections that fail
    together are one failure; `is_probe` says that ours was the try agreed on.
    """
    with db.write() as tx:
        found = store.relay(tx, name)
        if found is not None and found.retry_at > now and not is_probe:
            return found.retry_at
        failures = found.failures if found is not None else 0
        retry = now + min(1 << min(failures, 6), 60) * SECOND
        store.upsert_relay(tx, name, why=why, retry_at=retry, now=now)
    return retry


def relay_works(db: Database, name: str) -> None:
    with db.read() as connection:
        if store.relay(connection, name) is None:
            return
    with db.write() as tx:
        store.delete_relay(tx, name)


def _row(settled: Settled, *, now: int) -> dict[str, object]:
    outcome, delivery = settled.outcome, settled.delivery
    state: State
    due_at, reply = now, outcome.reply
    if outcome.kind in ("refused", "uncertain"):
        state = outcome.kind
    else:
        state, due_at, reply = _again(settled, now=now)
    return {
        "id": delivery.id,
        "attempts": delivery.attempts + 1,
        "state": state,
        "due_at": due_at,
        "reply": reply,
        "settled_at": None if state == "queued" else now,
    }


def _again(settled: Settled, *, now: int) -> tuple[State, int, str]:
    """A letter to be tried again later, unless later is too late."""
    again = retry_at(settled.delivery.attempts + 1, now=now)
    if again < settled.lease.expires_at:
        return "queued", again, settled.outcome.reply
    last = f"{too_old(settled.lease.kind)} The last answer: {settled.outcome.reply}"
    return "refused", now, last
