"""A reader with a purse: what they press on our pages, and what they do at the Till."""

import re
from dataclasses import dataclass
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from connector import clock
from connector.database import Database
from connector.membership import stripe_api
from connector.readers import sessions
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.till import desk
from connector.till.transport import TillClient

CHECKOUT = re.compile(r"/till/(cs_test_\w+)")


@dataclass
class Purse:
    """Somebody at the site; `client` follows no redirect and keeps its cookies."""

    client: TestClient
    db: Database
    settings: Settings

    def choose(self, picked: str, **fields: str) -> Response:
        """Send the form of /subscribe; somebody unknown, unless they are signed in."""
        return self.client.post("/subscribe", data={"join": picked, **fields})

    def link(self) -> str:
        """The path of the link in the letter written last."""
        with self.db.read() as connection:
            text = connection.value("SELECT text FROM letters ORDER BY id DESC LIMIT 1")
        found = re.search(r"https://letters\.example\.org(/confirm/\S+)", text)
        assert found, text
        return found[1]

    def sign_in(self, subscriber: Subscriber) -> None:
        word = sessions.begin(self.db, subscriber.id, now=clock.now())
        self.client.cookies.set("__Host-reader", word)

    def go(self, picked: str, **fields: str) -> str:
        """Who is signed in, on to the checkout; the id of the visit."""
        return visit(self.client.post("/join", data={"join": picked, **fields}))

    def pay(self, session: str, **how: Any) -> desk.Outcome:
        return desk.pay(self.db, self.settings, session, now=clock.now(), **how)

    def session(self, key: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return desk.session(self.db, self.settings, key, now=clock.now())

    def thanks(self, session: str) -> Response:
        return self.client.get("/join/thanks", params={"checkout": session})

    @property
    def stripe(self) -> stripe_api.Client:
        return stripe_api.client(self.settings, TillClient(self.db, self.settings, clock.now))


def visit(response: Response) -> str:
    """The visit to the checkout that an answer leads to."""
    assert response.status_code == 303, response.text
    found = CHECKOUT.fullmatch(response.headers["location"])
    assert found, response.headers["location"]
    return found[1]
