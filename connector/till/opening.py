"""Who the program asks about money: Stripe with its key, the Till without one; opened on first use.

Opening imports the stripe package, which takes a third of a second; a site that nobody pays on
never opens it. It keeps one client for the life of the process.
"""

import threading

from connector import clock
from connector.database import Database
from connector.membership import stripe_api
from connector.membership.stripe_api import Client
from connector.settings import Settings
from connector.till import desk


def client(settings: Settings, db: Database) -> Client:
    """A client of our account at Stripe, or of the Till in this database when there is no key.

    The Till comes with a portal, so that nothing has to be set up to try things.
    """
    if not settings.stripe.is_till:
        return stripe_api.client(settings)
    from connector.till.transport import TillClient

    desk.furnish(db, settings, now=clock.now())
    return stripe_api.client(settings, TillClient(db, settings, clock.now))


def now(settings: Settings, db: Database) -> int:
    """The time that payments go by, in milliseconds: the Till's own, or simply the time."""
    return desk.time(db, now=clock.now()) if settings.stripe.is_till else clock.now()


class Payments:
    """Call it for the client; the first call opens it. Any thread may, and all get the same."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._lock = threading.Lock()
        self._client: Client | None = None

    def __call__(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = client(self._settings, self._db)
            return self._client

    def now(self) -> int:
        """The time that payments go by, in milliseconds."""
        return now(self._settings, self._db)
