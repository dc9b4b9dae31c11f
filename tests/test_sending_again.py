"""Further mailings of an issue: to those who joined since, and to those who got a mistake."""

from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from connector import sending
from connector.clock import DAY, HOUR
from connector.database import Database
from connector.delivery import ledger, mailings
from connector.delivery.outcome import Outcome
from connector.errors import NotFound, Refused
from connector.publishing import publish as pages
from connector.publishing.publish import Prepared
from connector.readers import preferences, signup
from connector.sending import Published
from connector.settings import Settings
from tests.conftest import People
from tests.delivery import post

SENT = Outcome("sent", "250 2.0.0 Ok", 250, "2.0.0", "content")
REFUSED = Outcome("refused", "550 5.7.26 DMARC", 550, "5.7.26", "content")
UNCERTAIN = Outcome("uncertain", "connection lost after the dot")
TEXT = "---\ntitle: The bench\npreheader: Who owns it\n---\n\nNobody owns the bench.\n"

Write = Callable[..., Prepared]


@pytest.fixture
def write(root: Path, configured: Settings, environment: jinja2.Environment, now: int) -> Write:
    def prepare(text: str = TEXT) -> Prepared:
        path = root / "issues" / "the-bench.md"
        path.write_text(text, encoding="utf-8")
        return pages.prepare(path, configured, environment, now=now, at=now)

    return prepare


@pytest.fixture
def first(db: Database, write: Write, people: People, now: int) -> int:
    """A mailing that Ada and Bea have got."""
    published = sending.publish(db, write(), at=now, web_only=False, now=now + 1)
    assert published.mailing is not None
    assert deliver(db, now=now + 1) == {"ada@example.org", "bea@example.org"}
    return published.mailing


def deliver(db: Database, *, now: int, outcome: Outcome = SENT) -> set[str]:
    """Send everything that is due; to whom, each once."""
    reached: list[str] = []
    while lease := ledger.take(db, "issue", worker="anna", hold=post.HOLD, now=now):
        letters = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
        post.settle(db, lease, letters, outcome, now=now)
        ledger.release(db, lease, worker="anna", now=now)
        reached += [letter.address for letter in letters]
    assert len(reached) == len(set(reached))
    return set(reached)


def join(db: Database, settings: Settings, *names: str, now: int) -> None:
    for name in names:
        signup.add(db, settings, email=f"{name}@example.org", now=now)


def subjects(db: Database, mailing: int | None) -> set[object]:
    with db.read() as connection:
        rows = connection.rows("SELECT subject FROM letters WHERE mailing_id = :id", id=mailing)
    return {subject for (subject,) in rows}


# Those who joined since


def test_those_who_joined_since_get_the_same_letter(
    db: Database, configured: Settings, first: int, now: int
) -> None:
    join(db, configured, "eva", "kai", now=now + DAY)

    published = sending.mail_newcomers(db, first, now=now + DAY)

    assert deliver(db, now=now + DAY) == {"eva@example.org", "kai@example.org"}
    assert subjects(db, published.mailing) == {"The bench"}
    assert post.look(db, published.mailing or 0).name == "the-bench, joined 1"


def test_each_of_them_gets_it_once_ever(
    db: Database, configured: Settings, first: int, now: int
) -> None:
    join(db, configured, "eva", now=now + DAY)
    sending.mail_newcomers(db, first, now=now + DAY)

    with pytest.raises(Refused, match="Nobody has joined since"):
        sending.mail_newcomers(db, first, now=now + DAY)
    deliver(db, now=now + DAY)
    with pytest.raises(Refused, match="Nobody has joined since"):
        sending.mail_newcomers(db, first, now=now + 2 * DAY)
    join(db, configured, "kai", now=now + 3 * DAY)
    sending.mail_newcomers(db, first, now=now + 3 * DAY)

    assert deliver(db, now=now + 3 * DAY) == {"kai@example.org"}


def test_those_who_were_on_the_list_before_do_not_count_as_newcomers(
    db: Database, configured: Settings, people: People, first: int, now: int
) -> None:
    with db.write() as tx:
        mailings.lift(tx, people.dan.email_key)

    with pytest.raises(Refused, match="Nobody has joined since"):
        sending.mail_newcomers(db, first, now=now + DAY)
    with db.read() as connection:
        assert sending.count_newcomers(connection, first, now=now + DAY) == 0


