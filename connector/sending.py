"""One sentence: send this issue to these people.

It joins publishing, membership and delivery; it never renders and never speaks to a relay.
"""

from dataclasses import dataclass
from typing import Literal

from connector.database import Connection, Database, Transaction
from connector.delivery import mailings
from connector.delivery import store as post
from connector.delivery.mailing import Frozen, Mailing
from connector.errors import Refused
from connector.membership.store import AUDIENCE
from connector.publishing import publish as pages
from connector.publishing.publish import Prepared

Sent = Literal["sending", "scheduled", "before", "web-only"]


@dataclass(frozen=True)
class Published:
    """What a publish did. `sent` is `before` when the letters went out at an earlier publish."""

    issue: int
    sent: Sent
    mailing: int | None
    frozen: Frozen | None


def publish(db: Database, prepared: Prepared, *, at: int, web_only: bool, now: int) -> Published:
    """Put an issue on the web at `at`, and its letters on their way then: all of it, or nothing.

    Doing it again renews the page and sends nothing twice; a mailing that is still
    scheduled is replaced by the new letters and time.
    """
    with db.write(durable=True) as tx:
        issue = pages.save(tx, prepared, at=at, now=now)
        if web_only:
            return Published(issue, "web-only", None, None)
        once = f"issue:{prepared.issue.slug}"
        known = post.mailing_once(tx, once)
        if known is not None and known.frozen_at is not None:
            return Published(issue, "before", known.id, None)
        if known is not None:
            post.set_cancelled(tx, known.id, now=now)
        mailing = mailings.announce(
            tx,
            dict(prepared.letters.items()),
            about=prepared.issue.slug,
            once=once,
            starts_at=at,
            now=now,
        )
        if mailing is None:
            raise Refused("This issue is being published by somebody else at this moment.")
        if at > now:
            return Published(issue, "scheduled", mailing, None)
        return Published(issue, "sending", mailing, _freeze(tx, mailing, now=now))


def begin_due(db: Database, *, now: int) -> int:
    """Fix the list of people of every mailing whose time has come; how many began.

    Everyone who is on the list at that moment is written to, whenever they joined.
    """
    with db.read() as connection:
        due = post.unfrozen(connection, now=now)
    return sum(_begin(db, mailing, now=now) for mailing in due)


def audience(connection: Connection, *, now: int) -> dict[str, int]:
    """How many people would be written to now, by audience."""
    return post.count_audience(connection, audience=AUDIENCE, values={"now": now})


def _begin(db: Database, mailing: Mailing, *, now: int) -> bool:
    with db.write(durable=True) as tx:
        again = post.mailing(tx, mailing.id)
        if again is None or again.frozen_at is not None or again.cancelled_at is not None:
            return False
        _freeze(tx, mailing.id, now=now)
        return True


def _freeze(tx: Transaction, mailing: int, *, now: int) -> Frozen:
    return mailings.freeze(tx, mailing, audience=AUDIENCE, values={"now": now}, now=now)
