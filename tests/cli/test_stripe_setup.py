"""`connector stripe setup`: what the tiers need at Stripe is shown, made once, and kept up to date."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector import clock
from connector.database import Database
from connector.membership import setup, stripe_account, stripe_api
from connector.membership.stripe_api import EVENTS, Client
from connector.settings import Settings
from connector.till import desk, opening
from connector.till.transport import TillClient
from tests.cli.conftest import Connector
from tests.cli.terminal import Terminal
from tests.database.tables import dump

SITE = "letters.example.org"
HOOK = f"https://{SITE}/hooks/stripe"
TIERS = '[tiers.supporter]\nname = "Supporter"\nmonthly = "{}"\nyearly = "50"\n'


@pytest.fixture
def client(db: Database, configured: Settings) -> Client:
    return opening.client(configured, db)


def priced(root: Path, monthly: str) -> None:
    """Set what a month of the supporter costs."""
    path = root / "connector.toml"
    before = path.read_text(encoding="utf-8").partition("[tiers.")[0]
    path.write_text(before + TIERS.format(monthly), encoding="utf-8")


def price(client: Client, key: str = "supporter-month-usd") -> Any:
    return stripe_account.prices(client, [f"{SITE}-{key}"])[f"{SITE}-{key}"]


def test_everything_the_tiers_need_is_made_once(connector: Connector, client: Client) -> None:
    first = connector("stripe", "setup", "--yes")
    second = connector("stripe", "setup")

    assert first.code == 0, first
    assert "  + product letters.example.org-supporter: The Commons Desk: Supporter\n" in first.out
    assert "  + price letters.example.org-supporter-year-usd: $50 a year\n" in first.out
    assert first.out.endswith("Done: 6 steps.\n")
    assert second.code == 0, second
    assert second.out.endswith("everything is set up, nothing is to be done.\n")
    assert price(client)["unit_amount"] == 500


def test_what_readers_fill_in_themselves_has_no_price(connector: Connector, client: Client) -> None:
    said = connector("stripe", "setup", "--yes")

    assert "product letters.example.org-founding" in said.out
    assert "price letters.example.org-founding" not in said.out
    assert "-tip" not in said.out
    assert "-free" not in said.out


def test_the_webhook_hears_of_what_we_follow_in_our_version(
    connector: Connector, client: Client
) -> None:
    connector("stripe", "setup", "--yes")

    (endpoint,) = stripe_account.endpoints(client)

    assert endpoint["url"] == HOOK
    assert set(endpoint["enabled_events"]) == set(EVENTS)
    assert endpoint["api_version"] == stripe_api.version()


def test_in_the_portal_plans_are_not_ended_or_changed(
    connector: Connector, client: Client, configured: Settings
) -> None:
    connector("stripe", "setup", "--yes")

    found = stripe_api.own_portal(client, configured)

    assert found is not None
    on = {name for name, one in found["features"].items() if one["enabled"]}
    assert on == {"customer_update", "invoice_history", "payment_method_update"}
    assert "tax_id" in found["features"]["customer_update"]["allowed_updates"]


def test_nothing_is_made_without_a_yes(connector: Connector, client: Client) -> None:
    said = connector("stripe", "setup")

    assert "say --yes" in said.misunderstood
    assert stripe_account.endpoints(client) == []
    assert stripe_account.product(client, f"{SITE}-supporter") is None


def test_somebody_who_thinks_again_has_made_nothing(
    root: Path, client: Client, configured: Settings
) -> None:
    with Terminal(root, "stripe", "setup") as person:
        person.wait_for("Do this?")
        assert person.give_up() == 130

    assert stripe_account.endpoints(client) == []


def test_a_changed_price_is_a_new_one_under_the_same_key(
    connector: Connector, client: Client, root: Path
) -> None:
    priced(root, "5")
    connector("stripe", "setup", "--yes")
    before = price(client)
    priced(root, "6")

    said = connector("stripe", "setup", "--yes")

    assert (
        "  ~ price letters.example.org-supporter-month-usd: $6 a month for new members "
        "(who pays $5 goes on paying it)\n"
    ) in said.out
    assert said.out.endswith("Done: 1 step.\n")
    assert price(client)["unit_amount"] == 600
    assert price(client)["id"] != before["id"]


def test_a_tier_that_is_called_otherwise_is_called_so_at_stripe(
    connector: Connector, client: Client, root: Path
) -> None:
    priced(root, "5")
    connector("stripe", "setup", "--yes")
    path = root / "connector.toml"
    path.write_text(path.read_text().replace('name = "Supporter"', 'name = "Friend"'))

    said = connector("stripe", "setup", "--yes")

    assert "(was called The Commons Desk: Supporter)" in said.out
    assert stripe_account.product(client, f"{SITE}-supporter")["name"] == "The Commons Desk: Friend"  # type: ignore[index]


def test_a_webhook_that_was_changed_by_hand_is_put_right(
    connector: Connector, client: Client
) -> None:
    connector("stripe", "setup", "--yes")
    (endpoint,) = stripe_account.endpoints(client)
    stripe_account.update_endpoint(
        client, endpoint["id"], {"enabled_events": ["invoice.paid"], "disabled": True}
    )

    said = connector("stripe", "setup", "--yes")

    assert f"({len(EVENTS) - 1} kinds were missing, was switched off)" in said.out
    (endpoint,) = stripe_account.endpoints(client)
    assert endpoint["status"] == "enabled"
    assert set(endpoint["enabled_events"]) == set(EVENTS)


def test_a_webhook_made_by_hand_becomes_ours_and_strangers_stay(
    connector: Connector, client: Client
) -> None:
    for url in (HOOK, "https://shop.example.com/stripe"):
        stripe_account.create_endpoint(
            client,
            {"url": url, "enabled_events": list(EVENTS), "api_version": stripe_api.version()},
        )

    said = connector("stripe", "setup", "--yes")

    assert "(was made by hand)" in said.out
    found = {one["url"]: one.get("metadata") for one in stripe_account.endpoints(client)}
    assert found == {HOOK: {"site": SITE}, "https://shop.example.com/stripe": {}}


def test_a_webhook_of_an_older_version_is_replaced(connector: Connector, client: Client) -> None:
    stripe_account.create_endpoint(
        client,
        {
            "url": HOOK,
            "enabled_events": list(EVENTS),
            "api_version": "2026-04-22.dahlia",
            "metadata": {"site": SITE},
        },
    )

    said = connector("stripe", "setup", "--yes")

    assert "(was API 2026-04-22.dahlia)" in said.out
    assert "  - webhook" in said.out
    (endpoint,) = stripe_account.endpoints(client)
    assert endpoint["api_version"] == stripe_api.version()
    assert connector("stripe", "setup").out.endswith("nothing is to be done.\n")


def test_stopped_half_way_it_goes_on_from_there(
    connector: Connector, client: Client, configured: Settings
) -> None:
    for step in setup.find(client, configured).steps[:2]:
        step.make()

    said = connector("stripe", "setup", "--yes")

    assert said.out.endswith("Done: 4 steps.\n")
    assert connector("stripe", "setup").out.endswith("nothing is to be done.\n")


def test_when_stripe_is_away_it_is_one_sentence(
    connector: Connector, db: Database, client: Client
) -> None:
    desk.fail_next(db, "api error")

    said = connector("stripe", "setup", "--yes")

    assert said.error == (
        "Stripe cannot be reached at the moment. Please try again in a few minutes."
    )


def test_the_till_has_no_secret_to_show(connector: Connector, root: Path, db: Database) -> None:
    said = connector("stripe", "setup", "--yes")

    assert "whsec_" not in said.out + said.err
    assert "no secret" in connector("stripe", "setup", "--new-secret").misunderstood


@pytest.fixture
def _with_a_key(db: Database, configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside a key for Stripe's test mode; only the wire is the Till's."""
    import stripe

    def client(_: Settings, __: Database) -> Client:
        transport = TillClient(db, configured, clock.now)
        made: Client = stripe.StripeClient("sk_test_1", http_client=transport)
        return made

    monkeypatch.setenv("CONNECTOR_STRIPE_KEY", "sk_test_1")
    monkeypatch.setattr(opening, "client", client)


