"""A reader signs in with a phone in one hand: the pages on the way, by day and by night."""

import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE, Open
from tests.browser.looking import look, overflow
from tests.stories.site import Site
from tests.waiting import until

TEXT, ELSE = 7.0, 4.5  # as in the test of every page


def letter(home: Site, about: str) -> str:
    """The newest letter of this kind, as it was queued."""
    newest = """
        SELECT letters.text FROM letters JOIN mailings ON mailings.id = letters.mailing_id
         WHERE mailings.about = :about ORDER BY letters.id DESC LIMIT 1
    """
    until(lambda: bool(home.rows(newest, about=about)), "a letter to be queued", seconds=20)
    ((text,),) = home.rows(newest, about=about)
    return str(text)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match
    return match[1]


def troubles(page: Page) -> list[str]:
    seen = look(page)
    faint = [f"{ratio} {where}" for ratio, where in seen.texts if ratio < TEXT]
    faint += [f"{ratio} {where}" for ratio, where in seen.others if ratio < ELSE]
    wide = [f"{by} pixels too wide"] if (by := overflow(page)) else []
    return [f"{page.url}: {what}" for what in (*seen.structure, *faint, *wide)]


@pytest.mark.parametrize("width", [PHONE, 320, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_way_in_and_out(visit: Open, home: Site, width: int, scheme: str) -> None:
    page = visit(width, color_scheme=scheme).page
    seen = []

    page.goto("/account")
    assert page.url.endswith("/signin?next=/account")
    seen += troubles(page)
    page.get_by_label("The address your letters come to").fill("ada@example.org")
    page.get_by_role("button", name="Send the letter").click()
    seen += troubles(page)
    text = letter(home, "signin")
    page.goto(found(r"(/signin/\S+)", text))
    seen += troubles(page)
    page.goto("/signin/code")
    page.get_by_label("The six digits from the letter").fill(found(r"^(\d{6})$", text))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")
    seen += troubles(page)
    cookies = [(one["name"], one["httpOnly"]) for one in page.context.cookies()]
    page.get_by_role("button", name="In this browser").click()
    page.wait_for_url(f"{home.url}/")

    assert seen == []
    assert cookies == [("reader", True)]
    assert page.context.cookies() == []
    assert page.get_by_role("link", name="Sign in").count() == 2
