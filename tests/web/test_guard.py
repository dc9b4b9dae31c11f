"""What stands before every page: posts from other sites, and what browsers are told."""

import re

import pytest
from starlette.testclient import TestClient

from connector.database import Database
from connector.settings import Settings
from tests.conftest import People
from tests.web.conftest import Publish
from tests.web.looking import dump, leaving, own

HERE = "https://letters.example.org"
PAGES = ("/", "/archive", "/about", "/subscribe", "/subscribe/sent", "/welcome", "/nowhere")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": HERE},
        {},
    ],
)
def test_a_post_from_our_own_pages_is_taken(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/subscribe", data={"email": "ada@example.org"}, headers=headers)

    assert response.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
        {"Origin": "https://evil.example.net"},
        {"Origin": "http://letters.example.org.evil.example.net"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
def test_a_post_from_another_site_changes_nothing(
    client: TestClient, db: Database, headers: dict[str, str]
) -> None:
    before = dump(db)

    response = client.post("/subscribe", data={"email": "ada@example.org"}, headers=headers)

    assert response.status_code == 403
    assert "That came from somewhere else" in response.text
    assert dump(db) == before


def test_a_token_page_without_a_referrer_can_still_post(
    client: TestClient, configured: Settings, people: People
) -> None:
    path = own(configured, people.ada.id)

    response = client.post(f"{path}/name", data={"name": "Ada L."}, headers={"Origin": "null"})

    assert response.status_code == 303


def test_no_page_may_run_or_wear_anything_from_elsewhere(
    client: TestClient, publish: Publish
) -> None:
    path = publish()

    for page in (*PAGES, path):
        policy = client.get(page).headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_no_page_has_a_style_or_a_script_inside(
    client: TestClient, configured: Settings, people: People, publish: Publish
) -> None:
    mine = own(configured, people.ada.id)
    token_pages = (leaving(configured, people.ada.id), mine, f"{mine}/erase")

    for page in (*PAGES, publish(), *token_pages):
        text = client.get(page).text

        assert not re.search(r"<style|<script|\sstyle=|\son\w+=|javascript:", text), page


def test_every_answer_is_guarded(client: TestClient, publish: Publish) -> None:
    path = publish()

    for page in (*PAGES, path, path, "/feed", "/healthz", "/robots.txt"):
        headers = client.get(page).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert headers["strict-transport-security"].startswith("max-age=")
        assert "camera=()" in headers["permissions-policy"]


def test_pages_with_a_token_are_nobody_elses(
    client: TestClient, configured: Settings, people: People
) -> None:
    mine = own(configured, people.ada.id)
    pages = (leaving(configured, people.ada.id), mine, f"{mine}/data", "/confirm/1.2.forged")

    for page in pages:
        headers = client.get(page).headers

        assert headers["x-robots-tag"] == "noindex"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
