"""Many processes at one database: what one decides on stays true, and nobody is overlooked."""

import threading
from collections.abc import Callable
from pathlib import Path

import jinja2

from connector import clock, sending
from connector.database import Database
from connector.delivery import ledger, mailings
from connector.delivery.mailing import LEASE_SIZE
from connector.readers import preferences, signup
from connector.settings import Settings
from tests.delivery import post
from tests.fakes.smtp import FakeRelay
from tests.stories import sender
from tests.waiting import until


def together(*works: Callable[[], object]) -> None:
    """Begin all at one moment, each in a thread of its own; bring back what went wrong."""
    gate, wrong = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        gate.wait(10)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in wrong:
        raise error


def test_one_address_asked_for_at_once_is_one_subscriber(
    db: Database, configured: Settings, environment: jinja2.Environment, now: int
) -> None:
    def ask() -> None:
        signup.subscribe(
            db, configured, environment, email="ada@example.org", page="/", client="", now=now
        )

    together(*[ask] * 8)

    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM subscribers") == 1
        asked = connection.value("SELECT count(*) FROM deliveries")
    assert asked == configured.limits.confirmations_per_address


def test_who_leaves_while_the_list_is_fixed_gets_no_letter(
    db: Database, configured: Settings, now: int
) -> None:
    people = [
        signup.add(db, configured, email=f"reader{number}@example.org", now=now)
        for number in range(40)
    ]
    letters = {"everyone": post.LETTER, "member": post.LETTER}
    with db.write() as tx:
        mailing = mailings.announce(
            tx, letters, about="bench", once="issue:bench", starts_at=now, now=now
        )
    assert mailing is not None

    def leave() -> None:
        for one in people:
            preferences.unsubscribe(db, configured, one.id, how="link", page="", client="", now=now)

    together(leave, *[lambda: sending.begin_due(db, now=now)] * 3)

    counts = post.counts(db, mailing)
    assert set(counts) <= {"withdrawn"}
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM mailings WHERE frozen_at > 0") == 1


def test_the_last_stretches_given_back_at_once_finish_the_mailing(db: Database, now: int) -> None:
    for number in range(5):
        mailing = post.mail(db, LEASE_SIZE + 1, now=now, once=f"issue:{number}")
        with db.write() as tx:
            tx.run("UPDATE deliveries SET state = 'sent'")
        leases = [post.take(db, now=now, worker=name) for name in ("anna", "boris")]

        together(
            *(
                lambda lease=lease, name=name: ledger.release(db, lease, worker=name, now=now)
                for lease, name in zip(leases, ("anna", "boris"), strict=True)
            )
        )

        assert post.look(db, mailing).finished_at == now


def test_senders_on_many_machines_send_each_letter_once(db: Database, root: Path) -> None:
    mailing = post.mail(db, 1_500, now=clock.now())

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60)
        with (
            sender.running(root, "--until-done") as one,
            sender.running(root, "--until-done") as two,
            sender.running(root, "--until-done") as three,
        ):
            until(lambda: post.look(db, mailing).finished_at, "the mailing to finish", seconds=60)
            assert {each.wait(30) for each in (one, two, three)} == {0}

    assert post.counts(db, mailing) == {"sent": 1_500}
    assert len(relay.recipients) == len(set(relay.recipients)) == 1_500
