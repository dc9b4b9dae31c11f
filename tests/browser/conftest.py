"""A real browser, and a site on this machine for it to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from connector import clock
from connector.readers import signup
from tests.stories import issue, site
from tests.stories.site import Site

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = 1280, 360
# Local pages answer at once; what takes longer than this is not coming.
PATIENCE = 10_000  # milliseconds


@dataclass
class Visit:
    """One window, and whatever it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.set_default_timeout(PATIENCE)

    def forgive(self, words: str) -> None:
        """The browser said so once, and rightly."""
        (expected,) = [one for one in self.complaints if words in one]
        self.complaints.remove(expected)

    def _heard(self, message: ConsoleMessage) -> None:
        # A refusal under the Content-Security-Policy is an error on the console, too.
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type} at {message.location}: {message.text}")


Open = Callable[..., Visit]


# A browser keeps an event loop of its own in this thread, where no other test may meet it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = _program()
    if program is None:
        missing = "no Chromium or Chrome was found, so nobody looked at the pages"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield opened
        opened.close()


def _program() -> str | None:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(ON_A_MAC) if ON_A_MAC.exists() else None)


@pytest.fixture(scope="package")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on this machine: three issues, one of them with everything in it, and one reader."""
    root = site.found(tmp_path_factory.mktemp("home"))
    with site.serving(root) as served:
        with served.db() as db:
            signup.add(db, served.settings, email="ada@example.org", name="Ada", now=clock.now())
        for name in ("first", "second"):
            served.publish(issue.short(root, name))
        served.publish(issue.write(root))
        yield served


@pytest.fixture
def visit(browser: Browser, home: Site) -> Iterator[Open]:
    """Open a window on the site; in the end it must have had nothing to complain about."""
    visits: list[Visit] = []

    def opened(width: int = DESKTOP, *, at: str = home.url, **wishes: Any) -> Visit:
        context = browser.new_context(
            base_url=at, viewport={"width": width, "height": 800}, **wishes
        )
        visiting = Visit(context.new_page())
        visiting.watch(visiting.page)
        context.on("page", visiting.watch)
        visits.append(visiting)
        return visiting

    yield opened
    complaints = [complaint for one in visits for complaint in one.complaints]
    for one in visits:
        one.page.context.close()
    assert complaints == []
