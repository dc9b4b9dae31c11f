"""The whole story of an address, oldest first, in plain words."""

import pytest

from connector import tracing
from connector.clock import DAY, HOUR, MINUTE
from connector.database import Database
from connector.delivery import address, decisions, ledger, mailings
from connector.delivery.outcome import Outcome
from connector.errors import InvalidAddress, NotFound
from connector.inbound import store as returns
from connector.readers import preferences
from connector.settings import Settings
from connector.tracing import Trace
from tests.conftest import People
from tests.delivery import post

SENT = Outcome("sent", "250 2.0.0 Ok: queued as 4F7", 250, "2.0.0", "content")
UNCERTAIN = Outcome("uncertain", "connection lost after the dot")
NOBODY = Outcome("refused", "550 5.1.1 No such user", 550, "5.1.1", "rcpt")
DEFERRED = Outcome("deferred", "451 4.7.1 Greylisted", 451, "4.7.1", "rcpt")


def mail(db: Database, to: str, *, now: int, outcome: Outcome | None = None) -> int:
    """An issue to one person, sent at `now` if there is an outcome."""
    one = f"SELECT 1 AS recipient, '{to}' AS address, '{to}' AS address_key, '' AS name, 'everyone' AS audience"
    with db.write() as tx:
        mailing = mailings.announce(
            tx,
            {"everyone": post.LETTER},
            about="bench",
            once=f"issue:{now}",
            starts_at=now,
            now=now,
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=one, values={}, now=now)
    if outcome is not None:
        deliver(db, outcome, now=now)
    return mailing


def deliver(db: Database, outcome: Outcome, *, now: int) -> None:
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
    post.settle(db, lease, letters, outcome, now=now)
    ledger.release(db, lease, worker="anna", now=now)


def told(found: Trace) -> list[str]:
    return [event.what for event in found.events]


def test_a_letter_is_told_with_the_relays_own_words(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    mailing = mail(db, "ada@example.org", now=now + HOUR, outcome=SENT)

    found = tracing.trace(db, configured, "Ada@Example.org", now=now + DAY)

    assert told(found) == [
        "They were put on the list by hand (command).",
        f"“The bench” was queued (mailing {mailing}, bench).",
        "“The bench” was taken by the relay, after 1 try.",
    ]
    assert found.events[-1].details == ("250 2.0.0 Ok: queued as 4F7",)
    assert found.events[-2].details[0].startswith("Message-ID: <")
    assert found.standing == "On the list since 2026-09-21."


def test_what_happened_is_told_in_the_order_in_which_it_did(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    mail(db, "bea@example.org", now=now + 2 * HOUR, outcome=NOBODY)
    preferences.unsubscribe(
        db, configured, people.bea.id, how="link", page="/unsubscribe", client="", now=now + DAY
    )

    found = tracing.trace(db, configured, "bea@example.org", now=now + DAY)

    times = [event.at for event in found.events]
    assert times == sorted(times)
    assert told(found) == [
        "They were put on the list by hand (command).",
        "Their membership began (complimentary).",
        "“The bench” was queued (mailing 1, bench).",
        "“The bench” was refused for good, after 1 try.",
        "We stopped writing to this address: bounced.",
        "They unsubscribed (link, /unsubscribe).",
    ]
    assert found.standing == "Unsubscribed on 2026-09-22. We do not write to this address."


def test_a_letter_that_waits_says_until_when_and_why(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    mail(db, "ada@example.org", now=now, outcome=DEFERRED)

    found = tracing.trace(db, configured, "ada@example.org", now=now)

    last = found.events[-1]
    assert last.what == "“The bench” waits after 1 try; its turn comes then."
    assert last.details == ("451 4.7.1 Greylisted",)
    assert last.at >= now + MINUTE


@pytest.mark.parametrize(
    "decided",
    [
        ("leave", "the author decided to leave it as it is."),
        ("sent", "the author said that it arrived; it had been uncertain."),
        ("resend", "the author had it sent once more; it had been uncertain."),
    ],
)
def test_what_the_author_decided_is_part_of_the_story(
    db: Database, configured: Settings, people: People, now: int, decided: tuple[str, str]
) -> None:
    decide, words = decided
    mailing = mail(db, "ada@example.org", now=now, outcome=UNCERTAIN)
    one = "SELECT 'ada@example.org' AS address_key"
    with db.write() as tx:
        if decide == "leave":
            decisions.leave(tx, mailing, now=now + HOUR)
        elif decide == "sent":
            decisions.take_as_sent(tx, mailing, now=now + HOUR)
        else:
            decisions.resend(tx, mailing, was="uncertain", audience=one, values={}, now=now + HOUR)
    if decide == "resend":
        deliver(db, SENT, now=now + HOUR)

    found = tracing.trace(db, configured, "ada@example.org", now=now + DAY)

    told_so = next(event for event in found.events if words in event.what)
    assert told_so.at == now + HOUR
    assert told_so.details == ("connection lost after the dot",)
    assert ("“The bench” was taken by the relay, after 2 tries." in told(found)) is (
        decide == "resend"
    )


def test_a_notice_and_what_came_back_are_part_of_the_story(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    with db.write() as tx:
        to = address.parse("ada@example.org")
        mailings.notify(tx, post.LETTER, to=to, recipient=1, about="welcome", now=now)
        returns.insert(
            tx,
            now=now + HOUR,
            source="pipe",
            digest="1",
            kind="bounce",
            delivery=1,
            address_key="ada@example.org",
            status="4.2.2",
            detail="mailbox full",
            effect="scored",
            raw=None,
        )

    found = tracing.trace(db, configured, "ada@example.org", now=now + DAY)

    assert "“The bench” was queued (a notice, welcome)." in told(found)
    assert found.events[-1].details == ("mailbox full",)
    assert found.events[-1].what.startswith("A report came back: bounce (4.2.2).")


def test_of_somebody_erased_only_that_is_known(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    mail(db, "ada@example.org", now=now, outcome=SENT)

    preferences.erase(db, configured, people.ada.id, now + HOUR)
    found = tracing.trace(db, configured, "ada@example.org", now=now + DAY)

    assert told(found) == ["Everything about this address was erased. Only that is known."]
    assert found.events[0].at == now + HOUR
    assert found.standing == "Not on the list."


def test_an_address_nobody_knows_and_one_that_is_none(
    db: Database, configured: Settings, now: int
) -> None:
    with pytest.raises(NotFound, match="Nothing is known about eva@"):
        tracing.trace(db, configured, "eva@example.org", now=now)
    with pytest.raises(InvalidAddress):
        tracing.trace(db, configured, "eva", now=now)


def test_tracing_changes_nothing(
    db: Database, configured: Settings, people: People, now: int
) -> None:
    mail(db, "ada@example.org", now=now, outcome=SENT)

    first, second = (tracing.trace(db, configured, "ada@example.org", now=now) for _ in range(2))

    assert first == second
