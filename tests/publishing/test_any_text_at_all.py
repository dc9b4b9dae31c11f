"""Whatever is typed becomes every edition: no crash, no script, no lost link."""

import re
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import jinja2
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connector import settings, templates
from connector.publishing import editions, letters, preflight
from connector.publishing.columns import COLUMNS, wide
from connector.publishing.editions import AUDIENCES, Cut
from connector.publishing.feeds import NOT_XML
from connector.publishing.issue import Issue
from connector.publishing.markdown import BLOCKS
from connector.settings import Settings
from tests.conftest import NOW, TOML

PIECES = st.sampled_from(
    [
        *(f"::: {name}" for name in BLOCKS),
        ":::",
        "::::",
        "::: callout A *title*",
        "::: bogus",
        "# Heading",
        "### Deep [link](https://example.org/heading)",
        "[words](https://example.org/a?b=1&c=2)",
        "[ours](/p/x)",
        "[card](https://example.org/card 'note')",
        "https://youtu.be/x",
        "![picture](https://example.org/x.png 'A [caption](https://example.org/caption)')",
        "[![in](https://example.org/y.png)](https://example.org/z)",
        "[^1]",
        "^[inline [note](https://example.org/note)]",
        "[^1]: note [^1] [^2]",
        "[^2]: ```\n    code",
        "- item",
        "   more",
        "1. one",
        "> quote",
        "| a | [b](https://example.org/cell) |\n| - | -: |\n| 1 | 2 |",
        "```",
        "    code",
        "---",
        "– dash",
        "<script>alert(1)</script>",
        "<javascript:alert(1)>",
        "[x](javascript:alert(1))",
        '" onload="alert(1)',
        "<ines@example.org>",
        "**bold** _it_ ~~gone~~ `code`",
        "\\",
        "港のベンチは、誰のものでもない。",
        "שלום",
        "[[unsubscribe]] {{ x }} TK",
    ]
)
BODIES = st.lists(
    st.tuples(
        PIECES | st.text(max_size=30), st.sampled_from([" ", "\n", "\n\n", "\n    ", "\n> "])
    ),
    max_size=25,
).map(lambda pairs: "".join(piece + end for piece, end in pairs))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "connector.toml").write_text(TOML, encoding="utf-8")
        yield Path(folder)


@pytest.fixture(scope="module")
def configured(root: Path) -> Settings:
    return settings.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough"})


@pytest.fixture(scope="module")
def with_html(root: Path) -> Settings:
    environment = {
        "CONNECTOR_SECRET": "a test's own secret, long enough",
        "CONNECTOR_WRITING_HTML": "true",
    }
    return settings.load(root, environment)


@pytest.fixture(scope="module")
def environment(root: Path) -> jinja2.Environment:
    return templates.environment(root)


def issue(body: str, root: Path) -> Issue:
    return Issue(
        path=root / "any.md", slug="any", title=body[:40], body=body, body_line=4, source=body
    )


def html_of(cut: Cut) -> list[str]:
    return [*cut.editions.web.values(), *cut.editions.email.values(), cut.editions.feed]


@given(body=BODIES)
@examples(max_examples=300, deadline=None)
def test_every_edition_is_made_and_none_is_dangerous(
    body: str, configured: Settings, with_html: Settings, root: Path
) -> None:
    for chosen in (configured, with_html):
        cut = editions.cut(issue(body, root), chosen)

        for html in html_of(cut):
            tags = re.findall(r"<[^<>]*>", html)
            assert "<script" not in html.lower()
            assert not any(re.search(r'=\s*"?\s*javascript:', tag, re.IGNORECASE) for tag in tags)
            assert not any(re.search(r'"\s*on\w+\s*=\s*"', tag) for tag in tags)


@given(body=BODIES)
@examples(max_examples=200, deadline=None)
def test_every_opened_tag_is_closed(body: str, configured: Settings, root: Path) -> None:
    cut = editions.cut(issue(body, root), configured)

    for html in html_of(cut):
        closed = re.sub(r"<((?:img|br|hr|input)\b[^<>]*)>", r"<\1/>", html)
        xml = re.sub(r"\s(required)\b", r' \1=""', NOT_XML.sub("", closed))
        ET.fromstring(f"<body>{xml}</body>")  # noqa: S314


@given(body=BODIES)
@examples(max_examples=200, deadline=None)
def test_lines_of_text_fit_unless_they_are_one_word_or_code(
    body: str, configured: Settings, root: Path
) -> None:
    cut = editions.cut(issue(body, root), configured)

    for text in cut.editions.text.values():
        for line in text.splitlines():
            words = re.sub(r"^(?:[>|*] ?|\d+\. |\[\d+\] | )*", "", line)
            assert wide(line) <= COLUMNS or " " not in words.strip() or "    " in line


@given(body=BODIES)
@examples(max_examples=100, deadline=None)
def test_every_link_of_the_letter_is_in_its_text(
    body: str, configured: Settings, environment: jinja2.Environment, root: Path
) -> None:
    read = issue(body, root)
    cut = editions.cut(read, configured)

    made = letters.compose(read, cut.editions, configured, environment, published_at=NOW)

    for audience in AUDIENCES:
        hrefs = re.findall(r'<a [^>]*?href="([^"]*)"', made[audience].html)
        text = made[audience].text
        missing = {
            href for href in map(unescape, hrefs) if href.removeprefix("mailto:") not in text
        }
        assert not missing


@given(body=BODIES)
@examples(max_examples=150, deadline=None)
def test_preflight_always_has_an_answer(
    body: str, configured: Settings, environment: jinja2.Environment, root: Path
) -> None:
    read = issue(body, root)
    cut = editions.cut(read, configured)
    made = letters.compose(read, cut.editions, configured, environment, published_at=NOW)

    findings = preflight.check(read, cut, made, configured, now=NOW)

    assert all(finding.message and finding.cure for finding in findings)
    assert len(findings) == len(set(findings))
