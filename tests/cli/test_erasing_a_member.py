"""Erasing somebody who pays, from the terminal: what they pay for ends first, or nothing happens."""

from connector.membership import stripe_api
from connector.readers import listing
from connector.till import desk
from tests.cli.conftest import Connector
from tests.membership.conftest import Life

ADA = "ada@example.org"


def test_what_they_pay_for_ends_first(connector: Connector, life: Life) -> None:
    life.join()
    life.hear()

    said = connector("readers", "erase", ADA, "--yes")

    assert said.out.startswith("Erased.")
    assert listing.by_email(life.db, ADA) is None
    assert [one["status"] for one in stripe_api.subscriptions(life.client)] == ["canceled"]


def test_while_stripe_is_away_nothing_is_erased(connector: Connector, life: Life) -> None:
    life.join()
    life.hear()
    desk.fail_next(life.db, "api error", times=20)

    said = connector("readers", "erase", ADA, "--yes")

    assert "othing was erased" in said.error
    assert listing.by_email(life.db, ADA) is not None
