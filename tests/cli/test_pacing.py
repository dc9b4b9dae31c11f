"""How fast letters leave, as the writer is told before a publish and by `status`."""

import dataclasses
from pathlib import Path

import pytest

from connector import clock
from connector.cli import pacing
from connector.clock import HOUR, MINUTE
from connector.database import Database
from connector.delivery import ledger as post_office
from connector.delivery import pace
from connector.delivery.outcome import judge
from connector.delivery.pace import Pace
from connector.settings import RelaySettings, Settings
from tests.cli import ledger
from tests.cli.conftest import Connector
from tests.conftest import TOML
from tests.delivery import post
from tests.fakes.smtp import FakeRelay
from tests.stories import sender

RATE_LIMITED = judge(421, "4.7.28 unusual rate of mail", stage="content")
ENOUGH = judge(454, "Throttling failure: Maximum sending rate exceeded.", stage="content")


def at_google(db: Database) -> None:
    with db.write() as tx:
        tx.run("UPDATE deliveries SET address_key = 'reader' || id || '@gmail.com' WHERE id <= 2")


def warmed(configured: Settings, first: str) -> Settings:
    wanted = dataclasses.replace(configured.pace, warmup=first)
    return dataclasses.replace(configured, pace=wanted)


# Before a publish


def test_the_time_letters_leave_over_is_kept_with_the_mailing(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue, "--over", "2h", "--at", "in 2 hours", "--yes")

    assert "  Pace      spread evenly over 2 h 0 min\n" in said.out
    assert ledger.rows(db, "SELECT spread FROM mailings") == [(2 * HOUR,)]


def test_what_leaves_later_is_told_when_nobody_looks_on(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue, "--over", "6h", "--yes")

    assert (said.code, said.err) == (0, "")
    assert "1 letter of 3 sent.\n2 still to be sent.\n" in said.out
    assert "Mailing 1, the-bench leaves over 6 h 0 min; its next letters at " in said.out
    assert said.out.endswith("They leave as long as a sender runs: connector serve, or work.\n")
    assert sum(ledger.in_the_tray(db).values()) == 1


def test_the_settings_can_spread_every_issue(
    connector: Connector, root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    (root / "connector.toml").write_text(f"{TOML}\n[pace]\nspread = 30\n")

    connector("publish", issue, "--at", "in 2 hours", "--yes")

    assert ledger.rows(db, "SELECT spread FROM mailings") == [(30 * MINUTE,)]


@pytest.mark.parametrize("over", ["soon", "2", "0h", "60 days"])
def test_what_is_no_length_of_time_publishes_nothing(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...], over: str
) -> None:
    said = connector("publish", issue, "--over", over, "--yes")

    assert (said.code, said.err.count("\n")) == (1, 1)
    assert f"I cannot read “{over}” as a length of time." in said.err
    assert ledger.is_empty(db)


def test_a_correction_is_not_spread(connector: Connector, issue: Path, db: Database) -> None:
    said = connector("publish", issue, "--correction", "--over", "2h", "--yes")

    assert said.code == 2
    assert "leaves at once" in said.err


def test_the_writer_is_told_how_long_a_new_domain_takes(
    db: Database, configured: Settings, now: int
) -> None:
    new = warmed(configured, f"{clock.moment(now):%Y-%m-%d}")

    assert pacing.expected(db, new, 150, spread=0, at=now) == [
        "the domain’s day 1: 200 letters may leave"
    ]
    assert pacing.expected(db, new, 900, spread=0, at=now) == [
        "the domain’s day 1: 200 letters may leave, so it takes 3 days"
    ]


def test_the_writer_is_told_how_long_the_relays_take(
    db: Database, configured: Settings, now: int
) -> None:
    slow = dataclasses.replace(
        configured,
        mail=dataclasses.replace(configured.mail, host="127.0.0.1", security="none"),
        pace=dataclasses.replace(configured.pace, rate=60),
        further_relays=(RelaySettings("second", "127.0.0.1", rate=40),),
    )

    assert pacing.expected(db, slow, 5_000, spread=0, at=now) == [
        "100 a minute, so the last leaves after about 50 min 0 s"
    ]
    assert pacing.expected(db, slow, 100, spread=0, at=now) == []
    assert pacing.expected(db, configured, 5_000, spread=0, at=now) == []


# While it leaves


