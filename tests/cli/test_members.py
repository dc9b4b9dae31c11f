"""Members, from the terminal: who is one and why; money moves only with a yes, and only once."""

import csv
import json

import pytest

from connector.database import Database
from connector.membership import store
from connector.membership.billing import Payment, Subscription
from connector.till import desk
from tests.cli.conftest import Connector
from tests.cli.ledger import rows
from tests.cli.terminal import Terminal
from tests.conftest import People
from tests.membership.conftest import Life

ADA = "ada@example.org"
BACK = "SELECT cents, status FROM refunds ORDER BY id"


def plan(life: Life) -> Subscription:
    with life.db.read() as connection:
        (found,) = store.subscriptions_of(connection, life.somebody.id, mode="till")
    return found


def payments(life: Life) -> list[Payment]:
    with life.db.read() as connection:
        return store.payments_of(connection, life.somebody.id, mode="till")


@pytest.fixture
def joined(life: Life) -> Life:
    life.join()
    life.hear()
    return life


# Who is one


def test_members_are_shown_with_what_they_pay(connector: Connector, joined: Life) -> None:
    said = connector("members", "list")

    lines = said.out.splitlines()
    assert lines[0].split() == ["Address", "Kind", "Tier", "Pays", "Since", "Until"]
    assert any(line.split()[:6] == [ADA, "paid", "supporter", "$5", "a", "month"] for line in lines)
    assert any(line.split()[:3] == ["bea@example.org", "complimentary", "member"] for line in lines)
    assert lines[-1] == "2 members."
    assert connector("members", "list", "--kind", "paid").out.endswith("\n1 member.\n")


def test_members_can_be_taken_elsewhere(connector: Connector, joined: Life) -> None:
    table = list(csv.DictReader(connector("members", "list", "--csv").out.splitlines()))
    told = json.loads(connector("members", "list", "--json").out)

    assert [dict(row) for row in table] == told
    paid = next(row for row in told if row["kind"] == "paid")
    assert (paid["address"], paid["amount"], paid["currency"]) == (ADA, "5", "usd")


def test_no_cell_of_the_table_is_a_formula(
    connector: Connector, db: Database, people: People, now: int
) -> None:
    with db.write() as tx:
        tx.run("UPDATE subscribers SET name = '=1+1' WHERE id = :id", id=people.bea.id)

    assert "'=1+1" in connector("members", "list", "--csv").out


def test_everything_about_somebody_is_told(connector: Connector, joined: Life) -> None:
    said = connector("members", "show", ADA)

    assert said.out.startswith(f"{ADA} (Ada), active\n  paid member (supporter) since ")
    assert f"  plan {plan(joined).id}: supporter, $5 a month, runs, next on " in said.out
    (payment,) = payments(joined)
    assert f"  payment {payment.id}: $5 on " in said.out
    told = json.loads(connector("members", "show", ADA, "--json").out)
    assert told["is_member"] is True
    assert told["plans"][0]["amount"] == "5"
    assert told["payments"][0]["given_back"] == "0"


def test_whoever_is_no_member_is_told_of_too(connector: Connector, people: People) -> None:
    assert connector("members", "show", ADA).out == f"{ADA} (Ada), active\n  no member now\n"


@pytest.mark.parametrize(
    "words", [["show"], ["refund", "--yes"], ["cancel", "--yes"]], ids=" ".join
)
def test_somebody_unknown_is_named(connector: Connector, people: People, words: list[str]) -> None:
    assert connector("members", *words, "zoe@example.org").error == (
        "zoe@example.org is not on the list."
    )
    assert "is not an email address" in connector("members", *words, "zoe").error


# Money back


def test_a_payment_is_given_back_whole(connector: Connector, db: Database, joined: Life) -> None:
    said = connector("members", "refund", ADA, "--yes")

    assert said.code == 0, said
    assert said.out == (
        f"$5 goes back to {ADA}. It can take ten days to arrive.\n"
        f"The membership goes on. To end it: connector members cancel {ADA} --now\n"
    )
    assert rows(db, BACK) == [(500, "succeeded")]
    assert "$5 given back" in connector("members", "show", ADA).out


def test_nothing_is_given_back_without_a_yes(
    connector: Connector, db: Database, joined: Life
) -> None:
    assert "say --yes" in connector("members", "refund", ADA).misunderstood
    assert rows(db, BACK) == []


def test_what_is_given_back_is_shown_before(root: object, db: Database, joined: Life) -> None:
    with Terminal(joined.settings.root, "members", "refund", ADA, "--amount", "2") as person:
        person.wait_for("Give $2 of the $5 of ")
        person.wait_for(f" back to {ADA}?")
        person.type("n\n")
        assert person.end() == 130

    assert rows(db, BACK) == []


def test_a_part_is_given_back_and_never_more_than_was_paid(
    connector: Connector, db: Database, joined: Life
) -> None:
    assert connector("members", "refund", ADA, "--amount", "2", "--yes").code == 0

    said = connector("members", "refund", ADA, "--amount", "3.50", "--yes")

    assert said.error == "At most $3 of this payment can be given back."
    assert connector("members", "refund", ADA, "--yes").out.startswith("$3 goes back")
    again = connector("members", "refund", ADA, "--yes")
    assert again.error == f"Everything that {ADA} paid was given back already."
    assert sorted(rows(db, BACK)) == [(200, "succeeded"), (300, "succeeded")]


