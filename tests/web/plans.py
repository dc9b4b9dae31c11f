"""Somebody who is signed in on the site and pays at its Till."""

import re
from dataclasses import dataclass
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from connector.database import Database
from connector.membership import plan, store
from connector.membership.billing import Subscription
from connector.readers import sessions
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.till import desk, opening
from connector.web.site import session_cookie
from tests.membership.conftest import Life
from tests.web.conftest import Clock


@dataclass
class Member(Life):
    """A life at the Till, in a browser."""

    browser: TestClient | None = None

    def hear(self, **_: Any) -> None:
        """What Stripe says is asked for: events are signed by a clock that nobody turns."""
        self.sync()

    @property
    def plan(self) -> Subscription:
        found = plan.current(self.db, self.settings, self.somebody.id)
        assert found is not None
        return found

    @property
    def has_plan(self) -> bool:
        return plan.current(self.db, self.settings, self.somebody.id) is not None

    def ask(self, path: str) -> Response:
        assert self.browser is not None
        return self.browser.get(path)

    def post(self, path: str, **fields: str) -> Response:
        assert self.browser is not None
        return self.browser.post(path, data=fields)

    def agree(self, *, amount: str = "", way: str = "founding:month") -> Response:
        """Choose a plan, and agree to what it costs."""
        shown = self.post("/account/plan", plan=way, amount=amount)
        return self.post("/account/plan", plan=way, amount=amount, agreed=agreed_in(shown))

    def invoices(self) -> int:
        with self.db.read() as connection:
            return len(store.payments_for(connection, self.plan.id))


def agreed_in(response: Response) -> str:
    found = re.search(r'name="agreed" value="([^"]+)"', response.text)
    assert found, response.text
    return found[1]


def member(
    client: TestClient, db: Database, settings: Settings, somebody: Subscriber, turned: Clock
) -> Member:
    """Signed in, and at the Till of this site; not paying yet."""
    word = sessions.begin(db, somebody.id, now=turned.now)
    client.cookies.set(session_cookie(settings), word)
    desk.furnish(db, settings, now=turned.now)
    return Member(
        db, settings, opening.client(settings, db), somebody, start=turned.now, browser=client
    )