def test_status_says_who_wants_fewer_letters(
    connector: Connector, db: Database, configured: Settings
) -> None:
    now = clock.now()
    post.mail(db, 3, now=now)
    at_google(db)
    Pace(db, configured).hear(RATE_LIMITED, address="a@gmail.com", relay="r", now=now)
    Pace(db, configured).hear(ENOUGH, address="a@gmail.com", relay="r:25", now=now)

    said = connector("status").out

    assert "google: 60 a minute since it asked us to slow down; 2 letters wait.\n" in said
    assert "r:25: 60 letters a minute since it asked us to slow down.\n" in said


def test_a_limit_of_ones_own_is_told_when_somebody_waits_for_it(
    db: Database, configured: Settings, now: int
) -> None:
    wanted = dataclasses.replace(configured.pace, domains=(("google", 600), ("gmx", 60)))
    limited = dataclasses.replace(configured, pace=wanted)
    post.mail(db, 3, now=now)
    at_google(db)

    assert pacing.standing(db, limited, now=now) == [
        "google: 600 a minute, as you set it; 2 letters wait."
    ]
    assert pacing.standing(db, limited, now=now, is_quick=True) == []


def test_one_letter_that_waits_is_told_in_the_singular(
    db: Database, configured: Settings, now: int
) -> None:
    post.mail(db, 1, now=now)
    at_google(db)
    Pace(db, configured).hear(RATE_LIMITED, address="a@gmail.com", relay="r", now=now)

    (said,) = pacing.standing(db, configured, now=now)

    assert said.endswith("; 1 letter waits.")


def test_status_says_how_the_new_domain_stands(
    db: Database, configured: Settings, now: int
) -> None:
    new = warmed(configured, f"{clock.moment(now):%Y-%m-%d}")
    post.mail(db, 1, now=now)
    letters = [*post_office.due(db, held := post.take(db, now=now), now=now)] * 200
    Pace(db, new).turns(held, letters[:150], now=now)

    before = pacing.standing(db, new, now=now)
    Pace(db, new).turns(held, letters, now=now)
    after = pacing.standing(db, new, now=now)

    assert before == ["The domain’s day 1: 150 of 200 letters have left."]
    assert after == ["The domain’s day 1: 200 of 200 letters have left; the rest goes on tomorrow."]


def test_status_says_when_the_next_letters_leave(
    db: Database, configured: Settings, now: int
) -> None:
    post.mail(db, 1, now=now)
    held = post.take(db, now=now)
    post_office.put_off(db, held, worker="anna", again_at=now + HOUR, taken_at=now, now=now)

    assert pacing.standing(db, configured, now=now) == [
        f"Mailing 1, bench: its next letters at {clock.moment(now + HOUR):%A, %H:%M:%S}."
    ]


def test_a_mailing_without_limits_is_told_without_a_word(
    db: Database, configured: Settings, now: int
) -> None:
    post.mail(db, 3, now=now)

    assert pacing.standing(db, configured, now=now) == []
    with db.read() as connection:
        assert pace.limits(connection, configured, now=now) == []


# Several relays


def test_the_doctor_greets_every_relay(connector: Connector, root: Path, db: Database) -> None:
    with FakeRelay().in_thread() as relay, FakeRelay().in_thread() as other:
        sender.relayed(root, relay)
        toml = root / "connector.toml"
        second = f'\n[relays.second]\nhost = "127.0.0.1"\nsecurity = "none"\nport = {other.relay().port}\n'
        toml.write_text(toml.read_text() + second)
        whole = connector("doctor", "--nameserver", "127.0.0.1:1")

        toml.write_text(toml.read_text().replace(f"port = {other.relay().port}", "port = 1"))
        broken = connector("doctor", "--nameserver", "127.0.0.1:1")

    assert "✓ The relay\n" in whole.out
    assert (
        "✗ The relay: The relay 127.0.0.1:1 does not answer: check [relays.second] host"
        in broken.out
    )
    assert broken.code == 1


def test_status_names_every_relay_that_is_away(
    connector: Connector, root: Path, db: Database
) -> None:
    toml = root / "connector.toml"
    toml.write_text(
        f'{TOML}\n[mail]\nhost = "smtp.example.org"\n[relays.second]\nhost = "smtp.example.net"\n'
    )
    for name in ("smtp.example.org:587", "second"):
        post_office.relay_broke(db, name, why=f"{name} is away.", now=clock.now())

    said = connector("status").out

    assert "smtp.example.org:587 is away.\n  Next try at" in said
    assert "second is away.\n  Next try at" in said
