"""The SQL of the post office: mailings, letters, deliveries, leases, suppressions, the Tray.

Every statement that moves a delivery names the state it moves from, so that no move
happens twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.clock import HOUR
from connector.database import Connection, Transaction
from connector.delivery.bucket import Bucket
from connector.delivery.decision import Decision, Doubt
from connector.delivery.kept import Stored, TrayEntry
from connector.delivery.letter import Letter
from connector.delivery.mailing import (
    LEASE_SIZE,
    LONGEST_HOLD,
    STEP,
    Delivery,
    Lease,
    Mailing,
    Record,
    Relay,
    State,
    Suppression,
)

NEWEST = 2**63 - 1  # newer than any id
SOON = HOUR  # a turn that comes so soon is waited for

# Mailings and letters


def insert_mailing(tx: Transaction, **values: Any) -> int | None:
    """A new mailing's id, or None when one with the same `once` exists."""
    found: int | None = tx.value(
        """
        INSERT INTO mailings (kind, about, once, starts_at, expires_at, spread, created_at)
        VALUES (:kind, :about, :once, :starts_at, :expires_at, :spread, :created_at)
        ON CONFLICT (once) DO NOTHING
        RETURNING id
        """,
        **values,
    )
    return found


def insert_letter(tx: Transaction, letter: Letter, *, mailing: int, audience: str) -> int:
    found: int = tx.value(
        """
        INSERT INTO letters
               (mailing_id, audience, subject, sender, sender_name, reply_to, text, html)
        VALUES (:mailing, :audience, :subject, :sender, :sender_name, :reply_to, :text, :html)
        RETURNING id
        """,
        mailing=mailing,
        audience=audience,
        subject=letter.subject,
        sender=letter.sender,
        sender_name=letter.sender_name,
        reply_to=letter.reply_to,
        text=letter.text,
        html=letter.html,
    )
    return found


def letter(connection: Connection, letter_id: int) -> Letter | None:
    return connection.one(
        """
        SELECT subject, sender, sender_name, reply_to, text, html FROM letters WHERE id = :id
        """,
        into=Letter,
        id=letter_id,
    )


MAILING = """
    SELECT id, kind, about, once, starts_at, expires_at, size, first_delivery, last_delivery,
           created_at, frozen_at, paused_at, why, cancelled_at, finished_at, spread
      FROM mailings
"""


def mailing(connection: Connection, mailing_id: int) -> Mailing | None:
    return connection.one(f"{MAILING} WHERE id = :id", into=Mailing, id=mailing_id)


def mailing_once(connection: Connection, once: str) -> Mailing | None:
    return connection.one(f"{MAILING} WHERE once = :once", into=Mailing, once=once)


def issue_mailings(connection: Connection, *, limit: int) -> list[Mailing]:
    """Mailings of issues, newest first."""
    return connection.all(
        f"{MAILING} WHERE kind = 'issue' ORDER BY id DESC LIMIT :limit", into=Mailing, limit=limit
    )


def unfrozen(connection: Connection, *, now: int) -> list[Mailing]:
    """Mailings whose time has come and whose list of people is not fixed yet."""
    return connection.all(
        f"""{MAILING}
         WHERE frozen_at IS NULL AND starts_at <= :now
           AND cancelled_at IS NULL AND paused_at IS NULL
         ORDER BY starts_at, id
        """,
        into=Mailing,
        now=now,
    )


def counts(connection: Connection, found: Mailing) -> dict[State, int]:
    """How many deliveries of a mailing are in each state; states nobody is in are left out."""
    rows = connection.rows(
        """
        SELECT state, count(*) FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :id
         GROUP BY state
        """,
        first=found.first_delivery or 0,
        last=found.last_delivery or -1,
        id=found.id,
    )
    return dict(rows)


def waiting_notices(connection: Connection) -> int:
    """Notices that have not left yet."""
    found: int = connection.value(
        "SELECT count(*) FROM leases WHERE lane = 0 AND due_at IS NOT NULL"
    )
    return found


def replies(connection: Connection, found: Mailing, *, limit: int) -> list[tuple[Any, ...]]:
    """The commonest (state, reply, count) among letters that did not arrive at once."""
    return connection.rows(
        """
        SELECT state, reply, count(*) AS many FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :id
           AND state <> 'sent' AND reply <> ''
         GROUP BY state, reply ORDER BY many DESC, reply LIMIT :limit
        """,
        first=found.first_delivery or 0,
        last=found.last_delivery or -1,
        id=found.id,
        limit=limit,
    )


def set_paused(tx: Transaction, mailing_id: int, *, why: str, now: int) -> int:
    return tx.run(
        """
        UPDATE mailings SET paused_at = :now, why = :why
         WHERE id = :id AND paused_at IS NULL AND cancelled_at IS NULL AND finished_at IS NULL
        """,
        id=mailing_id,
        why=why,
        now=now,
    )


def set_resumed(tx: Transaction, mailing_id: int, *, now: int) -> int:
    # The time spent paused does not count towards giving up.
    return tx.run(
        """
        UPDATE mailings SET expires_at = expires_at + (:now - paused_at), paused_at = NULL, why = ''
         WHERE id = :id AND paused_at IS NOT NULL AND cancelled_at IS NULL
        """,
        id=mailing_id,
        now=now,
    )


