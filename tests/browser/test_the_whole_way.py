"""What a reader does, done in a browser: join, read, leave, return; by mouse, by key, and by phone."""

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Open, Visit
from tests.browser.looking import overflow
from tests.stories import issue
from tests.stories.letters import InTheTray
from tests.stories.site import Site

WAYS = {
    "desktop": (DESKTOP, True),
    "phone": (PHONE, True),
    "phone without JavaScript": (PHONE, False),
}


@pytest.mark.parametrize(("width", "script"), WAYS.values(), ids=WAYS)
def test_a_reader_joins_reads_leaves_and_comes_back(
    home: Site, visit: Open, width: int, *, script: bool
) -> None:
    address = f"reader-{width}-{script:d}@example.org"
    visiting = visit(width, java_script_enabled=script)
    page = visiting.page

    page.goto("/")
    page.get_by_label("Your email address").fill(address)
    page.get_by_role("button", name="Subscribe").click()
    is_titled(page, "Look in your inbox")

    letter = open_letter(home, visiting, address, "Please confirm")
    confirming = follow(visiting, letter, "Yes, send me the letters")
    is_titled(confirming, "Shall we write to you?")
    confirming.get_by_role("button", name="Yes, send it to me").click()
    is_titled(confirming, "You are on the list")

    confirming.get_by_role("link", name="Read it now").click()
    expect(confirming.locator("article .prose")).to_be_visible()
    confirming.get_by_role("navigation", name="Main").get_by_role("link", name="Archive").click()
    is_titled(confirming, "Archive")
    confirming.get_by_role("link", name=issue.TITLE).click()
    is_titled(confirming, issue.TITLE)
    expect(confirming.get_by_role("img", name="A bench by the water").first).to_be_visible()
    confirming.close()

    name = f"for-{width}-{script:d}"
    home.publish(issue.short(home.root, name))
    letter = open_letter(home, visiting, address, name)
    leaving = follow(visiting, letter, "Unsubscribe")
    is_titled(leaving, "Leave the list?")
    leaving.get_by_role("button", name="Unsubscribe").click()
    is_titled(leaving, "You are off the list")
    leaving.get_by_role("button", name="put me back").click()
    is_titled(leaving, "You are back")


def test_the_subscribe_field_is_reached_by_key_and_the_focus_is_seen(visit: Open) -> None:
    page = visit().page
    page.goto("/")

    field = page.get_by_label("Your email address")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINE) >= 2, page.evaluate("document.activeElement.outerHTML")
        if field.evaluate("each => each === document.activeElement"):
            break

    expect(field).to_be_focused()
    page.keyboard.type("by.key@example.org")
    page.keyboard.press("Enter")
    is_titled(page, "Look in your inbox")


def test_the_first_key_offers_the_way_to_the_text(visit: Open) -> None:
    page = visit().page
    page.goto("/p/the-bench")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the text")).to_be_in_viewport()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def test_what_is_typed_wrong_is_said_at_the_field(visit: Open) -> None:
    visiting = visit(PHONE, java_script_enabled=False)
    page = visiting.page
    page.goto("/subscribe")
    field = page.get_by_label("Your email address")

    field.fill("ada@example")
    page.get_by_role("button", name="Subscribe").click()

    expect(field).to_have_value("ada@example")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#email-error")).to_be_visible()
    visiting.forgive("422")


def is_titled(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)
    assert overflow(page) == 0, f"{page.url} scrolls sideways"


def open_letter(home: Site, visiting: Visit, address: str, subject: str) -> FrameLocator:
    """Find a letter in the Tray, as somebody trying things out does."""
    with home.db() as db:
        InTheTray(db).wait(address, subject)
    page = visiting.page
    expect(
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Tray")
    ).to_have_attribute("href", "/tray")
    page.goto("/tray")
    line = page.get_by_role("listitem").filter(has_text=f"to {address}").filter(has_text=subject)
    line.get_by_role("link").click()
    is_titled(page, line_title(page))
    return page.frame_locator("iframe")


def line_title(page: Page) -> str:
    return page.title().removesuffix(" — Tray")


def follow(visiting: Visit, letter: FrameLocator, name: str) -> Page:
    """Click in a letter; it opens beside it."""
    with visiting.page.expect_popup() as opened:
        letter.get_by_role("link", name=name).click()
    return opened.value


OUTLINE = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
}"""
