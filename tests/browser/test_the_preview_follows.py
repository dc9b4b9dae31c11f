"""The preview beside an editor: what is saved is seen, whatever was saved."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.looking import overflow
from tests.stories import issue, site


@pytest.mark.parametrize("width", [1280, 360])
def test_a_saved_change_is_shown(tmp_path: Path, visit: Open, width: int) -> None:
    file = issue.write(site.found(tmp_path))
    with site.serving(tmp_path, "preview", file) as preview:
        page = visit(width, at=preview.url).page
        page.goto("/preview")
        shown = page.frame_locator('iframe[title="The page"]')
        letter = page.frame_locator('iframe[title="The letter"]')
        expect(shown.locator("h1")).to_have_text(issue.TITLE)
        expect(letter.get_by_text("Nobody was hurt").last).to_be_visible()

        text = issue.RICH.replace("Nobody was hurt", "Only a pigeon was hurt")
        file.write_text(text, encoding="utf-8")
        expect(shown.get_by_text("Only a pigeon was hurt")).to_be_visible()
        expect(letter.get_by_text("Only a pigeon was hurt").last).to_be_visible()

        file.write_text(text.replace("title:", "titel:"), encoding="utf-8")
        expect(page.locator(".findings .error").first).to_contain_text("titel")
        expect(shown.get_by_text("Only a pigeon was hurt")).to_be_visible()

        file.write_text(text, encoding="utf-8")
        expect(page.locator(".findings .error")).to_have_count(0)
        assert overflow(page) == 0
    assert not (tmp_path / "subscribers.db").exists()