def set_cancelled(tx: Transaction, mailing_id: int, *, now: int) -> int:
    # One cancelled before it reached anybody does not stand in the way of another try.
    return tx.run(
        """
        UPDATE mailings SET cancelled_at = :now, why = 'cancelled',
               once = CASE WHEN frozen_at IS NULL THEN NULL ELSE once END
         WHERE id = :id AND cancelled_at IS NULL AND finished_at IS NULL
        """,
        id=mailing_id,
        now=now,
    )


def withdraw_all(tx: Transaction, found: Mailing, *, why: str, now: int) -> int:
    return tx.run(
        """
        UPDATE deliveries SET state = 'withdrawn', settled_at = :now, reply = :why
         WHERE id BETWEEN :first AND :last AND mailing_id = :id AND state = 'queued'
        """,
        first=found.first_delivery or 0,
        last=found.last_delivery or -1,
        id=found.id,
        why=why,
        now=now,
    )


# The freeze


def newest_delivery(connection: Connection) -> int:
    found: int = connection.value("SELECT COALESCE(max(id), 0) FROM deliveries")
    return found


def insert_deliveries(
    tx: Transaction, *, mailing: int, audience: str, values: Mapping[str, Any], now: int
) -> int:
    """Queue one delivery for each row of the `audience` SELECT that is not suppressed."""
    return tx.run(
        f"""
        INSERT INTO deliveries
               (mailing_id, letter_id, recipient, address, address_key, name, state, due_at)
        SELECT :mailing, letters.id, people.recipient, people.address, people.address_key,
               people.name, 'queued', :now
          FROM ({audience}) AS people
          JOIN letters ON letters.mailing_id = :mailing AND letters.audience = people.audience
         WHERE NOT EXISTS (SELECT 1 FROM suppressions
                            WHERE suppressions.address_key = people.address_key)
        """,
        **{**values, "mailing": mailing, "now": now},
    )


def count_audience(
    connection: Connection, *, audience: str, values: Mapping[str, Any]
) -> dict[str, int]:
    """How many people a freeze would queue now, by audience."""
    return dict(
        connection.rows(
            f"""
            SELECT people.audience, count(*) FROM ({audience}) AS people
             WHERE NOT EXISTS (SELECT 1 FROM suppressions
                                WHERE suppressions.address_key = people.address_key)
             GROUP BY people.audience
            """,
            **values,
        )
    )


def count_suppressed(connection: Connection, *, audience: str, values: Mapping[str, Any]) -> int:
    """How many people of an audience we no longer write to."""
    found: int = connection.value(
        f"""
        SELECT count(*) FROM ({audience}) AS people
         WHERE EXISTS (SELECT 1 FROM suppressions
                        WHERE suppressions.address_key = people.address_key)
        """,
        **values,
    )
    return found


def stretch(connection: Connection, *, mailing: int, after: int) -> tuple[int, int]:
    """The first and last delivery of a mailing whose deliveries are all newer than `after`."""
    ends = [
        connection.value(
            f"""
            SELECT id FROM deliveries WHERE id > :after AND mailing_id = :mailing
             ORDER BY id {direction} LIMIT 1
            """,
            after=after,
            mailing=mailing,
        )
        for direction in ("ASC", "DESC")
    ]
    return ends[0], ends[1]


