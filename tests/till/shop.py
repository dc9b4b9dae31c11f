"""A shop to buy from in tests: the real SDK on one side, the Till's own verbs on the other."""

import json
from dataclasses import dataclass, field
from typing import Any

import stripe

from connector.database import Database
from connector.settings import Settings
from connector.till import desk, events
from connector.till.customers import Card
from connector.till.transport import TillClient

DAY = 86_400


@dataclass
class Shop:
    """`now` stands still; only the Till's clock is turned."""

    db: Database
    settings: Settings
    now: int
    client: stripe.StripeClient = field(init=False)
    prices: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        http = TillClient(self.db, self.settings, lambda: self.now)
        self.client = stripe.StripeClient("sk_test_till", http_client=http, max_network_retries=2)

    @property
    def v1(self) -> Any:
        """The services, without types: tests send what the types would not allow, too."""
        return self.client.v1

    def open(self) -> "Shop":
        """Put a monthly, a yearly and a founding offer on the shelf."""
        product = self.v1.products.create({"name": "Supporter"}).id
        for key, amount, interval in (("month", 500, "month"), ("year", 5000, "year")):
            recurring = {"interval": interval}
            self.prices[key] = self.v1.prices.create(
                {
                    "product": product,
                    "unit_amount": amount,
                    "currency": "usd",
                    "recurring": recurring,
                    "lookup_key": f"supporter-{key}",
                }
            ).id
        self.prices["product"] = product
        return self

    def session(self, price: str = "month", **more: Any) -> Any:
        asked = {
            "mode": "subscription",
            "line_items": [{"price": self.prices[price], "quantity": 1}],
            "success_url": "https://letters.example.org/thanks?s={CHECKOUT_SESSION_ID}",
            "client_reference_id": "7",
            "subscription_data": {"metadata": {"person": "7"}},
        }
        return self.v1.checkout.sessions.create({**asked, **more})

    def join(self, price: str = "month", *, card: Card = "ok", **more: Any) -> Any:
        """A new subscription, paid."""
        session = self.session(price, **more)
        assert desk.pay(self.db, self.settings, session.id, card=card, now=self.now).what == "paid"
        done = self.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
        return done.subscription

    def subscription(self, key: str) -> Any:
        return self.v1.subscriptions.retrieve(key)

    def invoices(self, key: str) -> list[Any]:
        """The invoices of a subscription, newest first."""
        return list(self.v1.invoices.list({"subscription": key, "limit": 100}).data)

    def wait(self, days: float) -> None:
        desk.advance(self.db, self.settings, round(days * DAY), now=self.now)

    def heard(self) -> list[dict[str, Any]]:
        """Every event that is waiting; afterwards none is."""
        bodies: list[dict[str, Any]] = []

        def post(body: bytes, header: str) -> int:
            secret = events.signing_secret(self.settings)
            self.client.construct_event(body, header, secret)
            bodies.append(json.loads(body))
            return 200

        events.deliver(self.db, self.settings, post)
        return bodies

    def types(self) -> list[str]:
        return [body["type"] for body in self.heard()]
