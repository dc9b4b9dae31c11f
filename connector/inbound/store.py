"""The SQL of what comes back: reports as they were recorded, points for soft bounces, alarms.

It only reads the ledger: which delivery a report is about, how many letters were taken.
"""

from typing import Any

from connector.database import Connection, Transaction
from connector.delivery.mailing import Mailing
from connector.inbound.bounce import Bounced, Inbound, Kind, Level, Score


def is_received(connection: Connection, digest: str) -> bool:
    """Whether this message or event was recorded before."""
    return (
        connection.value("SELECT 1 FROM inbound WHERE digest = :digest", digest=digest) is not None
    )


def bounced(connection: Connection, delivery: int) -> Bounced | None:
    """The delivery a report is about."""
    return connection.one(
        "SELECT id, mailing_id, address_key, recipient FROM deliveries WHERE id = :id",
        into=Bounced,
        id=delivery,
    )


def newest_to(connection: Connection, address_key: str) -> Bounced | None:
    """The newest delivery that was handed to a relay for an address."""
    return connection.one(
        """
        SELECT id, mailing_id, address_key, recipient FROM deliveries
         WHERE address_key = :key AND attempts > 0 ORDER BY id DESC LIMIT 1
        """,
        into=Bounced,
        key=address_key,
    )


def effects_of(connection: Connection, delivery: int) -> set[str]:
    """What earlier reports about a delivery led to."""
    rows = connection.rows("SELECT effect FROM inbound WHERE delivery_id = :id", id=delivery)
    return {row[0] for row in rows}


def insert(tx: Transaction, **values: Any) -> int:
    """Record a report; 0 when another process recorded it a moment ago."""
    return tx.run(
        """
        INSERT INTO inbound (received_at, source, digest, kind, delivery_id, address_key, status,
                             detail, effect, raw)
        VALUES (:now, :source, :digest, :kind, :delivery, :address_key, :status,
                :detail, :effect, :raw)
        ON CONFLICT (digest) DO NOTHING
        """,
        **values,
    )


def trim_texts(tx: Transaction, *, keep: int) -> int:
    """Forget the text of all but the newest `keep` messages; their rows stay."""
    return tx.run(
        """
        UPDATE inbound SET raw = NULL
         WHERE raw IS NOT NULL
           AND id <= (SELECT id FROM inbound WHERE raw IS NOT NULL
                       ORDER BY id DESC LIMIT 1 OFFSET :keep)
        """,
        keep=keep,
    )


INBOUND = """
    SELECT id, received_at, source, kind, delivery_id, address_key, status, detail, effect
      FROM inbound
"""


def kept(connection: Connection, *, limit: int) -> list[Inbound]:
    """Messages a person should read, newest first."""
    return connection.all(
        f"{INBOUND} WHERE raw IS NOT NULL ORDER BY id DESC LIMIT :limit", into=Inbound, limit=limit
    )


def about(connection: Connection, address_key: str) -> list[Inbound]:
    """Everything that came back about an address, oldest first."""
    return connection.all(
        f"{INBOUND} WHERE address_key = :key AND address_key <> '' ORDER BY id",
        into=Inbound,
        key=address_key,
    )


def raw(connection: Connection, inbound_id: int) -> bytes | None:
    """The message that was kept, compressed."""
    found: bytes | None = connection.value("SELECT raw FROM inbound WHERE id = :id", id=inbound_id)
    return found


def blank(tx: Transaction, address_key: str) -> int:
    """Take an address, and what was written about it, out of the reports."""
    return tx.run(
        """
        UPDATE inbound SET address_key = '', detail = '', raw = NULL
         WHERE address_key = :key AND address_key <> ''
        """,
        key=address_key,
    )


def score(connection: Connection, address_key: str) -> Score | None:
    return connection.one(
        "SELECT score AS points, scored_on AS day FROM soft_bounces WHERE address_key = :key",
        into=Score,
        key=address_key,
    )


def upsert_score(tx: Transaction, address_key: str, score: Score) -> None:
    tx.run(
        """
        INSERT INTO soft_bounces (address_key, score, scored_on) VALUES (:key, :points, :day)
        ON CONFLICT (address_key) DO UPDATE
           SET score = excluded.score, scored_on = excluded.scored_on
        """,
        key=address_key,
        points=score.points,
        day=score.day,
    )


def delete_score(tx: Transaction, address_key: str) -> int:
    return tx.run("DELETE FROM soft_bounces WHERE address_key = :key", key=address_key)


# How many


def reported(connection: Connection, mailing: Mailing) -> dict[Kind, int]:
    """How many letters of a mailing reports of each kind are about."""
    rows = connection.rows(
        """
        SELECT inbound.kind, count(DISTINCT inbound.delivery_id)
          FROM inbound JOIN deliveries ON deliveries.id = inbound.delivery_id
         WHERE inbound.delivery_id BETWEEN :first AND :last AND deliveries.mailing_id = :id
         GROUP BY inbound.kind
        """,
        first=mailing.first_delivery or 0,
        last=mailing.last_delivery or -1,
        id=mailing.id,
    )
    return dict(rows)


def count_sent(connection: Connection, mailing: Mailing, *, most: int) -> int:
    """Letters of a mailing that were taken, counted up to `most`."""
    found: int = connection.value(
        """
        SELECT count(*) FROM (SELECT 1 FROM deliveries
                               WHERE id BETWEEN :first AND :last AND mailing_id = :id
                                 AND state = 'sent' LIMIT :most) AS sent
        """,
        first=mailing.first_delivery or 0,
        last=mailing.last_delivery or -1,
        id=mailing.id,
        most=most,
    )
    return found


def alarm(connection: Connection, mailing_id: int, level: Level) -> int | None:
    """How many complaints there were when this alarm was last given."""
    found: int | None = connection.value(
        "SELECT complaints FROM alarms WHERE mailing_id = :id AND level = :level",
        id=mailing_id,
        level=level,
    )
    return found


def upsert_alarm(
    tx: Transaction, mailing_id: int, level: Level, *, complaints: int, now: int
) -> int:
    """Note an alarm; 0 when another process noted it with as many a moment ago."""
    return tx.run(
        """
        INSERT INTO alarms (mailing_id, level, complaints, at)
        VALUES (:id, :level, :complaints, :now)
        ON CONFLICT (mailing_id, level) DO UPDATE
           SET complaints = excluded.complaints, at = excluded.at
         WHERE alarms.complaints < excluded.complaints
        """,
        id=mailing_id,
        level=level,
        complaints=complaints,
        now=now,
    )


def count_unseen(connection: Connection) -> int:
    """Kept messages that nobody has looked at."""
    found: int = connection.value(
        "SELECT count(*) FROM inbound WHERE raw IS NOT NULL AND seen_at IS NULL"
    )
    return found


def set_seen(tx: Transaction, *, upto: int, now: int) -> int:
    """Somebody looked at the list of kept messages, the newest being `upto`."""
    return tx.run(
        """
        UPDATE inbound SET seen_at = :now
         WHERE raw IS NOT NULL AND seen_at IS NULL AND id <= :upto
        """,
        upto=upto,
        now=now,
    )


def delete_idle(tx: Transaction, *, before: int, limit: int) -> int:
    """Forget up to `limit` reports from before a moment that led to nothing; how many that were."""
    return tx.run(
        """
        DELETE FROM inbound
         WHERE id IN (SELECT id FROM inbound
                       WHERE received_at < :before
                         AND effect IN ('ignored', 'repeated', 'unproven', 'unknown', 'kept')
                       ORDER BY received_at, id LIMIT :limit)
        """,
        before=before,
        limit=limit,
    )
