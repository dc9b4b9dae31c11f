"""What a page looks like to whoever sees little, hears it read, or holds a small screen."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).with_name("looking.js").read_text(encoding="utf-8")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

Contrast = tuple[float, str]


@dataclass(frozen=True)
class Look:
    """What is wrong with a page's structure; contrast ratios of its texts and of all else."""

    structure: list[str]
    texts: list[Contrast]
    others: list[Contrast]


def look(page: Page) -> Look:
    found = page.evaluate(SCRIPT)
    return Look(
        found["structure"],
        [(ratio, where) for ratio, where in found["texts"]],
        [(ratio, where) for ratio, where in found["others"]],
    )


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate(OVERFLOW))
