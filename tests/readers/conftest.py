"""A reader at the site: they ask, they find a letter, they follow its link."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import jinja2
import pytest

from connector.database import Database
from connector.delivery import mailings
from connector.delivery.letter import Letter
from connector.membership import store as memberships
from connector.readers import signup, store
from connector.readers.subscriber import Subscriber
from connector.settings import Settings


@dataclass(frozen=True)
class Found:
    """A letter waiting for an address."""

    about: str
    subject: str
    text: str
    html: str

    @property
    def token(self) -> str:
        found = re.search(r"/(?:confirm|preferences)/(\S+)", self.text)
        assert found is not None
        return found[1]


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser and a mailbox."""

    db: Database
    settings: Settings
    environment: jinja2.Environment
    now: int

    def ask(
        self, email: str, *, name: str = "", client: str = "192.0.2.7", at: int | None = None
    ) -> None:
        signup.subscribe(
            self.db,
            self.settings,
            self.environment,
            email=email,
            name=name,
            page="/",
            client=client,
            now=self.now if at is None else at,
        )

    def confirm(self, token: str, *, at: int | None = None) -> Subscriber:
        return signup.confirm(
            self.db,
            self.settings,
            self.environment,
            token,
            page="/confirm",
            client="192.0.2.7",
            now=self.now if at is None else at,
        )

    def join(self, email: str, *, name: str = "") -> Subscriber:
        self.ask(email, name=name)
        return self.confirm(self.letters(email)[-1].token)

    def letters(self, email: str) -> list[Found]:
        with self.db.read() as connection:
            return connection.all(
                """
                SELECT mailings.about, letters.subject, letters.text, letters.html
                  FROM deliveries
                  JOIN letters ON letters.id = deliveries.letter_id
                  JOIN mailings ON mailings.id = deliveries.mailing_id
                 WHERE deliveries.address_key = :key ORDER BY deliveries.id
                """,
                into=Found,
                key=email.casefold(),
            )

    def on_the_list(self, email: str) -> Subscriber | None:
        with self.db.read() as connection:
            return store.by_key(connection, email.casefold())

    def consents(self, email: str) -> list[str]:
        found = self.on_the_list(email)
        assert found is not None
        with self.db.read() as connection:
            return [consent.what for consent in store.consents(connection, found.id)]


@pytest.fixture
def visitor(
    db: Database, configured: Settings, environment: jinja2.Environment, now: int
) -> Visitor:
    return Visitor(db, configured, environment, now)


def mail_an_issue(db: Database, *, now: int) -> None:
    """Queue one issue for everybody mailable."""
    letter = Letter("On benches", "ines@example.org", "Ines", "", "text", "<p>html</p>")
    with db.write() as tx:
        audiences = {"everyone": letter, "member": letter}
        mailing = mailings.announce(
            tx, audiences, about="benches", once="issue:benches", starts_at=now, now=now
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=memberships.AUDIENCE, values={"now": now}, now=now)


Contents = Callable[[], dict[str, list[tuple[object, ...]]]]


@pytest.fixture
def contents(db: Database) -> Contents:
    """Everything in the tables of readers and letters, to see whether anything changed."""
    tables = ("subscribers", "consents", "confirmations", "erasures", "memberships")
    ledger = ("mailings", "letters", "deliveries", "suppressions")

    def read() -> dict[str, list[tuple[object, ...]]]:
        with db.read() as connection:
            return {
                table: connection.rows(f"SELECT * FROM {table} ORDER BY 1")
                for table in tables + ledger
            }

    return read
