"""How often people who are not signed in may go to the checkout: each visit is made at Stripe.

A client is kept as a keyed hash, and for a day.
"""

from connector.clock import DAY, HOUR
from connector.database import Database
from connector.membership import store
from connector.readers import haste
from connector.readers.subscriber import client_tag
from connector.settings import Settings


def count(db: Database, settings: Settings, *, client: str, now: int) -> None:
    """Count a visit before it is made; raises TooManyRequests for this client."""
    tag, most = client_tag(settings, client), settings.limits.checkouts_per_client
    with db.write() as tx:
        store.delete_visits(tx, before=now - DAY)
        made = store.visits_by(tx, tag, since=now - HOUR) if tag else []
        haste.refuse(
            "That is a lot of giving from one place. Please try again in a while.",
            made,
            most=most,
            now=now,
        )
        store.insert_visit(tx, tag, now=now)