@pytest.mark.usefixtures("_with_a_key")
def test_the_signing_secret_is_shown_once_with_what_to_do(
    connector: Connector, configured: Settings
) -> None:
    said = connector("stripe", "setup", "--yes")

    assert said.out.count(configured.webhook_secret) == 1
    assert "Give it to the server as CONNECTOR_STRIPE_WEBHOOK_SECRET" in said.out
    again = connector("stripe", "setup")
    assert "whsec_" not in again.out
    assert "The webhook’s signing secret is not set here" in again.out


@pytest.mark.usefixtures("_with_a_key")
def test_the_signing_secret_goes_to_a_file_that_only_the_operator_can_read(
    connector: Connector, configured: Settings, root: Path
) -> None:
    file = root / "webhook-secret"

    said = connector("stripe", "setup", "--yes", "--secret-file", file)

    assert "whsec_" not in said.out + said.err
    assert f"Set CONNECTOR_STRIPE_WEBHOOK_SECRET_FILE={file} for the server" in said.out
    assert file.read_text() == f"{configured.webhook_secret}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.usefixtures("_with_a_key")
def test_no_file_is_overwritten_and_none_is_left_empty(
    connector: Connector, client: Client, root: Path
) -> None:
    before = (root / "connector.toml").read_bytes()

    said = connector("stripe", "setup", "--yes", "--secret-file", root / "connector.toml")

    assert "exists already" in said.error
    assert (root / "connector.toml").read_bytes() == before
    assert stripe_account.endpoints(client) == []
    connector("stripe", "setup", "--yes")
    priced(root, "6")
    connector("stripe", "setup", "--yes", "--secret-file", root / "unused")
    assert not (root / "unused").exists()


