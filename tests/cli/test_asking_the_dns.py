"""`connector doctor` asks the DNS how the domain stands, once there is a relay."""

from pathlib import Path

import pytest

from connector.database import Database
from tests.cli.conftest import Connector
from tests.fakes.dns import FakeNameserver
from tests.fakes.smtp import FakeRelay
from tests.stories import sender

DOMAIN = "letters.example.org"


@pytest.fixture
def nameserver() -> FakeNameserver:
    server = FakeNameserver()
    server.put(DOMAIN, "TXT", "v=spf1 a ~all")
    server.put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=none")
    server.put(DOMAIN, "A", "192.0.2.7")
    server.put("7.2.0.192.in-addr.arpa", "PTR", f"{DOMAIN}.")
    return server


def test_a_domain_in_order_is_a_line_for_each(
    connector: Connector, db: Database, root: Path, nameserver: FakeNameserver
) -> None:
    with FakeRelay().in_thread() as relay, nameserver.running() as address:
        sender.relayed(root, relay)
        said = connector("doctor", "--nameserver", address)

    assert said.out.splitlines()[-4:] == [
        f"✓ SPF of {DOMAIN}",
        f"✓ DMARC of {DOMAIN}",
        "✓ The way back",
        "✓ This server’s name",
    ]
    assert said.code == 0


def test_a_fault_is_a_line_with_its_cure(
    connector: Connector, db: Database, root: Path, nameserver: FakeNameserver
) -> None:
    nameserver.put(DOMAIN, "TXT", "v=spf1 a ~all", "v=spf1 mx -all")
    with FakeRelay().in_thread() as relay, nameserver.running() as address:
        sender.relayed(root, relay)
        said = connector("doctor", "--nameserver", address)

    assert f"✗ SPF of {DOMAIN}: there are 2 records" in said.out
    assert "Join them into one." in said.out
    assert said.code == 1


def test_a_nameserver_that_nobody_runs_keeps_nothing_from_going_out(
    connector: Connector, db: Database, root: Path
) -> None:
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay)
        said = connector("doctor", "--nameserver", "127.0.0.1:1")

    assert f"! SPF of {DOMAIN}: could not ask about {DOMAIN}: " in said.out
    assert said.code == 0


def test_without_a_relay_nobody_is_asked(
    connector: Connector, db: Database, nameserver: FakeNameserver
) -> None:
    with nameserver.running() as address:
        said = connector("doctor", "--nameserver", address)

    assert "SPF" not in said.out
    assert nameserver.asked == []


def test_a_nameserver_that_is_none_is_refused(
    connector: Connector, db: Database, root: Path
) -> None:
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay)

        assert "is not a DNS server" in connector("doctor", "--nameserver", "home").err
