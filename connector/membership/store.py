"""The SQL of memberships, and the audience of an issue.

It says who is a member at a moment; it never decides who should be.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connector.database import Connection, Transaction
from connector.membership.membership import Membership

# Everybody a letter may go to at :now, and in which words. Whether an address is suppressed
# is the post office's own question, asked at the freeze.
AUDIENCE = """
    SELECT subscribers.id AS recipient, subscribers.email AS address,
           subscribers.email_key AS address_key, subscribers.name AS name,
           CASE WHEN memberships.subscriber_id IS NULL THEN 'everyone' ELSE 'member' END AS audience
      FROM subscribers
      LEFT JOIN memberships ON memberships.subscriber_id = subscribers.id
                           AND memberships.started_at <= :now
                           AND (memberships.ends_at IS NULL OR memberships.ends_at > :now)
     WHERE subscribers.state = 'active'
       AND (subscribers.paused_until IS NULL OR subscribers.paused_until <= :now)
     ORDER BY subscribers.id
"""

# Those of the audience who joined, or came back, since :since.
NEWCOMERS = f"""
    SELECT people.* FROM ({AUDIENCE}) AS people
     WHERE EXISTS (SELECT 1 FROM consents
                    WHERE consents.subscriber_id = people.recipient AND consents.at >= :since
                      AND consents.what IN ('confirmed', 'imported', 'added', 'resubscribed'))
"""

MEMBERSHIP = "SELECT subscriber_id, tier, kind, started_at, ends_at FROM memberships"


def of(connection: Connection, subscriber_id: int) -> Membership | None:
    return connection.one(
        f"{MEMBERSHIP} WHERE subscriber_id = :id", into=Membership, id=subscriber_id
    )


def live(connection: Connection, *, now: int) -> list[Membership]:
    """Memberships that are live at `now`, oldest first."""
    return connection.all(
        f"""{MEMBERSHIP}
         WHERE started_at <= :now AND (ends_at IS NULL OR ends_at > :now)
         ORDER BY started_at, subscriber_id
        """,
        into=Membership,
        now=now,
    )


def insert(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Complimentary memberships for whoever has none; the number given."""
    return tx.many(
        """
        INSERT INTO memberships (subscriber_id, tier, kind, started_at, ends_at)
        VALUES (:subscriber_id, :tier, 'complimentary', :now, :ends_at)
        ON CONFLICT (subscriber_id) DO NOTHING
        """,
        rows,
    )


def upsert(
    tx: Transaction, subscriber_id: int, *, tier: str, ends_at: int | None, now: int
) -> None:
    """A live membership keeps its beginning, one that had ended begins again."""
    tx.run(
        """
        INSERT INTO memberships (subscriber_id, tier, kind, started_at, ends_at)
        VALUES (:id, :tier, 'complimentary', :now, :ends_at)
        ON CONFLICT (subscriber_id) DO UPDATE
           SET started_at = CASE WHEN memberships.ends_at <= :now THEN :now
                                 ELSE memberships.started_at END,
               tier = excluded.tier, ends_at = excluded.ends_at
        """,
        id=subscriber_id,
        tier=tier,
        ends_at=ends_at,
        now=now,
    )


def set_ended(tx: Transaction, subscriber_id: int, *, now: int) -> int:
    return tx.run(
        """
        UPDATE memberships SET ends_at = :now
         WHERE subscriber_id = :id AND (ends_at IS NULL OR ends_at > :now)
        """,
        id=subscriber_id,
        now=now,
    )