@pytest.mark.usefixtures("_with_a_key")
def test_a_lost_secret_is_replaced(
    connector: Connector, client: Client, configured: Settings
) -> None:
    connector("stripe", "setup", "--yes")
    (before,) = stripe_account.endpoints(client)

    said = connector("stripe", "setup", "--yes", "--new-secret")

    assert "(with a new signing secret)" in said.out
    assert said.out.count(configured.webhook_secret) == 1
    (after,) = stripe_account.endpoints(client)
    assert after["id"] != before["id"]


@pytest.mark.usefixtures("_with_a_key")
def test_a_site_on_this_machine_gets_no_webhook(
    connector: Connector, client: Client, root: Path
) -> None:
    path = root / "connector.toml"
    path.write_text(
        path.read_text().replace("https://letters.example.org", "http://localhost:8000")
    )

    said = connector("stripe", "setup", "--yes")

    assert "Stripe cannot reach http://localhost:8000/hooks/stripe" in said.out
    assert "stripe listen --forward-to http://localhost:8000/hooks/stripe" in said.out
    assert stripe_account.endpoints(client) == []


def test_a_key_that_stripe_does_not_take_is_one_sentence_without_it(
    connector: Connector, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stripe

    def refuse(*_: object, **__: object) -> None:
        raise stripe.AuthenticationError("Invalid API Key provided: sk_test_*1", http_status=401)

    monkeypatch.setattr(TillClient, "request", refuse)

    said = connector("stripe", "setup")

    assert said.error == "Stripe does not accept our key (401). Check CONNECTOR_STRIPE_KEY."


def test_no_signing_secret_stays_in_the_database_or_in_a_log(
    connector: Connector,
    db: Database,
    configured: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG"):
        connector("-v", "stripe", "setup", "--yes")

    assert configured.webhook_secret not in str(dump(db))
    assert configured.webhook_secret not in caplog.text


def test_help_does_not_wait_for_the_stripe_package() -> None:
    look = (
        "import sys; sys.argv = ['connector', 'stripe', '--help']\n"
        "from connector.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: assert 'stripe' not in sys.modules; print('quick')"
    )

    said = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=False, timeout=60
    )

    assert said.stdout.endswith("quick\n"), said