@pytest.mark.parametrize("amount", ["0", "-1", "five", "1.234"])
def test_an_amount_that_is_none_is_one_sentence(
    connector: Connector, db: Database, joined: Life, amount: str
) -> None:
    assert connector("members", "refund", ADA, "--yes", f"--amount={amount}").error
    assert rows(db, BACK) == []


def test_a_payment_can_be_named(connector: Connector, db: Database, joined: Life) -> None:
    joined.wait(31)
    joined.hear()
    newest, first = payments(joined)

    assert connector("members", "refund", ADA, "--payment", first.id, "--yes").code == 0

    assert rows(db, "SELECT intent_id FROM refunds") == [(first.intent_id,)]
    assert newest.intent_id != first.intent_id
    assert (
        "made no payment in_none"
        in connector("members", "refund", ADA, "--payment", "in_none", "--yes").error
    )


def test_whoever_paid_nothing_gets_nothing_back(connector: Connector, people: People) -> None:
    assert connector("members", "refund", ADA, "--yes").error == (
        f"{ADA} has paid nothing that could be given back."
    )


# Leaving


def test_a_membership_ends_with_what_was_paid_for(connector: Connector, joined: Life) -> None:
    said = connector("members", "cancel", ADA, "--yes")

    assert said.out == (
        f"{ADA} stays a member until then, pays nothing any more, and is still on the list.\n"
    )
    assert plan(joined).is_leaving
    assert "leaves on " in connector("members", "cancel", ADA).out
    assert "then ends" in connector("members", "show", ADA).out


def test_a_membership_ends_at_once(connector: Connector, joined: Life) -> None:
    said = connector("members", "cancel", ADA, "--now", "--yes")

    assert said.out == f"{ADA} pays nothing any more, and is still on the list.\n"
    assert plan(joined).status == "canceled"
    assert connector("members", "cancel", ADA, "--yes").error == f"{ADA} has no paid membership."


def test_nothing_ends_without_a_yes(connector: Connector, joined: Life) -> None:
    assert "say --yes" in connector("members", "cancel", ADA, "--now").misunderstood
    assert plan(joined).is_live
    assert not plan(joined).is_leaving


def test_what_was_given_is_not_cancelled_but_ended(connector: Connector, people: People) -> None:
    said = connector("members", "cancel", "bea@example.org", "--yes")

    assert said.error == (
        "bea@example.org has no paid membership. "
        "What you gave them ends with: connector members end bea@example.org"
    )


def test_when_stripe_is_away_nothing_has_changed(connector: Connector, joined: Life) -> None:
    desk.fail_next(joined.db, "api error", times=9)

    said = connector("members", "cancel", ADA, "--now", "--yes")

    assert said.error.startswith("Stripe cannot be reached at the moment.")
    desk.mend(joined.db)
    assert plan(joined).is_live


# How it stands together


def test_figures_are_told_in_words_and_a_table(connector: Connector, joined: Life) -> None:
    said = connector("members", "figures", "--months", "2")

    lines = said.out.splitlines()
    assert lines[0] == "2 members: 1 paying, 0 by a gift, 1 by your own word."
    assert lines[1] == "A month brings in $5."
    assert lines[2].split("  ")[0] == "Month"
    assert len(lines) == 5
    assert lines[3].split()[1:] == ["0", "1", "0", "$5"]
    assert "\x1b" not in said.out


def test_figures_can_be_taken_elsewhere(connector: Connector, joined: Life) -> None:
    told = json.loads(connector("members", "figures", "--json").out)

    assert (told["members"], told["paying"], told["recurring"]) == (2, 1, {"usd": "5"})
    assert len(told["months"]) == 6
    assert told["months"][0]["came_in"] == {"usd": "5"}
    assert told["months"][0]["churn_percent"] is None


def test_figures_of_nobody_are_no_error(connector: Connector, db: Database) -> None:
    said = connector("members", "figures")

    assert said.out.startswith("0 members: ")
    assert "A month brings in nothing." in said.out


# Given by the writer


def test_a_membership_is_given_extended_and_ended(
    connector: Connector, db: Database, readers: tuple[str, ...]
) -> None:
    ada = readers[0]

    assert connector("members", "comp", ada).out == f"{ada} is a member.\n"
    assert "for good" in connector("members", "list").out
    said = connector("members", "comp", ada, "--until", "2099-01-31")
    assert said.out == f"{ada} is a member until 31 January 2099.\n"
    assert "2099-01-31" in connector("members", "list").out
    assert connector("members", "end", ada).code == 0
    assert connector("members", "list").out == "0 members.\n"
    assert rows(db, "SELECT state FROM subscribers WHERE email = :ada", ada=ada) == [("active",)]


@pytest.mark.parametrize("until", ["2020-01-01", "soon"])
def test_a_membership_needs_an_end_that_is_to_come(
    connector: Connector, db: Database, readers: tuple[str, ...], until: str
) -> None:
    assert connector("members", "comp", readers[0], "--until", until).error
    assert connector("members", "list").out == "0 members.\n"


def test_a_membership_that_is_none_cannot_end(
    connector: Connector, db: Database, readers: tuple[str, ...]
) -> None:
    assert "nothing to end" in connector("members", "end", readers[0]).error