def test_somebody_who_came_back_since_counts_as_a_newcomer(
    db: Database, configured: Settings, people: People, first: int, now: int
) -> None:
    preferences.resubscribe(
        db, configured, people.cas.id, how="link", page="", client="", now=now + HOUR
    )
    preferences.unsubscribe(
        db, configured, people.ada.id, how="link", page="", client="", now=now + HOUR
    )
    preferences.resubscribe(
        db, configured, people.ada.id, how="link", page="", client="", now=now + 2 * HOUR
    )

    sending.mail_newcomers(db, first, now=now + DAY)

    assert deliver(db, now=now + DAY) == {"cas@example.org"}


def test_somebody_whose_letter_was_withdrawn_and_who_came_back_gets_it(
    db: Database, configured: Settings, write: Write, people: People, now: int
) -> None:
    mailing = sending.publish(db, write(), at=now, web_only=False, now=now + 1).mailing or 0
    ada, settings = people.ada.id, configured
    preferences.unsubscribe(db, settings, ada, how="link", page="", client="", now=now + 2)
    assert deliver(db, now=now + 2) == {"bea@example.org"}
    preferences.resubscribe(db, settings, ada, how="link", page="", client="", now=now + HOUR)

    sending.mail_newcomers(db, mailing, now=now + DAY)

    assert deliver(db, now=now + DAY) == {"ada@example.org"}
    with pytest.raises(Refused, match="Nobody has joined since"):
        sending.mail_newcomers(db, mailing, now=now + DAY)


def test_newcomers_who_left_again_or_cannot_be_reached_are_left_out(
    db: Database, configured: Settings, first: int, now: int
) -> None:
    join(db, configured, "eva", "kai", "liv", now=now + DAY)
    with db.write() as tx:
        mailings.suppress(tx, "eva@example.org", why="bounced", detail="", now=now + DAY)
    kai = signup.add(db, configured, email="kai@example.org", now=now + DAY)
    preferences.unsubscribe(db, configured, kai.id, how="link", page="", client="", now=now + DAY)

    published = sending.mail_newcomers(db, first, now=now + DAY)

    assert published.frozen is not None
    assert (published.frozen.queued, published.frozen.suppressed) == (1, 1)
    assert deliver(db, now=now + DAY) == {"liv@example.org"}


def test_newcomers_are_refused_letters_that_are_not_for_them(
    db: Database, configured: Settings, write: Write, first: int, now: int
) -> None:
    join(db, configured, "eva", now=now + DAY)
    corrected = sending.correct(db, write(TEXT + "\nMended.\n"), now=now + DAY)

    with pytest.raises(Refused, match=f"Name the first of its issue: {first}"):
        sending.mail_newcomers(db, corrected.mailing or 0, now=now + DAY)
    with pytest.raises(NotFound):
        sending.mail_newcomers(db, 99, now=now + DAY)


def test_a_mailing_that_has_not_begun_or_was_cancelled_goes_to_no_newcomer(
    db: Database, configured: Settings, write: Write, people: People, now: int
) -> None:
    later = sending.publish(db, write(), at=now + DAY, web_only=False, now=now).mailing or 0

    with pytest.raises(Refused, match="it is scheduled"):
        sending.mail_newcomers(db, later, now=now)
    mailings.cancel(db, later, now=now)
    with pytest.raises(Refused, match="it is cancelled"):
        sending.mail_newcomers(db, later, now=now)


# Corrections


def correct(db: Database, prepared: Prepared, *, now: int, subject: str = "") -> Published:
    return sending.correct(db, prepared, subject=subject, now=now)


def test_a_correction_goes_to_those_who_got_the_issue(
    db: Database, configured: Settings, write: Write, first: int, now: int
) -> None:
    join(db, configured, "eva", now=now + HOUR)

    published = correct(db, write(TEXT + "\nThe council does.\n"), now=now + DAY)

    assert subjects(db, published.mailing) == {"Correction: The bench"}
    assert deliver(db, now=now + DAY) == {"ada@example.org", "bea@example.org"}
    assert post.look(db, published.mailing or 0).once == "issue:the-bench:correction:1"
    with db.read() as connection:
        page = connection.value("SELECT body FROM editions WHERE surface = 'web'")
    assert "The council does." in page


