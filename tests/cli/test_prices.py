"""`connector prices`: a changed price is for new members, until the writer says it is for all."""

from dataclasses import replace
from pathlib import Path

import pytest

from connector.membership import pricing, store
from connector.membership.pricing import Move
from connector.membership.stripe_api import Client
from connector.readers import signup
from connector.settings import Settings, load
from connector.till import desk, opening
from tests.cli.conftest import Connector
from tests.cli.ledger import rows
from tests.cli.terminal import SECRET, Terminal
from tests.membership.conftest import Life

TIERS = """
[tiers.supporter]
name = "Supporter"
monthly = "{}"
yearly = "50"

[tiers.founding]
name = "Founding member"
suggested = ["8", "12"]
minimum = "1"
"""
SECRETS = {"CONNECTOR_SECRET": SECRET}
PAYS = "SELECT cents FROM subscriptions WHERE status = 'active' ORDER BY created_at, cents"


def priced(root: Path, monthly: str) -> None:
    path = root / "connector.toml"
    before = path.read_text(encoding="utf-8").partition("\n[tiers.")[0]
    path.write_text(before + TIERS.format(monthly), encoding="utf-8")


@pytest.fixture
def lives(connector: Connector, life: Life, root: Path) -> list[Life]:
    """Three members: two supporters at $5, and a founding member at $12."""
    priced(root, "5")
    connector("stripe", "setup", "--yes")
    found = []
    for name, tier in (("ada", "supporter"), ("grace", "supporter"), ("alan", "founding")):
        somebody = signup.add(life.db, life.settings, email=f"{name}@example.org", now=life.start)
        one = replace(life, somebody=somebody)
        one.join(tier, amount="12" if tier == "founding" else "")
        one.hear()
        found.append(one)
    return found


def dearer(connector: Connector, root: Path) -> None:
    priced(root, "6")
    assert connector("stripe", "setup", "--yes").code == 0


def first_move(life: Life, root: Path) -> tuple[Settings, Client, Move]:
    """Whoever would be moved first, and at what."""
    settings = load(root, SECRETS)
    client = opening.client(settings, life.db)
    (one, *_) = [move for found in pricing.standing(client, settings) for move in found.moves]
    return settings, client, one


def test_a_changed_price_is_for_new_members(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    dearer(connector, root)

    said = connector("prices")

    table = [line.split() for line in said.out.splitlines()]
    assert table[1] == ["supporter", "$6", "a", "month", "$6", "a", "month", "2", "2"]
    assert table[2] == ["supporter", "$50", "a", "year", "$50", "a", "year", "0", "0"]
    assert rows(lives[0].db, PAYS) == [(500,), (500,), (1200,)]


def test_everyone_pays_the_new_price_from_their_renewal_on(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    dearer(connector, root)

    said = connector("prices", "--everyone", "--yes")

    assert (
        "2 members of Supporter will pay $6 a month instead of $5, from their renewal" in said.out
    )
    assert said.out.endswith("2 members will pay the new price.\n")
    ada, _, alan = lives
    with ada.db.read() as connection:
        assert [
            one.cents for one in store.payments_of(connection, ada.somebody.id, mode="till")
        ] == [500]
    ada.wait(32)
    ada.hear()
    with ada.db.read() as connection:
        paid = store.payments_of(connection, ada.somebody.id, mode="till")
        founding = store.payments_of(connection, alan.somebody.id, mode="till")
    assert [one.cents for one in paid] == [600, 500]
    assert [one.cents for one in founding] == [1200, 1200]


def test_the_second_time_there_is_nothing_to_do(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    dearer(connector, root)
    connector("prices", "--everyone", "--yes")

    said = connector("prices", "--everyone")

    assert said.code == 0, said
    assert said.out.endswith("pays the present one; nothing is to be done.\n")


def test_nobody_is_moved_without_a_yes(connector: Connector, lives: list[Life], root: Path) -> None:
    dearer(connector, root)

    assert "say --yes" in connector("prices", "--everyone").misunderstood
    with Terminal(root, "prices", "--everyone") as person:
        person.wait_for("Move 2 members to the new price?")
        assert person.give_up() == 130

    assert "2" in connector("prices").out.splitlines()[1].split()[-1:]


def test_whoever_leaves_keeps_the_price_until_they_are_gone(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    connector("members", "cancel", "ada@example.org", "--yes")
    dearer(connector, root)

    said = connector("prices", "--everyone", "--yes")

    assert said.out.endswith("1 member will pay the new price.\n")


def test_interrupted_it_goes_on_where_it_stopped(
    connector: Connector, lives: list[Life], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dearer(connector, root)
    move = pricing.move
    moved: list[object] = []

    def once(*given: object, now: int) -> bool:
        if moved:
            raise KeyboardInterrupt
        moved.append(given)
        return move(*given, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(pricing, "move", once)
    stopped = connector("prices", "--everyone", "--yes")
    monkeypatch.setattr(pricing, "move", move)

    assert stopped.code == 130
    assert "1 of 2 members moved. Run it again to go on from here." in stopped.err
    said = connector("prices", "--everyone", "--yes")
    assert said.out.endswith("1 member will pay the new price.\n")


def test_when_stripe_goes_away_it_says_how_far_it_came(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    dearer(connector, root)
    life = lives[0]
    settings, client, one = first_move(life, root)
    assert pricing.move(life.db, settings, client, one, now=life.start)
    desk.fail_next(life.db, "api error")

    assert "cannot be reached" in connector("prices", "--everyone", "--yes").error
    assert connector("prices", "--everyone", "--yes").out.endswith(
        "1 member will pay the new price.\n"
    )


def test_what_changed_meanwhile_stays_as_it_was_chosen(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    dearer(connector, root)
    life = lives[0]
    settings, client, one = first_move(life, root)
    client.v1.subscriptions.cancel(one.subscription_id)

    assert not pricing.move(life.db, settings, client, one, now=life.start)


def test_whoever_is_on_trial_pays_the_new_price_first(
    connector: Connector, life: Life, root: Path
) -> None:
    def set_price(monthly: str) -> None:
        text = (root / "connector.toml").read_text(encoding="utf-8").partition("\n[tiers.")[0]
        tier = f'\n[tiers.supporter]\nmonthly = "{monthly}"\ntrial_days = 14\n'
        (root / "connector.toml").write_text(text + tier, encoding="utf-8")
        assert connector("stripe", "setup", "--yes").code == 0

    set_price("5")
    trial = replace(life, settings=load(root, SECRETS))
    trial.join()
    trial.hear()
    set_price("6")

    assert connector("prices", "--everyone", "--yes").code == 0

    trial.wait(15)
    trial.hear()
    with life.db.read() as connection:
        paid = store.payments_of(connection, life.somebody.id, mode="till")
    assert [one.cents for one in paid] == [600, 0]


def test_first_the_price_has_to_be_at_stripe(
    connector: Connector, lives: list[Life], root: Path
) -> None:
    priced(root, "6")

    said = connector("prices", "--everyone", "--yes")

    assert "First run: connector stripe setup" in said.error


def test_a_tier_without_a_price_is_named(connector: Connector, life: Life) -> None:
    said = connector("prices", "--tier", "founding")

    assert said.error == "No tier “founding” of connector.toml has a price."
