"""The roll of members for whoever keeps it: who is one and by what, and all there is about one.

It only reads.
"""

from dataclasses import dataclass

from connector.database import Database
from connector.errors import NotFound
from connector.membership import store
from connector.membership.billing import Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.membership import Membership
from connector.membership.store import Entry
from connector.readers import store as readers
from connector.readers.subscriber import Subscriber
from connector.settings import Settings


@dataclass(frozen=True)
class Person:
    """All that money has to do with one subscriber; payments newest first, refunds oldest first."""

    subscriber: Subscriber
    memberships: tuple[Membership, ...]
    subscriptions: tuple[Subscription, ...]
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    gifts_taken: tuple[Gift, ...]
    customer_id: str

    @property
    def current(self) -> Subscription | None:
        """The plan that runs, or that pauses."""
        running = [one for one in self.subscriptions if one.is_live or one.status == "paused"]
        return min(running, key=lambda one: (not one.is_live, one.rank), default=None)

    def returned(self, payment: Payment) -> int:
        """What was given back of a payment, or is on its way back, in cents."""
        return sum(
            one.cents
            for one in self.refunds
            if one.intent_id == payment.intent_id and one.status not in ("failed", "canceled")
        )


def members(db: Database, settings: Settings, *, now: int) -> list[Entry]:
    """Every live membership, oldest first; somebody may have several."""
    with db.read() as connection:
        return store.roll(connection, mode=settings.stripe.mode, now=now)


def person(db: Database, settings: Settings, subscriber_id: int) -> Person:
    """What we know of somebody; Stripe is not asked. Raises NotFound."""
    mode = settings.stripe.mode
    with db.read() as connection:
        subscriber = readers.by_id(connection, subscriber_id)
        if subscriber is None:
            raise NotFound(f"There is no subscriber {subscriber_id}.")
        return Person(
            subscriber=subscriber,
            memberships=tuple(store.of(connection, subscriber_id)),
            subscriptions=tuple(store.subscriptions_of(connection, subscriber_id, mode=mode)),
            payments=tuple(store.payments_of(connection, subscriber_id, mode=mode)),
            refunds=tuple(store.refunds_to(connection, subscriber_id, mode=mode)),
            gifts_taken=tuple(store.gifts_taken_by(connection, subscriber_id, mode=mode)),
            customer_id=store.customer_of(connection, subscriber_id, mode=mode) or "",
        )
