"""How many readers of a mailing call it spam, and when that is too many: warn, then stop.

It counts what was recorded, whichever way it came; it stops nobody's letters by itself.
"""

import logging
from dataclasses import dataclass

from connector.database import Connection, Database
from connector.delivery import mailings
from connector.delivery import store as ledger
from connector.delivery.mailing import Mailing
from connector.errors import Refused
from connector.inbound import store
from connector.inbound.bounce import Level

log = logging.getLogger(__name__)

# Gmail asks for less than 0.1 %, and never 0.3 %: https://support.google.com/a/answer/81126
# Per thousand.
HIGH = 1
TOO_HIGH = 3
# One or two can be a slip of the finger, and would be a large share of a small list.
FEWEST = 3
# Whoever resumes has decided; it stops again only when it has become twice as bad.
AGAIN = 2
CALLED_SPAM = "were called spam"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many letters of a mailing were called spam, and how many were taken."""

    complaints: int
    sent: int

    @property
    def level(self) -> Level | None:
        if self.complaints < FEWEST:
            return None
        if self.complaints * 1000 >= self.sent * TOO_HIGH:
            return "too high"
        return "high" if self.complaints * 1000 >= self.sent * HIGH else None

    def __str__(self) -> str:
        share = self.complaints / self.sent if self.sent else 1.0
        return f"{self.complaints:,} of {self.sent:,} letters {CALLED_SPAM} ({share * 100:.2f} %)"


def weigh(db: Database, mailing_id: int, *, now: int) -> None:
    """Warn once, or stop the mailing if it is still leaving; to be called after each complaint."""
    with db.read() as connection:
        found = ledger.mailing(connection, mailing_id)
        if found is None or found.kind != "issue":
            return
        rate = rate_of(connection, found)
        level = rate.level
        if level is None or not _is_new(connection, rate, found, level):
            return
    is_stopped = level == "too high" and _stop(db, found, rate, now=now)
    with db.write() as tx:
        noted = store.upsert_alarm(tx, found.id, level, complaints=rate.complaints, now=now)
    if noted:
        log.warning(
            "Mailing %s, %s: %s.%s",
            found.id,
            found.name,
            rate,
            " It was paused." if is_stopped else "",
        )


def rate_of(connection: Connection, mailing: Mailing, *, sent: int | None = None) -> Rate:
    """A mailing's rate; without `sent` letters are counted only as far as a level needs."""
    complaints = store.reported(connection, mailing).get("complaint", 0)
    if sent is None:
        most = complaints * 1000 // HIGH + 1
        sent = store.count_sent(connection, mailing, most=most) if complaints else 0
    return Rate(complaints, sent)


def advice(rate: Rate) -> str:
    """What a writer should know of a mailing whose level is high, and can do about it."""
    if rate.level == "too high":
        meaning = "At 0.3 % mailbox providers begin to put your letters into spam, for everybody. "
    else:
        meaning = "Stay below 0.1 %; at 0.3 % mailbox providers put your letters into spam. "
    return (
        f"{rate}. {meaning}"
        "Is the list an old one, or did somebody else add these people? Do they know your name?"
    )


def _is_new(connection: Connection, rate: Rate, mailing: Mailing, level: Level) -> bool:
    before = store.alarm(connection, mailing.id, level)
    if level == "high":
        return before is None and store.alarm(connection, mailing.id, "too high") is None
    return before is None or rate.complaints >= before * AGAIN


def _stop(db: Database, mailing: Mailing, rate: Rate, *, now: int) -> bool:
    why = f"{advice(rate)} Then: connector resume {mailing.id}, or connector cancel {mailing.id}"
    try:
        mailings.pause(db, mailing.id, why=why, now=now)
    except Refused:  # it has left, or stands still already
        return False
    return True
