"""The SQL of the Till: objects, events, answers given before, the clock and the faults to come.

An object's `body` is what the API shows of it, `own` what only the Till knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from connector.database import Connection, Transaction


@dataclass
class Row:
    """An object as it is kept; JSON is text here."""

    key: str
    kind: str
    owner: str
    due_at: int | None
    body: str
    own: str


@dataclass
class Event:
    """An event as it is kept; `state` is waiting, delivered or lost."""

    id: int
    key: str
    type: str
    at: int
    state: str
    attempts: int
    body: str = field(repr=False)


@dataclass
class Answer:
    """What an idempotency key was answered."""

    request: str
    status: int
    body: str


@dataclass
class Clock:
    """How far ahead of the real time the Till is, and what follows the last failed retry."""

    ahead: int = 0
    at_last: str = "cancel"


ROW = "SELECT key, kind, owner, due_at, body, own FROM till_objects"
EVENT = "SELECT id, key, type, at, state, attempts, body FROM till_events"


def find(connection: Connection, key: str) -> Row | None:
    return connection.one(f"{ROW} WHERE key = :key", into=Row, key=key)


def of_kind(connection: Connection, kind: str) -> list[Row]:
    """Every object of a kind, oldest first."""
    return connection.all(f"{ROW} WHERE kind = :kind ORDER BY id", into=Row, kind=kind)


def of_owner(connection: Connection, kind: str, owner: str) -> list[Row]:
    """The objects of a kind that belong to another object, oldest first."""
    return connection.all(
        f"{ROW} WHERE kind = :kind AND owner = :owner ORDER BY id",
        into=Row,
        kind=kind,
        owner=owner,
    )


def next_due(connection: Connection, *, now: int) -> Row | None:
    """The object that wanted attention longest ago, if any did by now."""
    return connection.one(
        f"{ROW} WHERE due_at <= :now ORDER BY due_at, id LIMIT 1", into=Row, now=now
    )


def keep(tx: Transaction, rows: Iterable[Row]) -> None:
    """Insert or replace objects, in the order they were made."""
    tx.many(
        """
        INSERT INTO till_objects (key, kind, owner, due_at, body, own)
        VALUES (:key, :kind, :owner, :due_at, :body, :own)
        ON CONFLICT (key) DO UPDATE
           SET owner = excluded.owner, due_at = excluded.due_at, body = excluded.body,
               own = excluded.own
        """,
        [vars(row) for row in rows],
    )


def clock(connection: Connection) -> Clock:
    return connection.one("SELECT ahead, at_last FROM till_clock", into=Clock) or Clock()


def set_clock(tx: Transaction, clock: Clock) -> None:
    tx.run(
        """
        INSERT INTO till_clock (name, ahead, at_last) VALUES ('till', :ahead, :at_last)
        ON CONFLICT (name) DO UPDATE SET ahead = excluded.ahead, at_last = excluded.at_last
        """,
        **vars(clock),
    )


def add_events(tx: Transaction, events: Iterable[tuple[str, str, int, str]]) -> None:
    """Events as (key, type, at, body), in the order they happened."""
    tx.many(
        """
        INSERT INTO till_events (key, type, at, state, body)
        VALUES (:key, :type, :at, 'waiting', :body)
        """,
        [dict(zip(("key", "type", "at", "body"), event, strict=True)) for event in events],
    )


def event(connection: Connection, key: str) -> Event | None:
    return connection.one(f"{EVENT} WHERE key = :key", into=Event, key=key)


def events(connection: Connection) -> list[Event]:
    """Every event that is kept, newest first."""
    return connection.all(f"{EVENT} ORDER BY id DESC", into=Event)


def last_event(connection: Connection) -> int:
    """The number of the newest event; 0 when there is none."""
    found: int | None = connection.value("SELECT max(id) FROM till_events")
    return found or 0


def events_after(connection: Connection, number: int) -> list[Event]:
    """Every event that came after another, oldest first."""
    return connection.all(f"{EVENT} WHERE id > :number ORDER BY id", into=Event, number=number)


def waiting(connection: Connection) -> list[Event]:
    """Events nobody has taken yet, oldest first."""
    return connection.all(f"{EVENT} WHERE state = 'waiting' ORDER BY id", into=Event)


def settle_event(tx: Transaction, key: str, state: str) -> None:
    """Record an attempt to deliver, and what became of the event."""
    tx.run(
        "UPDATE till_events SET state = :state, attempts = attempts + 1 WHERE key = :key",
        state=state,
        key=key,
    )


def lose_events(tx: Transaction, *, before: int) -> None:
    """Give up what nobody took in all that time."""
    tx.run(
        "UPDATE till_events SET state = 'lost' WHERE state = 'waiting' AND at < :before",
        before=before,
    )


def drop_events(tx: Transaction, *, before: int) -> None:
    """Forget old events that were delivered or lost."""
    tx.run("DELETE FROM till_events WHERE state <> 'waiting' AND at < :before", before=before)


def answer(connection: Connection, key: str) -> Answer | None:
    """What this key was answered."""
    return connection.one(
        "SELECT request, status, body FROM till_answers WHERE key = :key", into=Answer, key=key
    )


def keep_answer(tx: Transaction, key: str, answer: Answer, *, now: int) -> None:
    tx.run(
        """
        INSERT INTO till_answers (key, request, status, body, at)
        VALUES (:key, :request, :status, :body, :now)
        ON CONFLICT (key) DO UPDATE SET request = excluded.request, status = excluded.status,
                                        body = excluded.body, at = excluded.at
        """,
        key=key,
        now=now,
        **vars(answer),
    )


def drop_answers(tx: Transaction, *, before: int) -> None:
    """Forget old answers."""
    tx.run("DELETE FROM till_answers WHERE at < :before", before=before)


def add_fault(tx: Transaction, kind: str, times: int) -> None:
    tx.run(
        """
        INSERT INTO till_faults (kind, times) VALUES (:kind, :times)
        ON CONFLICT (kind) DO UPDATE SET times = till_faults.times + excluded.times
        """,
        kind=kind,
        times=times,
    )


def faults(connection: Connection) -> dict[str, int]:
    """The faults that are still to come, and how often each."""
    rows = connection.rows("SELECT kind, times FROM till_faults WHERE times > 0 ORDER BY kind")
    return dict(rows)


def take_fault(tx: Transaction, kind: str) -> bool:
    """Use up one fault of a kind; whether there was one."""
    return bool(
        tx.run(
            "UPDATE till_faults SET times = times - 1 WHERE kind = :kind AND times > 0", kind=kind
        )
    )


def clear_faults(tx: Transaction) -> None:
    tx.run("DELETE FROM till_faults")
