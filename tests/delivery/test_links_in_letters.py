"""Links that know who is reading: they open one door for one person, and never grow old."""

import pytest

from connector.delivery import links
from connector.delivery.links import Purpose
from connector.errors import InvalidLink
from connector.settings import Settings, load
from connector.signing import Keys
from tests.conftest import TOML


def token_in(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_leads_back_to_the_reader_it_was_made_for(configured: Settings) -> None:
    url = links.unsubscribe(configured, 17)

    assert url.startswith("https://letters.example.org/unsubscribe/17.")
    assert links.recipient_of(configured, "unsubscribe", token_in(url)) == 17


def test_a_link_to_preferences_does_not_unsubscribe(configured: Settings) -> None:
    token = token_in(links.preferences(configured, 17))

    assert links.recipient_of(configured, "preferences", token) == 17
    with pytest.raises(InvalidLink):
        links.recipient_of(configured, "unsubscribe", token)


@pytest.mark.parametrize(
    "token", ["", ".", "17", "17.", "17.AAAAAAAAAAAAAAAAAAAAAA", "é.é", "\ud800"]
)
@pytest.mark.parametrize("purpose", ["unsubscribe", "preferences"])
def test_what_we_did_not_sign_opens_nothing(
    configured: Settings, token: str, purpose: Purpose
) -> None:
    with pytest.raises(InvalidLink):
        links.recipient_of(configured, purpose, token)


def test_another_readers_number_does_not_fit(configured: Settings) -> None:
    token = token_in(links.unsubscribe(configured, 17)).replace("17.", "18.")

    with pytest.raises(InvalidLink):
        links.recipient_of(configured, "unsubscribe", token)


def test_a_link_signed_with_an_older_key_still_works(configured: Settings) -> None:
    token = token_in(links.unsubscribe(configured, 17))

    object.__setattr__(configured, "keys", Keys((b"n" * 40, *configured.keys.secrets)))

    assert links.recipient_of(configured, "unsubscribe", token) == 17


def test_an_international_site_is_written_in_ascii(configured: Settings) -> None:
    toml = TOML.replace("https://letters.example.org", "https://bücher.example:8443")
    (configured.root / "connector.toml").write_text(toml, encoding="utf-8")

    url = links.unsubscribe(load(configured.root, {}), 17)

    assert url.startswith("https://xn--bcher-kva.example:8443/unsubscribe/17.")