def insert_leases(
    tx: Transaction,
    *,
    mailing: int,
    lane: int,
    first: int,
    last: int,
    due_at: int,
    spread: int = 0,
) -> None:
    """Cut deliveries into stretches, due at even steps over `spread` milliseconds from `due_at`."""
    count = last - first + 1
    size = min(LEASE_SIZE, max(1, -(-count * STEP // spread))) if spread else LEASE_SIZE
    starts = range(first, last + 1, size)
    tx.many(
        """
        INSERT INTO leases (mailing_id, lane, first_delivery, last_delivery, due_at, turn_at)
        VALUES (:mailing, :lane, :first, :last, :due_at, :due_at)
        """,
        (
            {
                "mailing": mailing,
                "lane": lane,
                "first": start,
                "last": min(start + size - 1, last),
                "due_at": due_at + spread * number // len(starts),
            }
            for number, start in enumerate(starts)
        ),
    )


def set_frozen(
    tx: Transaction, mailing_id: int, *, size: int, first: int | None, last: int | None, now: int
) -> int:
    return tx.run(
        """
        UPDATE mailings
           SET frozen_at = :now, size = :size, first_delivery = :first, last_delivery = :last
         WHERE id = :id AND frozen_at IS NULL AND cancelled_at IS NULL
        """,
        id=mailing_id,
        size=size,
        first=first,
        last=last,
        now=now,
    )


def insert_notice(tx: Transaction, **values: Any) -> int:
    found: int = tx.value(
        """
        INSERT INTO deliveries
               (mailing_id, letter_id, recipient, address, address_key, name, state, due_at)
        VALUES (:mailing, :letter, :recipient, :address, :address_key, :name, 'queued', :now)
        RETURNING id
        """,
        **values,
    )
    return found


# The sender's side


# Nobody holds a stretch for longer than the settings allow: whoever seems to died before the
# clock was set back.
LAPSED = f"(leases.held_until <= :now OR leases.held_until > :now + {LONGEST_HOLD})"


def next_lease(tx: Transaction, skip_locked: str, *, lane: int, now: int) -> Lease | None:
    """The most urgent stretch that nobody holds; nobody else finds it in this transaction."""
    return tx.one(
        f"""
        SELECT leases.id, leases.mailing_id, mailings.kind,
               leases.first_delivery AS first, leases.last_delivery AS last,
               mailings.starts_at, mailings.expires_at, leases.boot
          FROM leases JOIN mailings ON mailings.id = leases.mailing_id
         WHERE leases.lane = :lane AND leases.due_at <= :now AND {LAPSED}
           AND mailings.paused_at IS NULL AND mailings.cancelled_at IS NULL
         ORDER BY leases.due_at, leases.id LIMIT 1 {skip_locked}
        """,
        into=Lease,
        lane=lane,
        now=now,
    )


def hold_lease(tx: Transaction, lease: int, *, worker: str, until: int, boot: str) -> int:
    return tx.run(
        """
        UPDATE leases SET held_by = :worker, held_until = :until, boot = :boot WHERE id = :id
        """,
        id=lease,
        worker=worker,
        until=until,
        boot=boot,
    )


def is_due(connection: Connection, *, lane: int, now: int) -> bool:
    """Whether a stretch in this lane waits for a sender; cheap enough to ask often."""
    return (
        connection.value(
            f"""
            SELECT 1 FROM leases JOIN mailings ON mailings.id = leases.mailing_id
             WHERE leases.lane = :lane AND leases.due_at <= :now AND {LAPSED}
               AND mailings.paused_at IS NULL AND mailings.cancelled_at IS NULL
             ORDER BY leases.due_at LIMIT 1
            """,
            lane=lane,
            now=now,
        )
        is not None
    )


def due(connection: Connection, lease: Lease, *, now: int) -> list[Delivery]:
    """The letters of a held stretch that may be sent now, in order."""
    return connection.all(
        """
        SELECT id, letter_id, recipient, address, name, attempts FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :mailing
           AND state = 'queued' AND due_at <= :now
         ORDER BY id
        """,
        into=Delivery,
        first=lease.first,
        last=lease.last,
        mailing=lease.mailing_id,
        now=now,
    )


def holds(connection: Connection, lease: int, *, worker: str, now: int) -> bool:
    """Whether a stretch is still this worker's, and its mailing not stopped."""
    return (
        connection.value(
            """
            SELECT 1 FROM leases JOIN mailings ON mailings.id = leases.mailing_id
             WHERE leases.id = :lease AND leases.held_by = :worker AND leases.held_until > :now
               AND mailings.paused_at IS NULL AND mailings.cancelled_at IS NULL
            """,
            lease=lease,
            worker=worker,
            now=now,
        )
        is not None
    )


def mark_sending(tx: Transaction, lease: Lease, ids: Sequence[int]) -> set[int]:
    """Move letters, in the order of their ids, from `queued` to `sending`; which were moved."""
    first, last = ids[0], ids[-1]
    runs = [(first, last)] if last - first + 1 == len(ids) else [(one, one) for one in ids]
    return {
        row[0]
        for first, last in runs
        for row in tx.rows(
            """
            UPDATE deliveries SET state = 'sending', attempts = attempts + 1
             WHERE id BETWEEN :first AND :last AND mailing_id = :mailing AND state = 'queued'
            RETURNING id
            """,
            first=first,
            last=last,
            mailing=lease.mailing_id,
        )
    }


def is_sending(connection: Connection, delivery: int, *, attempts: int) -> bool:
    """Whether a letter is marked `sending`, for this attempt."""
    return (
        connection.value(
            "SELECT 1 FROM deliveries WHERE id = :id AND state = 'sending' AND attempts = :attempts",
            id=delivery,
            attempts=attempts,
        )
        is not None
    )


def settle_sent(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
    """Record that a relay has taken letters: id, attempts, reply, now. As `settle` does."""
    return tx.many(
        """
        UPDATE deliveries SET state = 'sent', reply = :reply, settled_at = :now
         WHERE id = :id AND attempts = :attempts AND (state = 'sending' OR state = 'uncertain')
        """,
        rows,
    )


def settle(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Record what became of letters: id, attempts, state, due_at, reply, settled_at.

    Only of the attempt it is about: after a second chance somebody else may be at the next.

    From `uncertain` too: a sender that was only slow may still bring the relay's answer. But
    never back into the queue from there, since nobody holds that stretch any more.
    """
    return tx.many(
        """
        UPDATE deliveries
           SET state = :state, due_at = :due_at, reply = :reply, settled_at = :settled_at
         WHERE id = :id
           AND (state = 'sending' OR (state = 'uncertain' AND :state <> 'queued'))
           AND attempts = :attempts
        """,
        rows,
    )


def unmark(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Return letters that never reached the relay, without counting the attempt.

    By id and attempts.
    """
    return tx.many(
        """
        UPDATE deliveries SET state = 'queued', attempts = attempts - 1
         WHERE id = :id AND state = 'sending' AND attempts = :attempts
        """,
        rows,
    )


def give_up(tx: Transaction, lease: Lease, *, states: Sequence[State], why: str, now: int) -> int:
    """Letters of a stretch that the relay may have, going by their state, become `uncertain`."""
    return sum(
        tx.run(
            """
            UPDATE deliveries SET state = 'uncertain', settled_at = :now, reply = :why
             WHERE id BETWEEN :first AND :last AND mailing_id = :mailing AND state = :state
            """,
            first=lease.first,
            last=lease.last,
            mailing=lease.mailing_id,
            state=state,
            why=why,
            now=now,
        )
        for state in states
    )


def give_up_queued(tx: Transaction, lease: Lease, *, why: str, now: int) -> int:
    """What is still queued when a mailing expires is refused; the last reply stays readable."""
    return tx.run(
        """
        UPDATE deliveries SET state = 'refused', settled_at = :now,
               reply = CASE WHEN reply = '' THEN :why ELSE :why || ' The last answer: ' || reply END
         WHERE id BETWEEN :first AND :last AND mailing_id = :mailing AND state = 'queued'
        """,
        first=lease.first,
        last=lease.last,
        mailing=lease.mailing_id,
        why=why,
        now=now,
    )


def release_lease(tx: Transaction, lease: Lease, *, worker: str) -> int | None:
    """Give a stretch back; when its next letter is due, or None when nothing is left to send.

    A letter still `sending` counts as due, so that whoever comes next finds it uncertain.
    """
    due_at: int | None = tx.value(
        """
        SELECT min(due_at) FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :mailing
           AND state IN ('queued', 'sending')
        """,
        first=lease.first,
        last=lease.last,
        mailing=lease.mailing_id,
    )
    tx.run(
        """
        UPDATE leases SET due_at = :due_at, held_by = '', held_until = 0, boot = ''
         WHERE id = :id AND held_by = :worker
        """,
        id=lease.id,
        worker=worker,
        due_at=due_at,
    )
    return due_at


def leases_of(connection: Connection, worker: str, *, now: int) -> list[int]:
    """Every stretch that is still a worker's."""
    rows = connection.rows(
        """
        SELECT id FROM leases
         WHERE held_by = :worker AND held_by <> '' AND held_until > :now
         ORDER BY id
        """,
        worker=worker,
        now=now,
    )
    return [row[0] for row in rows]


def renew_lease(tx: Transaction, lease: int, *, worker: str, until: int) -> int:
    """Hold on to a stretch that is still ours."""
    return tx.run(
        "UPDATE leases SET held_until = :until WHERE id = :id AND held_by = :worker",
        id=lease,
        worker=worker,
        until=until,
    )


def let_go(tx: Transaction, lease: int, *, worker: str) -> int:
    """Give a stretch back as it was taken: nothing of it was handed over."""
    return tx.run(
        """
        UPDATE leases SET held_by = '', held_until = 0, boot = ''
         WHERE id = :id AND held_by = :worker
        """,
        id=lease,
        worker=worker,
    )


def close_leases(tx: Transaction, mailing_id: int) -> int:
    """Nothing of a mailing is due any more."""
    return tx.run("UPDATE leases SET due_at = NULL WHERE mailing_id = :id", id=mailing_id)


def set_finished(tx: Transaction, mailing_id: int, *, now: int) -> int:
    """Finish a mailing when no stretch of it has anything left to send."""
    return tx.run(
        """
        UPDATE mailings SET finished_at = :now
         WHERE id = :id AND finished_at IS NULL AND frozen_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM leases
                            WHERE mailing_id = :id AND due_at IS NOT NULL)
        """,
        id=mailing_id,
        now=now,
    )


# Addresses


def withdraw(tx: Transaction, address_key: str, *, why: str, now: int) -> int:
    """Withdraw the queued letters of issues to one address."""
    return tx.run(
        """
        UPDATE deliveries SET state = 'withdrawn', settled_at = :now, reply = :why
         WHERE address_key = :key AND state = 'queued'
           AND EXISTS (SELECT 1 FROM mailings
                        WHERE mailings.id = deliveries.mailing_id AND mailings.kind = 'issue')
        """,
        key=address_key,
        why=why,
        now=now,
    )


def blank(tx: Transaction, address_key: str, *, now: int) -> int:
    """Take the address and the name out of every row of the ledger; what is queued stays here."""
    return tx.run(
        """
        UPDATE deliveries
           SET address = '', address_key = '', name = '', recipient = NULL,
               state = CASE WHEN state = 'queued' THEN 'withdrawn' ELSE state END,
               reply = CASE WHEN state = 'queued' THEN 'erased' ELSE '' END,
               settled_at = COALESCE(settled_at, :now)
         WHERE address_key = :key
        """,
        key=address_key,
        now=now,
    )


def deliveries_to(connection: Connection, address_key: str) -> list[tuple[Any, ...]]:
    """Every letter ever queued for an address: (about, subject, state, attempts, settled_at, reply)."""
    return connection.rows(
        """
        SELECT mailings.about, letters.subject, deliveries.state, deliveries.attempts,
               deliveries.settled_at, deliveries.reply
          FROM deliveries
          JOIN mailings ON mailings.id = deliveries.mailing_id
          JOIN letters ON letters.id = deliveries.letter_id
         WHERE deliveries.address_key = :key ORDER BY deliveries.id
        """,
        key=address_key,
    )


def records_to(connection: Connection, address_key: str) -> list[Record]:
    """Every letter ever queued for an address, oldest first."""
    return connection.all(
        """
        SELECT deliveries.id, deliveries.mailing_id, mailings.kind, mailings.about, mailings.once,
               letters.subject, letters.sender, deliveries.state, deliveries.attempts,
               COALESCE(mailings.frozen_at, mailings.created_at) AS queued_at,
               deliveries.due_at, deliveries.settled_at, deliveries.reply
          FROM deliveries
          JOIN mailings ON mailings.id = deliveries.mailing_id
          JOIN letters ON letters.id = deliveries.letter_id
         WHERE deliveries.address_key = :key ORDER BY deliveries.id
        """,
        into=Record,
        key=address_key,
    )


def delivery_state(connection: Connection, mailing_id: int) -> tuple[str, str] | None:
    """State and reply of a mailing of one letter."""
    found = connection.rows(
        """
        SELECT state, reply FROM deliveries
         WHERE id = (SELECT first_delivery FROM mailings WHERE id = :id)
        """,
        id=mailing_id,
    )
    return (found[0][0], found[0][1]) if found else None


def upsert_suppression(
    tx: Transaction, address_key: str, *, why: str, detail: str, now: int
) -> None:
    tx.run(
        """
        INSERT INTO suppressions (address_key, why, detail, at) VALUES (:key, :why, :detail, :now)
        ON CONFLICT (address_key) DO NOTHING
        """,
        key=address_key,
        why=why,
        detail=detail,
        now=now,
    )


def delete_suppression(tx: Transaction, address_key: str) -> int:
    return tx.run("DELETE FROM suppressions WHERE address_key = :key", key=address_key)


def suppression(connection: Connection, address_key: str) -> Suppression | None:
    return connection.one(
        "SELECT why, detail, at FROM suppressions WHERE address_key = :key",
        into=Suppression,
        key=address_key,
    )


# Second chances

# What the author left alone is no open question, until it was sent again.
IS_LEFT = """
    COALESCE((SELECT decisions.what FROM decisions
               WHERE decisions.delivery_id = deliveries.id
               ORDER BY decisions.id DESC LIMIT 1), '') = 'leave'
"""
# Letters in one state of trouble: all that are open, or the one to an address.
IN_TROUBLE = f"""
    deliveries.mailing_id = :mailing AND deliveries.state = :was
    AND (deliveries.state = 'refused' OR deliveries.state = 'uncertain')
    AND deliveries.address_key <> ''
    AND (deliveries.address_key = :key OR (:key = '' AND NOT {IS_LEFT}))
"""


def reopen_mailing(tx: Transaction, mailing_id: int, *, expires_at: int) -> int:
    """A mailing goes on, and has until `expires_at` at least; not one that was cancelled.

    One that is paused stays so, as long as others of it wait; one whose last letters were
    refused while it was being paused is finished, and starts afresh.
    """
    return tx.run(
        """
        UPDATE mailings
           SET finished_at = NULL,
               paused_at = CASE WHEN finished_at IS NULL THEN paused_at ELSE NULL END,
               why = CASE WHEN finished_at IS NULL THEN why ELSE '' END,
               expires_at = CASE WHEN expires_at < :expires_at THEN :expires_at ELSE expires_at END
         WHERE id = :id AND frozen_at IS NOT NULL AND cancelled_at IS NULL
        """,
        id=mailing_id,
        expires_at=expires_at,
    )


def count_in_trouble(connection: Connection, mailing_id: int, *, was: State, key: str = "") -> int:
    """Letters `refused` or `uncertain` about which nothing was decided yet."""
    found: int = connection.value(
        f"SELECT count(*) FROM deliveries WHERE {IN_TROUBLE}", mailing=mailing_id, was=was, key=key
    )
    return found


def count_again(
    connection: Connection,
    mailing_id: int,
    *,
    was: State,
    audience: str,
    values: Mapping[str, Any],
    key: str = "",
) -> int:
    """How many letters in trouble `requeue` would queue now."""
    found: int = connection.value(
        f"SELECT count(*) FROM deliveries WHERE {_welcome(audience)}",
        **{**values, "mailing": mailing_id, "was": was, "key": key},
    )
    return found


def requeue(
    tx: Transaction,
    mailing_id: int,
    *,
    was: State,
    audience: str,
    values: Mapping[str, Any],
    key: str,
    now: int,
) -> int:
    """Letters in trouble to people in the `audience` SELECT are queued once more; how many."""
    before = _newest_decision(tx)
    _decide(
        tx,
        _welcome(audience),
        **{**values, "what": "resend", "mailing": mailing_id, "was": was, "key": key, "now": now},
    )
    return tx.run(
        f"""
        UPDATE deliveries SET state = 'queued', due_at = :now, settled_at = NULL
         WHERE state = :was AND {DECIDED}
        """,
        mailing=mailing_id,
        was=was,
        what="resend",
        before=before,
        now=now,
    )


def leave(tx: Transaction, mailing_id: int, *, key: str, now: int) -> int:
    """Open doubts are decided to be left; the state stays."""
    values = {"mailing": mailing_id, "was": "uncertain", "key": key, "now": now}
    return _decide(tx, f"{IN_TROUBLE} AND NOT {IS_LEFT}", what="leave", **values)


def take_as_sent(tx: Transaction, mailing_id: int, *, key: str, now: int) -> int:
    """Doubts are decided to have arrived; the reply stays as it was."""
    before = _newest_decision(tx)
    _decide(tx, IN_TROUBLE, what="sent", mailing=mailing_id, was="uncertain", key=key, now=now)
    return tx.run(
        f"UPDATE deliveries SET state = 'sent' WHERE state = 'uncertain' AND {DECIDED}",
        mailing=mailing_id,
        what="sent",
        before=before,
    )


DECIDED = """
    deliveries.id IN (SELECT decisions.delivery_id FROM decisions
                       WHERE decisions.id > :before AND decisions.what = :what
                         AND decisions.mailing_id = :mailing)
"""


def _welcome(audience: str) -> str:
    """Letters in trouble to people who may be written to."""
    return f"""{IN_TROUBLE}
        AND deliveries.address_key IN (SELECT people.address_key FROM ({audience}) AS people)
        AND NOT EXISTS (SELECT 1 FROM suppressions
                         WHERE suppressions.address_key = deliveries.address_key)
    """


def _decide(tx: Transaction, condition: str, **values: Any) -> int:
    return tx.run(
        f"""
        INSERT INTO decisions (mailing_id, delivery_id, what, was, reply, at)
        SELECT deliveries.mailing_id, deliveries.id, :what, deliveries.state, deliveries.reply, :now
          FROM deliveries WHERE {condition}
        """,
        **values,
    )


def _newest_decision(connection: Connection) -> int:
    found: int = connection.value("SELECT COALESCE(max(id), 0) FROM decisions")
    return found


def open_leases(tx: Transaction, mailing_id: int, *, now: int) -> int:
    """Stretches that hold a letter which may go now are due; one that is held stays held."""
    return tx.run(
        """
        UPDATE leases SET due_at = :now
         WHERE mailing_id = :id AND (due_at IS NULL OR due_at > :now)
           AND EXISTS (SELECT 1 FROM deliveries
                        WHERE deliveries.id BETWEEN leases.first_delivery AND leases.last_delivery
                          AND deliveries.mailing_id = leases.mailing_id
                          AND deliveries.state = 'queued' AND deliveries.due_at <= :now)
        """,
        id=mailing_id,
        now=now,
    )


def doubts(connection: Connection, mailing_id: int) -> list[Doubt]:
    """Uncertain letters of a mailing, in order; not those to people who were erased."""
    found = connection.rows(
        f"""
        SELECT deliveries.id, deliveries.mailing_id, letters.sender, deliveries.address,
               deliveries.attempts, COALESCE(deliveries.settled_at, 0), deliveries.reply,
               CASE WHEN {IS_LEFT} THEN 1 ELSE 0 END
          FROM deliveries JOIN letters ON letters.id = deliveries.letter_id
         WHERE deliveries.mailing_id = :mailing AND deliveries.state = 'uncertain'
           AND deliveries.address_key <> ''
         ORDER BY deliveries.id
        """,
        mailing=mailing_id,
    )
    return [Doubt(*row) for row in found]


def state_to(connection: Connection, mailing_id: int, key: str) -> State | None:
    """The state of a mailing's letter to one address."""
    found: State | None = connection.value(
        "SELECT state FROM deliveries WHERE address_key = :key AND mailing_id = :mailing",
        key=key,
        mailing=mailing_id,
    )
    return found


def is_any(connection: Connection, mailing_id: int, *, state: State) -> bool:
    """Whether a letter of a mailing is in this state of trouble: `refused` or `uncertain`."""
    found = connection.value(
        """
        SELECT 1 FROM deliveries
         WHERE mailing_id = :id AND state = :state
           AND (state = 'refused' OR state = 'uncertain')
         LIMIT 1
        """,
        id=mailing_id,
        state=state,
    )
    return found is not None


def decisions_to(connection: Connection, address_key: str) -> list[Decision]:
    """Everything that was decided about letters to an address, oldest first."""
    return connection.all(
        """
        SELECT decisions.delivery_id, decisions.mailing_id, decisions.what, decisions.was,
               decisions.reply, decisions.at
          FROM decisions
         WHERE decisions.delivery_id IN (SELECT id FROM deliveries WHERE address_key = :key)
         ORDER BY decisions.id
        """,
        into=Decision,
        key=address_key,
    )


def blank_decisions(tx: Transaction, address_key: str) -> int:
    """Take the replies out of what was decided about an address; to be done before `blank`."""
    return tx.run(
        """
        UPDATE decisions SET reply = ''
         WHERE delivery_id IN (SELECT id FROM deliveries WHERE address_key = :key)
        """,
        key=address_key,
    )


# Who got an issue, and who did not

# A letter that was withdrawn never left.
HAS_LETTER = """
    SELECT 1 FROM deliveries JOIN mailings ON mailings.id = deliveries.mailing_id
     WHERE deliveries.address_key = people.address_key
       AND mailings.kind = 'issue' AND mailings.about = :about
"""


def without_letter(audience: str) -> str:
    """An audience SELECT: those of `audience` for whom no letter about `:about` was ever queued."""
    return f"""
        SELECT people.* FROM ({audience}) AS people
         WHERE NOT EXISTS ({HAS_LETTER} AND deliveries.state <> 'withdrawn')
    """


def with_letter(audience: str) -> str:
    """An audience SELECT: those of `audience` who have, or may have, a letter about `:about`."""
    return f"""
        SELECT people.* FROM ({audience}) AS people
         WHERE EXISTS ({HAS_LETTER} AND deliveries.state IN ('sent', 'uncertain'))
    """


def mailings_about(connection: Connection, about: str) -> list[Mailing]:
    """Mailings of one issue, oldest first; not those called off before they began."""
    return connection.all(
        f"{MAILING} WHERE kind = 'issue' AND about = :about AND once IS NOT NULL ORDER BY id",
        into=Mailing,
        about=about,
    )


def copy_letters(tx: Transaction, *, source: int, mailing: int) -> int:
    """Give a mailing the letters of another."""
    return tx.run(
        """
        INSERT INTO letters
               (mailing_id, audience, subject, sender, sender_name, reply_to, text, html)
        SELECT :mailing, audience, subject, sender, sender_name, reply_to, text, html
          FROM letters WHERE mailing_id = :source ORDER BY id
        """,
        source=source,
        mailing=mailing,
    )


def letters(connection: Connection, mailing_id: int) -> dict[str, Letter]:
    """The letters of a mailing, by audience."""
    found = connection.rows(
        """
        SELECT audience, subject, sender, sender_name, reply_to, text, html
          FROM letters WHERE mailing_id = :id ORDER BY id
        """,
        id=mailing_id,
    )
    return {row[0]: Letter(*row[1:]) for row in found}


# Senders and relays


def upsert_sender(tx: Transaction, name: str, *, now: int) -> None:
    tx.run(
        """
        INSERT INTO senders (name, started_at, seen_at) VALUES (:name, :now, :now)
        ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at
        """,
        name=name,
        now=now,
    )


def delete_senders(tx: Transaction, *, name: str, before: int) -> int:
    """Strike out one sender, and every other that was not seen since `before`."""
    return tx.run(
        "DELETE FROM senders WHERE name = :name OR seen_at < :before", name=name, before=before
    )


def count_senders(connection: Connection, *, since: int) -> int:
    """Senders seen since a moment."""
    found: int = connection.value(
        "SELECT count(*) FROM senders WHERE seen_at >= :since", since=since
    )
    return found


def is_open(connection: Connection, *, now: int) -> bool:
    """Whether a letter is due, or a list of people waits to be frozen, or a stretch is held.

    A stretch whose turn comes within the hour counts; letters to be tried again do not.
    """
    return (
        connection.value(
            """
            SELECT 1 FROM leases JOIN mailings ON mailings.id = leases.mailing_id
             WHERE (leases.due_at <= :now OR leases.held_until > :now
                    OR leases.turn_at BETWEEN :now AND :soon)
               AND leases.due_at IS NOT NULL
               AND mailings.paused_at IS NULL AND mailings.cancelled_at IS NULL
            UNION ALL
            SELECT 1 FROM mailings
             WHERE frozen_at IS NULL AND starts_at <= :now
               AND cancelled_at IS NULL AND paused_at IS NULL
             LIMIT 1
            """,
            now=now,
            soon=now + SOON,
        )
        is not None
    )


def is_moving(connection: Connection, mailing_id: int, *, now: int) -> bool:
    """Whether letters of a mailing can go now or within the hour, or are on their way."""
    return (
        connection.value(
            """
            SELECT 1 FROM leases
             WHERE mailing_id = :id AND due_at IS NOT NULL
               AND (due_at <= :now OR held_until > :now OR turn_at BETWEEN :now AND :soon)
             LIMIT 1
            """,
            id=mailing_id,
            now=now,
            soon=now + SOON,
        )
        is not None
    )


def relays(connection: Connection) -> list[Relay]:
    """Every relay that failed and has not worked since."""
    return connection.all(
        "SELECT name, failures, why, failed_at, retry_at FROM relays ORDER BY name", into=Relay
    )


def claim_probe(tx: Transaction, name: str, *, until: int, now: int) -> int:
    """Be the one who tries a broken relay again; 0 when it is not time, or another does."""
    return tx.run(
        "UPDATE relays SET retry_at = :until WHERE name = :name AND retry_at <= :now",
        name=name,
        until=until,
        now=now,
    )


def relay(connection: Connection, name: str) -> Relay | None:
    """A relay that failed and has not worked since."""
    return connection.one(
        "SELECT name, failures, why, failed_at, retry_at FROM relays WHERE name = :name",
        into=Relay,
        name=name,
    )


def upsert_relay(tx: Transaction, name: str, *, why: str, retry_at: int, now: int) -> None:
    tx.run(
        """
        INSERT INTO relays (name, failures, why, failed_at, retry_at)
        VALUES (:name, 1, :why, :now, :retry_at)
        ON CONFLICT (name) DO UPDATE
           SET failures = relays.failures + 1, why = excluded.why, failed_at = excluded.failed_at,
               retry_at = excluded.retry_at
        """,
        name=name,
        why=why,
        retry_at=retry_at,
        now=now,
    )


def delete_relay(tx: Transaction, name: str) -> int:
    return tx.run("DELETE FROM relays WHERE name = :name", name=name)


# The Tray


def keep_in_tray(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Keep letters: received_at, sender, recipient, recipient_key, subject, raw (compressed)."""
    return tx.many(
        """
        INSERT INTO tray (received_at, sender, recipient, recipient_key, subject, raw)
        VALUES (:received_at, :sender, :recipient, :recipient_key, :subject, :raw)
        """,
        rows,
    )


def trim_tray(tx: Transaction, *, keep: int) -> int:
    """Forget all but the newest `keep` letters; how many that were."""
    return tx.run("DELETE FROM tray WHERE id <= (SELECT max(id) FROM tray) - :keep", keep=keep)


def tray_entries(
    connection: Connection, *, limit: int, before: int | None = None
) -> list[TrayEntry]:
    """What is in the Tray, newest first, older than the letter `before`."""
    return connection.all(
        """
        SELECT id, received_at, sender, recipient, subject FROM tray
         WHERE id < :before ORDER BY id DESC LIMIT :limit
        """,
        into=TrayEntry,
        before=NEWEST if before is None else min(before, NEWEST),
        limit=limit,
    )


def tray_letter(connection: Connection, tray_id: int) -> Stored | None:
    return connection.one(
        "SELECT id, received_at, sender, recipient, subject, raw FROM tray WHERE id = :id",
        into=Stored,
        id=tray_id,
    )


def blank_tray(tx: Transaction, address_key: str) -> int:
    """Forget every letter the Tray keeps for an address; how many that were."""
    return tx.run("DELETE FROM tray WHERE recipient_key = :address_key", address_key=address_key)


# Pace


def lock_bucket(tx: Transaction, name: str) -> Bucket:
    """A bucket as it is; nobody else changes it before this transaction ends."""
    found = tx.one(
        """
        INSERT INTO buckets (name) VALUES (:name)
        ON CONFLICT (name) DO UPDATE SET name = excluded.name
        RETURNING name, next_at, learned, learned_at, taken
        """,
        into=Bucket,
        name=name,
    )
    if found is None:
        raise RuntimeError("an upsert always answers with its row")
    return found


def keep_bucket(tx: Transaction, bucket: Bucket) -> int:
    return tx.run(
        """
        UPDATE buckets
           SET next_at = :next_at, learned = :learned, learned_at = :learned_at, taken = :taken
         WHERE name = :name
        """,
        name=bucket.name,
        next_at=bucket.next_at,
        learned=bucket.learned,
        learned_at=bucket.learned_at,
        taken=bucket.taken,
    )


def bucket(connection: Connection, name: str) -> Bucket:
    """A bucket as it is now, to look at; one that was never used is empty."""
    found = connection.one(
        "SELECT name, next_at, learned, learned_at, taken FROM buckets WHERE name = :name",
        into=Bucket,
        name=name,
    )
    return found or Bucket(name)


def slowed_buckets(connection: Connection) -> list[Bucket]:
    """Buckets that have learned a rate; some may have forgotten it since."""
    return connection.all(
        """
        SELECT name, next_at, learned, learned_at, taken FROM buckets
         WHERE learned > 0 ORDER BY name
        """,
        into=Bucket,
    )


def forget_buckets(tx: Transaction, *, learned_before: int) -> int:
    """What was learned before a moment is not known any more."""
    return tx.run(
        "UPDATE buckets SET learned = 0 WHERE learned > 0 AND learned_at < :before",
        before=learned_before,
    )


def put_off_lease(
    tx: Transaction, lease: Lease, *, worker: str, again_at: int, taken_at: int
) -> int | None:
    """Give a stretch back whose remaining letters wait for their turn; when it is due next.

    Letters that were due when the stretch was taken wait until `again_at`; one that is to be
    tried again comes at its own time, and one still `sending` counts as due.
    """
    due_at: int | None = tx.value(
        """
        SELECT min(CASE WHEN state = 'queued' AND due_at <= :taken_at THEN :again_at
                        ELSE due_at END)
          FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :mailing
           AND state IN ('queued', 'sending')
        """,
        first=lease.first,
        last=lease.last,
        mailing=lease.mailing_id,
        again_at=again_at,
        taken_at=taken_at,
    )
    tx.run(
        """
        UPDATE leases SET due_at = :due_at, turn_at = :again_at,
               held_by = '', held_until = 0, boot = ''
         WHERE id = :id AND held_by = :worker
        """,
        id=lease.id,
        worker=worker,
        due_at=due_at,
        again_at=again_at,
    )
    return due_at


def prolong(tx: Transaction, mailing_id: int, *, until: int) -> int:
    """A mailing is given up no earlier than `until`."""
    return tx.run(
        "UPDATE mailings SET expires_at = :until WHERE id = :id AND expires_at < :until",
        id=mailing_id,
        until=until,
    )


def shift_turns(tx: Transaction, mailing_id: int, *, after: int, by: int) -> int:
    """Turns that come after a moment come later."""
    return tx.run(
        """
        UPDATE leases SET due_at = due_at + :by, turn_at = turn_at + :by
         WHERE mailing_id = :id AND due_at IS NOT NULL AND turn_at > :after AND due_at = turn_at
        """,
        id=mailing_id,
        after=after,
        by=by,
    )


def count_open_leases(connection: Connection, mailing_id: int) -> int:
    """Stretches of a mailing with anything left to send."""
    found: int = connection.value(
        "SELECT count(*) FROM leases WHERE mailing_id = :id AND due_at IS NOT NULL", id=mailing_id
    )
    return found


def next_turn(connection: Connection, mailing_id: int, *, now: int) -> int | None:
    """When the next stretch of a mailing has its turn, if none has it now."""
    found: int | None = connection.value(
        """
        SELECT min(turn_at) FROM leases
         WHERE mailing_id = :id AND due_at IS NOT NULL AND turn_at > :now
           AND NOT EXISTS (SELECT 1 FROM leases
                            WHERE mailing_id = :id
                              AND (due_at <= :now OR (held_until > :now AND due_at IS NOT NULL)))
        """,
        id=mailing_id,
        now=now,
    )
    return found


def count_waiting(connection: Connection, found: Mailing, *, patterns: Sequence[str]) -> int:
    """Letters of a mailing, not yet sent, to addresses like one of these."""
    names = {f"like_{number}": pattern for number, pattern in enumerate(patterns)}
    alike = " OR ".join(f"address_key LIKE :{name}" for name in names)
    counted: int = connection.value(
        f"""
        SELECT count(*) FROM deliveries
         WHERE id BETWEEN :first AND :last AND mailing_id = :id AND state = 'queued' AND ({alike})
        """,
        first=found.first_delivery or 0,
        last=found.last_delivery or -1,
        id=found.id,
        **names,
    )
    return counted
