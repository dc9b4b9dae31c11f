"""A reader becomes a member, gives more, leaves and stays, with play money; on a desk and on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from connector import clock
from connector.readers import signup
from tests.browser.conftest import DESKTOP, PHONE, Open, Visit
from tests.browser.looking import overflow
from tests.browser.test_the_whole_way import follow, is_titled, open_letter
from tests.stories import site
from tests.stories.letters import InTheTray
from tests.stories.site import TIERS, Site
from tests.waiting import until

ISSUE = """---
title: The bench
---

Nobody owns the bench.

::: ask
If you can, [keep these letters free](/subscribe).
:::

::: thanks
Thank you for the bench.
:::
"""
LIVE = """
    SELECT subscriptions.id
      FROM subscriptions JOIN subscribers ON subscribers.id = subscriptions.subscriber_id
     WHERE subscribers.email_key = :address AND ended_at IS NULL
"""
WIDTHS = {"desk": DESKTOP, "phone": PHONE}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on this machine that readers can pay for, and one issue that asks and thanks."""
    root = site.found(tmp_path_factory.mktemp("shop"))
    with (root / "connector.toml").open("a", encoding="utf-8") as toml:
        toml.write(TIERS)
    with site.serving(root) as served:
        with served.db() as db:
            signup.add(db, served.settings, email="ada@example.org", name="Ada", now=clock.now())
        file = root / "issues" / "bench.md"
        file.write_text(ISSUE, encoding="utf-8")
        served.publish(file)
        yield served


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_founding_member_at_12_raises_to_20_cancels_and_stays(
    shop: Site, visit: Open, width: int
) -> None:
    address = f"grace-{width}@example.org"
    visiting = visit(width, at=shop.url)
    page = visiting.page

    page.goto("/p/bench")
    expect(page.get_by_text("keep these letters free")).to_be_visible()
    page.goto("/subscribe")
    founding = page.get_by_role("group", name="Founding member")
    founding.get_by_label("Another amount").check()
    founding.get_by_label("How much").fill("12")
    page.get_by_label("Your email address").fill(address)
    page.get_by_role("button", name="Subscribe").click()
    is_titled(page, "Look in your inbox")

    letter = open_letter(shop, visiting, address, "Please confirm")
    paying = follow(visiting, letter, "Yes, send me the letters")
    paying.get_by_role("button", name="Yes, and on to the payment").click()
    is_titled(paying, "Pay $12")
    paying.get_by_role("button", name="Card is declined").click()
    expect(paying.get_by_role("status")).to_contain_text("declined, and nothing was charged")
    paying.get_by_role("button", name="Pay $12", exact=True).click()
    is_titled(paying, "Thank you")
    expect(paying.locator("header.head .subtitle")).to_contain_text("$12 a month")

    paying.goto("/p/bench")
    expect(paying.get_by_text("Thank you for the bench.")).to_be_visible()
    expect(paying.get_by_text("keep these letters free")).to_have_count(0)

    plan_is(paying, "$12 a month")
    paying.get_by_role("link", name="Change plan or amount").click()
    paying.get_by_label("Founding member, each month").check()
    paying.get_by_label("How much").fill("20")
    paying.get_by_role("button", name="See what it costs").click()
    is_titled(paying, "Founding member, $20 a month")
    paying.get_by_role("button", name="Change it").click()
    plan_is(paying, "$20 a month")

    paying.get_by_role("link", name="End it").click()
    paying.get_by_label("Would you say why?").fill("A hard year.")
    paying.get_by_role("button", name="End it").click()
    expect(paying.get_by_text("nothing more is charged").first).to_be_visible()
    paying.get_by_role("button", name="Stay after all").click()
    expect(paying.get_by_role("status")).to_have_text("How good that you stay.")
    plan_is(paying, "$20 a month")

    open_letter(shop, visiting, address, "Thank you for joining")
    note_to_writer = open_letter(
        shop, visiting, shop.settings.publication.email, f"{address} joined"
    )
    expect(note_to_writer.locator("body")).to_contain_text("became a member: Founding member")


def test_a_gift_is_bought_handed_on_and_taken(shop: Site, visit: Open) -> None:
    buying = visit(PHONE, at=shop.url)
    page = buying.page
    page.goto("/gift")
    page.get_by_role("group", name="Supporter").get_by_role("radio").last.check()
    page.get_by_label("Your own email address").fill("alan@example.org")
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name="Pay $50", exact=True).click()
    code = page.locator(".code").inner_text()

    taking = visit(DESKTOP, at=shop.url)
    sign_in(shop, taking, "ada@example.org")
    taking.page.goto("/gift")
    taking.page.get_by_label("Its code").fill(code.lower())
    taking.page.get_by_role("button", name="Open it").click()
    taking.page.get_by_role("button", name="Take it").click()
    is_titled(taking.page, "It is yours, Ada")
    taking.page.goto("/account")
    expect(taking.page.get_by_text("You are a member (Supporter) by a gift")).to_be_visible()
    assert overflow(taking.page) == 0


def test_two_tabs_that_pay_make_one_membership(shop: Site, visit: Open) -> None:
    with shop.db() as db:
        signup.add(db, shop.settings, email="joan@example.org", now=clock.now())
    visiting = visit(DESKTOP, at=shop.url)
    sign_in(shop, visiting, "joan@example.org")
    tabs = [visiting.page, visiting.page.context.new_page()]
    for tab in tabs:
        tab.goto("/subscribe")
        tab.get_by_role("group", name="Supporter").get_by_role("radio").first.check()
        tab.get_by_role("button", name="Go on").click()
        is_titled(tab, "Pay $5")

    for tab in tabs:
        tab.get_by_role("button", name="Pay $5", exact=True).dblclick()
        expect(tab.get_by_role("heading", level=1)).not_to_have_text("Pay $5")
    tabs[0].go_back()

    plan_is(tabs[1], "$5 a month")
    until(lambda: len(shop.rows(LIVE, address="joan@example.org")) == 1, "one membership")
    open_letter(shop, visiting, "joan@example.org", "back")


def plan_is(page: Page, price: str) -> None:
    page.goto("/account")
    expect(page.get_by_role("region", name="Your plan")).to_contain_text(price)
    assert overflow(page) == 0, "the account scrolls sideways"


def sign_in(shop: Site, visiting: Visit, address: str) -> None:
    visiting.page.goto("/signin")
    visiting.page.get_by_label("The address your letters come to").fill(address)
    visiting.page.get_by_role("button", name="Send the letter").click()
    with shop.db() as db:
        letter = InTheTray(db).wait(address, "Sign in")
    (code,) = re.findall(r"^(\d{6})\s*$", letter.text, re.MULTILINE)
    visiting.page.get_by_label("The six digits from the letter").fill(code)
    visiting.page.get_by_role("button", name="Sign in").click()
