"""A reader's life with money, lived at the Till: the same client, another wire."""

from dataclasses import dataclass
from typing import Any

import pytest

from connector import clock
from connector.clock import DAY, SECOND
from connector.database import Database
from connector.membership import plan, store, stripe_api, sweep, tiers, webhooks
from connector.membership.stripe_api import Client
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.till import desk, events
from connector.till.transport import TillClient
from tests.conftest import NOW, People

URLS = {
    "success_url": "https://letters.example.org/thanks",
    "cancel_url": "https://letters.example.org/",
}


@dataclass
class Life:
    """Somebody at the Till; `now` is its time. Events wait until they are handed over."""

    db: Database
    settings: Settings
    client: Client
    somebody: Subscriber
    start: int = NOW

    @property
    def now(self) -> int:
        return desk.time(self.db, now=self.start)

    def visit(self, tier: str, *, every: str = "month", amount: str = "") -> str:
        """Go to the checkout; the session's id."""
        choice = tiers.choose(self.settings, tier, every=every, amount=amount)
        if tier == "tip":
            made = stripe_api.create_tip(
                self.client,
                self.settings,
                choice=choice,
                giver=self.somebody,
                email=self.somebody.email,
                **URLS,
            )
        else:
            made = plan.begin(
                self.db,
                self.settings,
                self.client,
                self.somebody,
                choice,
                now=self.now,
                **URLS,
            )
        return made.id

    def pay(self, session: str) -> None:
        desk.pay(self.db, self.settings, session, now=self.start)

    def join(self, tier: str = "supporter", *, every: str = "month", amount: str = "") -> str:
        session = self.visit(tier, every=every, amount=amount)
        self.pay(session)
        return session

    def card(self, card: Any) -> None:
        with self.db.read() as connection:
            customer = store.customer_of(connection, self.somebody.id, mode="till")
        desk.replace_card(self.db, self.settings, customer or "cus_none", card=card, now=self.start)

    def wait(self, days: int) -> None:
        desk.advance(self.db, self.settings, days * DAY // SECOND, now=self.start)

    def hear(self, **how: Any) -> None:
        """Let what waits come in, in whatever way, and be followed."""
        self.deliver(**how)
        self.follow()

    def deliver(self, **how: Any) -> None:
        def post(body: bytes, header: str) -> int:
            # Signatures carry the real time.
            webhooks.receive(self.db, self.settings, body, header, now=clock.now())
            return 200

        events.deliver(self.db, self.settings, post, **how)

    def follow(self) -> None:
        late = max(self.now, clock.now())
        while webhooks.work(self.db, self.settings, self.client, now=late):
            pass

    def sync(self) -> sweep.Drift:
        return sweep.sync(self.db, self.settings, self.client, now=self.now)


@pytest.fixture
def life(db: Database, configured: Settings, people: People) -> Life:
    transport = TillClient(db, configured, lambda: NOW)
    return Life(db, configured, stripe_api.client(configured, transport), people.ada)