def test_the_same_correction_is_mailed_once(
    db: Database, write: Write, first: int, now: int
) -> None:
    prepared = write(TEXT + "\nThe council does.\n")
    published = correct(db, prepared, now=now)
    deliver(db, now=now)

    with pytest.raises(Refused, match=f"Nothing has changed since mailing {published.mailing}"):
        correct(db, prepared, now=now + DAY)

    assert deliver(db, now=now + DAY) == set()


def test_a_second_mistake_is_a_second_correction_with_a_subject_of_its_own(
    db: Database, write: Write, first: int, now: int
) -> None:
    correct(db, write(TEXT + "\nThe council does.\n"), now=now)
    deliver(db, now=now)

    published = correct(db, write(TEXT + "\nThe port does.\n"), subject="Once more", now=now)

    assert subjects(db, published.mailing) == {"Once more"}
    assert post.look(db, published.mailing or 0).name == "the-bench, correction 2"


def test_those_in_doubt_get_the_correction_and_those_refused_do_not(
    db: Database, configured: Settings, write: Write, people: People, now: int
) -> None:
    mailing = sending.publish(db, write(), at=now, web_only=False, now=now).mailing or 0
    lease = post.take(db, now=now)
    ada, bea = post.hand_over(db, lease, ledger.due(db, lease, now=now), now=now)
    post.settle(db, lease, [ada], UNCERTAIN, now=now)
    post.settle(db, lease, [bea], REFUSED, now=now)
    ledger.release(db, lease, worker="anna", now=now)
    assert post.look(db, mailing).finished_at == now

    correct(db, write(TEXT + "\nThe council does.\n"), now=now)

    assert deliver(db, now=now) == {"ada@example.org"}


@pytest.mark.usefixtures("first")
def test_those_who_left_get_no_correction(
    db: Database, configured: Settings, write: Write, people: People, now: int
) -> None:
    preferences.unsubscribe(db, configured, people.ada.id, how="link", page="", client="", now=now)

    correct(db, write(TEXT + "\nThe council does.\n"), now=now)

    assert deliver(db, now=now) == {"bea@example.org"}


def test_nothing_is_corrected_while_the_mistake_is_still_leaving(
    db: Database, write: Write, people: People, now: int
) -> None:
    mailing = sending.publish(db, write(), at=now, web_only=False, now=now).mailing or 0
    prepared = write(TEXT + "\nThe council does.\n")

    with pytest.raises(Refused, match="still leaving"):
        correct(db, prepared, now=now)

    mailings.cancel(db, mailing, now=now)
    with pytest.raises(Refused, match="Nobody who has the letter"):
        correct(db, prepared, now=now)


def test_nothing_is_corrected_that_was_never_mailed(
    db: Database, write: Write, people: People, now: int
) -> None:
    sending.publish(db, write(), at=now, web_only=True, now=now)

    with pytest.raises(Refused, match="have not gone out"):
        correct(db, write(TEXT + "\nThe council does.\n"), now=now)


def test_a_correction_without_a_change_is_refused_and_renews_nothing(
    db: Database, write: Write, first: int, now: int
) -> None:
    with pytest.raises(Refused, match=f"Nothing has changed since mailing {first}"):
        correct(db, write(), now=now)


# The author’s second chances keep to the list as it is now


def test_only_people_on_the_list_are_resent_to(
    db: Database, configured: Settings, write: Write, people: People, now: int
) -> None:
    mailing = sending.publish(db, write(), at=now, web_only=False, now=now).mailing or 0
    deliver(db, now=now, outcome=REFUSED)
    preferences.unsubscribe(db, configured, people.ada.id, how="link", page="", client="", now=now)
    with db.read() as connection:
        asked = sending.count_again(connection, mailing, was="refused", now=now)

    again = sending.resend(db, mailing, was="refused", now=now)

    assert again == asked
    assert (again.queued, again.left_out) == (1, 1)
    assert deliver(db, now=now) == {"bea@example.org"}


def test_what_was_decided_is_part_of_what_a_reader_may_have(
    db: Database, write: Write, people: People, now: int
) -> None:
    mailing = sending.publish(db, write(), at=now, web_only=False, now=now).mailing or 0
    deliver(db, now=now, outcome=REFUSED)

    sending.resend(db, mailing, was="refused", key="ada@example.org", now=now)

    held = preferences.export(db, people.ada.id)
    (decided,) = held["decisions"]
    assert (decided["what"], decided["was"]) == ("resend", "refused")
    assert decided["reply"] == "550 5.7.26 DMARC"
    assert preferences.export(db, people.bea.id)["decisions"] == []
