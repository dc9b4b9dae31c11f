"""One sentence: send this issue to these people.

It joins publishing, membership and delivery; it never renders and never speaks to a relay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from connector.database import Connection, Database, Transaction
from connector.delivery import decisions, mailings
from connector.delivery import store as post
from connector.delivery.decision import Again
from connector.delivery.decisions import Reopened
from connector.delivery.letter import Letter
from connector.delivery.mailing import Frozen, Mailing
from connector.errors import NotFound, Refused
from connector.membership.store import AUDIENCE, NEWCOMERS
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


def publish(
    db: Database, prepared: Prepared, *, at: int, web_only: bool, now: int, spread: int = 0
) -> Published:
    """Put an issue on the web at `at`, and its letters on their way then: all of it, or nothing.

    Its letters leave evenly over `spread` milliseconds from then. Doing it again renews the
    page and sends nothing twice; a mailing that is still scheduled is replaced by the new
    letters and time.
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
            spread=spread,
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


# Second chances


def resend(db: Database, mailing: int, *, was: Reopened, key: str = "", now: int) -> Again:
    """Send refused or uncertain letters once more, to whoever may be written to now.

    With `key` only the one to that address. Raises NotFound, or Refused when nothing moves.
    """
    with db.write(durable=True) as tx:
        return decisions.resend(
            tx, mailing, was=was, audience=AUDIENCE, values={"now": now}, key=key, now=now
        )


def count_again(
    connection: Connection, mailing: int, *, was: Reopened, key: str = "", now: int
) -> Again:
    """What `resend` would do now."""
    wanted = post.count_in_trouble(connection, mailing, was=was, key=key)
    queued = post.count_again(
        connection, mailing, was=was, audience=AUDIENCE, values={"now": now}, key=key
    )
    return Again(queued=queued, left_out=wanted - queued)


def count_newcomers(connection: Connection, mailing: int, *, now: int) -> int:
    """How many people `mail_newcomers` would write to now."""
    found = _first_of(connection, mailing)
    people = post.count_audience(
        connection, audience=post.without_letter(NEWCOMERS), values=_newcomers(found, now=now)
    )
    return sum(people.values())


def mail_newcomers(db: Database, mailing: int, *, now: int) -> Published:
    """Send the letters of a mailing to those who joined since it began; each of them once, ever.

    It is a mailing of its own. Raises NotFound, or Refused when there is nobody, or this is not
    the first mailing of its issue, or it has not begun or was cancelled.
    """
    with db.write(durable=True) as tx:
        found = _first_of(tx, mailing)
        new = _announce(tx, found, "joined", {}, now=now)
        post.copy_letters(tx, source=found.id, mailing=new)
        frozen = mailings.freeze(
            tx,
            new,
            audience=post.without_letter(NEWCOMERS),
            values=_newcomers(found, now=now),
            now=now,
        )
        if not frozen.queued:
            raise Refused("Nobody has joined since who does not have it.")
        return Published(0, "sending", new, frozen)


def first_mailed(connection: Connection, slug: str) -> int | None:
    """When the letters of an issue first left, which is the day they carry; None before that."""
    known = post.mailing_once(connection, f"issue:{slug}")
    return known.starts_at if known else None


def count_corrected(connection: Connection, slug: str, *, now: int) -> dict[str, int]:
    """How many people a correction would be written to now, by audience."""
    return post.count_audience(
        connection, audience=post.with_letter(AUDIENCE), values={"about": slug, "now": now}
    )


def correct(db: Database, prepared: Prepared, *, subject: str = "", now: int) -> Published:
    """Renew the page, and write to those who have, or may have, the letter with the mistake.

    `subject` is “Correction: ” and the title unless given. Raises Refused when the letters have
    not gone out, are still leaving, or when nothing has changed since the last ones.
    """
    slug = prepared.issue.slug
    letters: dict[str, Letter] = {
        name: replace(letter, subject=subject or f"Correction: {prepared.issue.title}")
        for name, letter in prepared.letters.items()
    }
    with db.write(durable=True) as tx:
        known = post.mailings_about(tx, slug)
        first = next((one for one in known if one.frozen_at is not None), None)
        if first is None:
            raise Refused(
                "This issue’s letters have not gone out. Publish it without --correction."
            )
        _refuse_haste(known)
        _refuse_repeat(tx, known[-1], letters, is_named=bool(subject))
        issue = pages.save(tx, prepared, at=now, now=now)
        new = _announce(tx, first, "correction", letters, now=now)
        frozen = mailings.freeze(
            tx,
            new,
            audience=post.with_letter(AUDIENCE),
            values={"about": slug, "now": now},
            now=now,
        )
        if not frozen.queued:
            raise Refused("Nobody who has the letter may be written to now.")
        return Published(issue, "sending", new, frozen)


def _first_of(connection: Connection, mailing: int) -> Mailing:
    """A mailing whose letters may go to newcomers."""
    found = post.mailing(connection, mailing)
    if found is None:
        raise NotFound(f"There is no mailing {mailing}. See them with: connector status")
    if found.kind != "issue" or found.frozen_at is None or found.cancelled_at is not None:
        raise Refused(f"Mailing {mailing} has no letters for newcomers: it is {_stands(found)}.")
    if found.once != f"issue:{found.about}":
        first = post.mailing_once(connection, f"issue:{found.about}")
        hint = f" Name the first of its issue: {first.id}." if first else ""
        raise Refused(f"Mailing {mailing} is “{found.name}”.{hint}")
    return found


def _stands(mailing: Mailing) -> str:
    return "a notice" if mailing.kind == "notice" else mailings.state_of(mailing)


def _newcomers(first: Mailing, *, now: int) -> Mapping[str, Any]:
    return {"about": first.about, "since": first.frozen_at, "now": now}


def _announce(
    tx: Transaction, first: Mailing, purpose: str, letters: Mapping[str, Letter], *, now: int
) -> int:
    """A further mailing of an issue: the next correction, or the next to newcomers."""
    before = f"issue:{first.about}:{purpose}:"
    known = post.mailings_about(tx, first.about)
    number = 1 + sum((one.once or "").startswith(before) for one in known)
    mailing = mailings.announce(
        tx, letters, about=first.about, once=f"{before}{number}", starts_at=now, now=now
    )
    if mailing is None:
        raise Refused("Somebody else is doing the same at this moment.")
    return mailing


def _refuse_haste(known: list[Mailing]) -> None:
    for one in known:
        if one.finished_at is None and one.cancelled_at is None:
            raise Refused(
                f"Mailing {one.id} is still leaving, with the letter as it was. "
                f"Wait until it is finished, or call the rest off with: connector cancel {one.id}"
            )


def _refuse_repeat(
    tx: Transaction, last: Mailing, letters: Mapping[str, Letter], *, is_named: bool
) -> None:
    sent = post.letters(tx, last.id)
    if is_named and any(sent[name].subject != letters[name].subject for name in sent):
        return
    if all(
        (sent[name].text, sent[name].html) == (letters[name].text, letters[name].html)
        for name in sent
    ):
        raise Refused(
            f"Nothing has changed since mailing {last.id}. Mend the file, or give another --subject."
        )


def _begin(db: Database, mailing: Mailing, *, now: int) -> bool:
    with db.write(durable=True) as tx:
        again = post.mailing(tx, mailing.id)
        if again is None or again.frozen_at is not None or again.cancelled_at is not None:
            return False
        _freeze(tx, mailing.id, now=now)
        return True


def _freeze(tx: Transaction, mailing: int, *, now: int) -> Frozen:
    return mailings.freeze(tx, mailing, audience=AUDIENCE, values={"now": now}, now=now)
