"""A mailing to invented people, for tests of the ledger: no readers, only addresses."""

from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, mailings, store
from connector.delivery.ledger import Settled
from connector.delivery.letter import Letter
from connector.delivery.mailing import Delivery, Lease, Mailing
from connector.delivery.outcome import Outcome

LETTER = Letter(
    subject="The bench",
    sender="ines@letters.example.org",
    sender_name="Ines Marlow",
    reply_to="",
    text="Hello.\n\n[[unsubscribe]]\n",
    html="<p>Hello.</p><p><a href='[[unsubscribe]]'>Stop</a></p>",
)
HOLD = 60 * SECOND


def people(count: int) -> str:
    """A SELECT of `count` invented people, as a freeze wants it."""
    return f"""
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        SELECT i AS recipient, 'reader' || i || '@example.org' AS address,
               'reader' || i || '@example.org' AS address_key, 'Reader ' || i AS name,
               'everyone' AS audience
          FROM n WHERE {count} > 0
    """


def mail(db: Database, count: int, *, now: int, once: str = "issue:bench") -> int:
    """Announce and freeze a mailing to `count` people; its id."""
    with db.write() as tx:
        mailing = mailings.announce(
            tx, {"everyone": LETTER}, about="bench", once=once, starts_at=now, now=now
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=people(count), values={}, now=now)
    return mailing


def take(db: Database, *, now: int, worker: str = "anna") -> Lease:
    lease = ledger.take(db, "issue", worker=worker, hold=HOLD, now=now)
    assert lease is not None
    return lease


def hand_over(
    db: Database, lease: Lease, letters: list[Delivery], *, now: int, worker: str = "anna"
) -> list[Delivery]:
    with db.write(durable=True) as tx:
        return ledger.hand_over(tx, lease, letters, worker=worker, now=now)


def settle(
    db: Database, lease: Lease, letters: list[Delivery], outcome: Outcome, *, now: int
) -> None:
    with db.write(durable=True) as tx:
        ledger.settle(tx, [Settled(lease, letter, outcome) for letter in letters], now=now)


def counts(db: Database, mailing: int) -> dict[str, int]:
    with db.read() as connection:
        return dict(store.counts(connection, look(db, mailing)).items())


def look(db: Database, mailing: int) -> Mailing:
    with db.read() as connection:
        found = store.mailing(connection, mailing)
    assert found is not None
    return found
