"""Stylesheet, icon and colour: small, ours, kept for ever, and readable in any accent."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from connector import colour, templates
from connector.settings import Settings
from connector.web import assets

STYLESHEET = templates.share("static") / "connector.css"
colours = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


def test_the_stylesheet_is_small() -> None:
    assert STYLESHEET.stat().st_size < 18_000


def test_nothing_is_asked_of_anybody_else() -> None:
    text = STYLESHEET.read_text(encoding="utf-8")

    assert "@import" not in text
    assert "//" not in text.replace("*/", "")


@given(accent=colours)
def test_every_accent_is_readable_by_day_and_by_night(accent: str) -> None:
    for ground in (colour.PAPER, colour.NIGHT):
        assert colour.contrast(colour.readable(accent, ground), ground) >= colour.READABLE


def test_a_readable_accent_stays_as_it_was_chosen() -> None:
    assert colour.readable("#7c2d12", colour.PAPER) == "#7c2d12"


def test_contrast_is_as_the_standard_counts_it() -> None:
    assert colour.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colour.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["--ink", "--soft"])
def test_our_own_tones_are_readable(name: str) -> None:
    day, night = re.findall(rf"{name}: (#\w{{6}})", STYLESHEET.read_text(encoding="utf-8"))[:2]

    assert colour.contrast(day, colour.PAPER) >= colour.READABLE
    assert colour.contrast(night, colour.NIGHT) >= colour.READABLE


def test_a_stylesheet_is_kept_for_as_long_as_its_name(
    client: TestClient, configured: Settings
) -> None:
    path = assets.load(configured).url("connector.css")

    response = client.get(path)

    assert path in client.get("/").text
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert configured.publication.accent in response.text


def test_a_plain_name_is_asked_for_again_each_time(client: TestClient) -> None:
    response = client.get("/static/favicon.svg")

    assert response.headers["content-type"].startswith("image/svg+xml")
    assert "max-age=0" in response.headers["cache-control"]


def test_a_sites_own_file_stands_before_ours(configured: Settings) -> None:
    before = assets.load(configured)
    (configured.root / "static").mkdir()
    (configured.root / "static" / "favicon.svg").write_text("<svg/>", encoding="utf-8")

    after = assets.load(configured)

    found = after.plain("favicon.svg")
    assert found is not None
    assert found.body == b"<svg/>"
    assert after.url("favicon.svg") != before.url("favicon.svg")


@pytest.mark.parametrize("name", ["../connector.toml", "%2e%2e/connector.key", "no-such.css"])
def test_nothing_outside_the_folder_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_icon_wears_the_publications_accent(configured: Settings) -> None:
    blue = replace(configured, publication=replace(configured.publication, accent="#1d4ed8"))

    icon = assets.load(blue).plain("favicon.svg")

    assert icon is not None
    assert b"#1d4ed8" in icon.body
    assert b"#9a3412" not in icon.body
