"""Looking at the list: who is on it, and how many.

It only reads.
"""

from connector.database import Database
from connector.delivery import address
from connector.readers import store
from connector.readers.subscriber import STATES, State, Subscriber

LONGEST = 254  # nothing on the list is longer


def find(
    db: Database, *, state: State | None = None, text: str = "", limit: int = 50
) -> list[Subscriber]:
    """Subscribers in a state whose address or name holds `text`, newest first."""
    with db.read() as connection:
        return store.find(connection, state=state, text=text.strip()[:LONGEST], limit=limit)


def by_email(db: Database, email: str) -> Subscriber | None:
    """The subscriber with this address, however it is written; raises InvalidAddress."""
    key = address.parse(email).key
    with db.read() as connection:
        return store.by_key(connection, key)


def counts(db: Database) -> dict[State, int]:
    """How many subscribers are in each state."""
    with db.read() as connection:
        return dict.fromkeys(STATES, 0) | store.counts(connection)
