"""The Till from the command line: its clock, its accidents, and what it says of itself."""

import re
from pathlib import Path
from typing import Any

import pytest

from connector import clock
from connector.database import Database
from connector.membership import plan, tiers
from connector.readers import signup
from connector.settings import Settings
from connector.till import desk, opening
from connector.till import store as drawers
from tests.cli import ledger
from tests.cli.conftest import Connector


@pytest.fixture
def at_the_till(configured: Settings, root: Path) -> Settings:
    """Settings as the command reads them, whose secret signs the events."""
    from connector import settings

    return settings.load(root)


def join(db: Database, settings: Settings, name: str = "ada", *, card: Any = "ok") -> str:
    """Somebody who pays $5 a month; their address."""
    now, client = clock.now(), opening.client(settings, db)
    who = signup.add(db, settings, email=f"{name}@example.org", now=now)
    choice = tiers.choose(settings, "supporter", every="month", amount="")
    urls = {
        "success_url": "https://letters.example.org/thanks",
        "cancel_url": "https://letters.example.org/",
    }
    made = plan.begin(db, settings, client, who, choice, now=now, **urls)
    assert desk.pay(db, settings, made.id, card=card, now=now).what == "paid"
    return who.email


def heard(db: Database) -> set[object]:
    """What the site has been told."""
    with db.read() as connection:
        assert drawers.waiting(connection) == []
    return {one for (one,) in ledger.rows(db, "SELECT type FROM webhook_events")}


# Its clock


def test_a_month_later_the_plan_is_paid_again(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till)

    early = connector("till", "advance", "1 month")
    said = connector("till", "advance", "2", "hours")

    assert "Nothing was paid, and nothing ended." in early.out
    assert said.code == 0
    assert re.search(r"\d+ \w+ \d{4}: ada@example.org paid \$5\.", said.out)
    assert "At the Till it is" in said.out
    assert "invoice.paid" in heard(db)


def test_half_a_year_brings_every_renewal_and_the_site_hears_of_each(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till)

    said = connector("till", "advance", "6 months")

    assert said.out.count("ada@example.org paid $5.") in (5, 6)
    assert "lost" not in states(db)


def states(db: Database) -> set[str]:
    with db.read() as connection:
        return {one.state for one in drawers.events(connection)}


def test_a_card_that_is_declined_ends_the_plan_after_its_retries(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till, card="later")

    said = connector("till", "advance", "2 months")

    assert "$5 from ada@example.org was declined. It is tried again on" in said.out
    *_, last_try, end, _now = said.out.splitlines()
    assert last_try.endswith("It is not tried again.")
    assert end.endswith("The plan of ada@example.org ended.")


def test_letters_are_written_on_the_day_they_are_owed(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till, card="later")

    connector("till", "advance", "2 months")

    told = {str(one) for (one,) in ledger.rows(db, "SELECT subject FROM letters")}
    assert "Your payment did not go through" in told
    assert any("ended" in one for one in told), told


def test_the_site_has_followed_what_it_heard(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till, card="later")
    connector("till", "deliver")

    connector("till", "advance", "2 months")

    assert ledger.rows(db, "SELECT status FROM subscriptions") == [("canceled",)]


def test_where_nothing_costs_anything_there_is_no_till(
    connector: Connector, db: Database, root: Path
) -> None:
    with (root / "connector.toml").open("a", encoding="utf-8") as toml:
        toml.write('\n[tiers.free]\nname = "Free"\n')

    said = connector("till")

    assert said.code == 1
    assert "Nothing can be paid for here" in said.err


def test_the_clock_may_be_turned_while_nobody_pays(connector: Connector, db: Database) -> None:
    said = connector("till", "advance", "3 days")

    assert said.code == 0
    assert "3 days ahead of the day" in connector("till").out


@pytest.mark.parametrize("words", ["soon", "0 days", "-1 month", "1 moon", "month"])
def test_a_span_that_is_none_is_explained(connector: Connector, db: Database, words: str) -> None:
    said = connector("till", "advance", "--", words)

    assert said.code == 1
    assert f"I cannot read “{words}” as a length of time. Try “1 month”" in said.err


def test_the_clock_turns_ten_years_at_most(connector: Connector, db: Database) -> None:
    said = connector("till", "advance", "11 years")

    assert said.code == 1
    assert "ten years at most" in said.err


# How it stands


def test_an_empty_till_says_so(connector: Connector, db: Database) -> None:
    said = connector("till")

    assert said.code == 0
    assert "0 plans, 0 ended, 0 checkouts open, 0 events waiting." in said.out


