"""Who is behind an address."""

import timeit

import pytest

from connector.delivery.providers import DOMAINS, group_of, patterns_of
from connector.settings import PROVIDERS


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("ada@gmail.com", "google"),
        ("ada@GoogleMail.com", "google"),
        ("ada@outlook.com", "microsoft"),
        ("ada@outlook.de", "microsoft"),
        ("ada@hotmail.co.uk", "microsoft"),
        ("ada@live.com.au", "microsoft"),
        ("ada@msn.com", "microsoft"),
        ("ada@yahoo.co.jp", "yahoo"),
        ("ada@ymail.com", "yahoo"),
        ("ada@aol.com", "yahoo"),
        ("ada@me.com", "apple"),
        ("ada@gmx.at", "gmx"),
        ("ada@web.de", "gmx"),
        ("ada@pm.me", "proton"),
        ("ada@example.org", "example.org"),
        ("ada@Example.ORG.", "example.org"),
        ("ada@live.example.org", "live.example.org"),
        ("ada@outlook.team", "outlook.team"),
        ("ada@mail.yahoo.com", "mail.yahoo.com"),
        ("ada@gmail.com.example.org", "gmail.com.example.org"),
        ("ada@live", "live"),
        ('"a@b"@gmail.com', "google"),
        ("", ""),
    ],
)
def test_an_address_belongs_to_its_provider(address: str, group: str) -> None:
    assert group_of(address) == group


def test_the_settings_accept_exactly_the_providers_there_are() -> None:
    assert tuple(DOMAINS) == PROVIDERS


def test_asking_costs_next_to_nothing() -> None:
    addresses = [f"reader{number}@example{number % 50}.org" for number in range(1_000)]

    took = min(
        timeit.repeat(lambda: [group_of(address) for address in addresses], number=1, repeat=9)
    )

    assert took / len(addresses) < 5e-6  # a busy machine is no failure; at rest it is 0.2 µs


def test_a_group_can_be_looked_for_in_the_ledger() -> None:
    assert patterns_of("google") == ("%@gmail.com", "%@googlemail.com")
    assert "%@outlook.%" in patterns_of("microsoft")
    assert patterns_of("example.org") == ("%@example.org",)
