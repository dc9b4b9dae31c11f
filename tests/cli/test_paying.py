"""`connector status` and `connector doctor` say how payments stand, where anything can be paid for."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from connector import clock
from connector.cli import paying
from connector.clock import HOUR
from connector.database import Database
from connector.membership import projection, store
from connector.settings import Settings, Stripe, TierSettings
from tests.cli import terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import Said
from tests.membership.conftest import Life
from tests.membership.post import written
from tests.waiting import until

FREE = '\n[tiers.free]\nname = "Free"\n'


def line(said: Said, words: str) -> str:
    (found,) = (one for one in said.out.splitlines() if words in one)
    return found


def sync_said(db: Database, said: str, *, failures: int = 0) -> None:
    now = clock.now()
    with db.write() as tx:
        store.insert_round(tx, "sync", due_at=now)
        store.take_round(tx, "sync", holder="a", now=now, until=now + HOUR, latest=now + HOUR)
        store.end_round(tx, "sync", holder="a", due_at=now, failures=failures, said=said, now=now)


def test_while_nobody_was_there_the_status_says_nothing(connector: Connector) -> None:
    assert "Payments" not in connector("status").out


def test_the_status_says_how_payments_stand(connector: Connector, life: Life) -> None:
    life.join()
    life.deliver()

    said = line(connector("status"), "Payments")

    assert "played by the Till, no money moves" in said
    assert f"last event: {clock.moment(clock.now()):%Y-}" in said
    assert "events waiting" in said


def test_what_the_night_found_is_named(connector: Connector, life: Life) -> None:
    life.join()
    sync_said(life.db, "sub_1: was not known.\nsub_2: status was active, is canceled.")

    assert "found 2 differences" in line(connector("status"), "Payments")
    assert "connector stripe sync" in line(connector("doctor"), "differences")


def test_the_doctor_says_that_no_money_moves(connector: Connector, db: Database) -> None:
    assert "the Till stands in" in connector("doctor").out


@pytest.mark.parametrize("tiers", [FREE])
def test_where_nothing_costs_anything_nothing_is_said(
    connector: Connector, root: Path, db: Database, tiers: str
) -> None:
    with (root / "connector.toml").open("a", encoding="utf-8") as file:
        file.write(tiers)

    assert "✓ Payments" in connector("doctor").out
    assert "Payments" not in connector("status").out


def test_a_missing_secret_is_named_with_its_cure(db: Database, configured: Settings) -> None:
    account = replace(configured, stripe=Stripe(key="sk_test_1"))

    (said,) = paying.ailments(db, account)

    assert "CONNECTOR_STRIPE_WEBHOOK_SECRET" in said
    assert "connector stripe setup" in said


def test_rounds_that_keep_failing_are_named(db: Database, configured: Settings) -> None:
    sync_said(db, "Stripe does not accept our key.", failures=3)

    said = list(paying.ailments(db, replace(configured, stripe=Stripe(key="sk_test_1"))))

    assert any("“sync” failed 3 times: Stripe does not accept our key." in one for one in said)


def test_events_that_fail_are_counted(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("id")

    monkeypatch.setattr(projection, "project", broken)
    life.join()
    life.hear()

    assert any("after a failure" in one for one in paying.ailments(life.db, life.settings))


def test_a_site_without_tiers_is_left_alone(db: Database, configured: Settings) -> None:
    free = replace(configured, tiers=(TierSettings("free", name="Free"),))

    assert list(paying.ailments(db, free)) == []
    assert paying.standing(db, free) == ""


def test_a_sender_follows_what_waits_and_stops_when_told(root: Path, life: Life) -> None:
    life.join()
    life.deliver()

    with terminal.running(root, "work") as process:
        until(lambda: len(written(life.db)) == 2, "the letters")
        process.send_signal(signal.SIGTERM)
        _, err = terminal.rest(process)

    assert (process.returncode, err) == (0, "")
    assert [one.about for one in written(life.db)] == ["joined", "joined"]


LOOKING = """
import sys
from pathlib import Path
from connector import database, settings
from connector.cli import paying
from connector.membership import store

told = settings.load(Path(sys.argv[1]))
db = database.open(told.database)
done = set()
with paying.rounds(db, told):
    while told.takes_payments and len(done) < 3:
        with db.read() as connection:
            done = {name for name, one in store.rounds(connection).items() if one.done_at}
db.close()
print(len(done), "stripe" in sys.modules)
"""


@pytest.mark.parametrize(("more", "said"), [("", "3 False"), (FREE, "0 False")])
def test_stripe_is_not_loaded_where_nobody_ever_paid(
    root: Path, db: Database, more: str, said: str
) -> None:
    with (root / "connector.toml").open("a", encoding="utf-8") as file:
        file.write(more)

    looked = subprocess.run(
        [sys.executable, "-c", LOOKING, root],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert looked.stdout.strip() == said