def test_it_shows_who_pays_and_what_was_paid(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till)

    said = connector("till", "show")

    assert re.search(r"ada@example.org\s+\$5 every month\s+active", said.out)
    assert re.search(r"ada@example.org\s+\$5\s+paid\s+ch_\w+", said.out)


# Accidents


def test_a_renewal_that_was_to_fail_fails_once(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till)

    told = connector("till", "fail", "declines")
    said = connector("till", "advance", "5 weeks")

    assert "The next renewal goes wrong" in told.out
    assert said.out.count("was declined") == 1
    assert said.out.count("ada@example.org paid $5.") == 1


def test_what_was_to_fail_can_be_mended(connector: Connector, db: Database) -> None:
    connector("till", "fail", "timeouts", "--times", "3")

    before = connector("till").out
    connector("till", "mend")

    assert "Still to come: 3 × timeouts." in before
    assert "Still to come" not in connector("till").out


def test_an_accident_nobody_knows_is_explained(connector: Connector, db: Database) -> None:
    said = connector("till", "fail", "floods")

    assert said.code == 2
    assert "declines" in said.err


def test_a_plan_may_stay_unpaid_after_the_last_retry(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till, card="later")

    connector("till", "last-try", "unpaid")
    connector("till", "advance", "50 days")

    assert re.search(r"ada@example.org\s+\$5 every month\s+unpaid", connector("till").out)


def test_a_new_card_pays_again(connector: Connector, db: Database, at_the_till: Settings) -> None:
    address = join(db, at_the_till, card="later")
    connector("till", "advance", "32 days")

    connector("till", "card", address, "ok")
    said = connector("till", "advance", "1 week")

    assert f"{address} paid $5." in said.out


def test_a_payment_is_given_back_by_address_or_number(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    address = join(db, at_the_till)
    (number,) = re.findall(r"ch_\w+", connector("till").out)

    part = connector("till", "refund", number, "--amount", "2")
    rest = connector("till", "refund", address)
    again = connector("till", "refund", address)

    assert f"{address} got $2 back." in part.out
    assert f"{address} got $3 back." in rest.out
    assert again.code == 1
    assert "refund.created" in heard(db)


def test_a_dispute_is_opened_and_decided(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    address = join(db, at_the_till)

    opened = connector("till", "dispute", address)
    said = connector("till", "decide", "won")

    assert f"{address} asked the bank for $5 back (du_" in opened.out
    assert f"The bank has decided about {address}: the dispute is won." in said.out
    assert "charge.dispute.closed" in heard(db)


def test_without_a_dispute_there_is_nothing_to_decide(connector: Connector, db: Database) -> None:
    said = connector("till", "decide", "lost")

    assert said.code == 1
    assert "No dispute is open." in said.err


def test_the_bank_may_warn(connector: Connector, db: Database, at_the_till: Settings) -> None:
    address = join(db, at_the_till)

    assert "may be a fraud" in connector("till", "warn", address).out


@pytest.mark.parametrize("command", [("refund",), ("dispute",), ("warn",)])
def test_who_never_paid_is_not_found(
    connector: Connector, db: Database, command: tuple[str, ...]
) -> None:
    said = connector("till", *command, "nobody@example.org")

    assert said.code == 1
    assert "Nothing was paid at the Till by “nobody@example.org”." in said.err


def test_events_may_arrive_in_a_mess(
    connector: Connector, db: Database, at_the_till: Settings
) -> None:
    join(db, at_the_till)

    said = connector("till", "deliver", "--shuffled", "--twice", "2", "--drop", "1", "--seed", "7")

    assert re.search(r"\d+ events taken, 0 not, 1 lost\.", said.out)


# Beside a key


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("show",),
        ("advance", "1 month"),
        ("fail", "declines"),
        ("mend",),
        ("last-try", "cancel"),
        ("card", "ada@example.org", "ok"),
        ("refund", "ada@example.org"),
        ("dispute", "ada@example.org"),
        ("decide", "won"),
        ("warn", "ada@example.org"),
        ("deliver",),
    ],
)
@pytest.mark.parametrize("key", ["sk_test_abc", "sk_live_abc"])
def test_beside_a_key_it_stays_closed(
    connector: Connector,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv("CONNECTOR_STRIPE_KEY", key)

    said = connector("till", *words)

    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "The Till stays closed beside a key of Stripe" in said.err
