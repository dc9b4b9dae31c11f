"""What was written to whom, as it waits to be sent."""

from dataclasses import dataclass

from connector import templates
from connector.clock import HOUR
from connector.database import Database
from connector.membership import letters
from tests.membership.conftest import Life


@dataclass(frozen=True)
class Written:
    to: str
    about: str
    subject: str
    text: str
    html: str


def written(db: Database) -> list[Written]:
    """Every notice, oldest first."""
    with db.read() as connection:
        return connection.all(
            """
            SELECT deliveries.address AS "to", mailings.about, letters.subject, letters.text,
                   letters.html
              FROM deliveries
              JOIN mailings ON mailings.id = deliveries.mailing_id
              JOIN letters ON letters.id = deliveries.letter_id
             WHERE mailings.kind = 'notice' ORDER BY deliveries.id
            """,
            into=Written,
        )


def write(life: Life, *, later: int = 0) -> list[Written]:
    """Write what is owed now; what was written by it."""
    before = len(written(life.db))
    at = life.now + later
    environment = templates.environment(life.settings.root)
    while letters.is_owed(life.db, life.settings, at=at):
        letters.write(life.db, life.settings, environment, at=at, now=at)
    return written(life.db)[before:]


def look(life: Life, *, later: int = HOUR) -> None:
    letters.look(life.db, life.settings, at=life.now + later, now=life.now + later)
