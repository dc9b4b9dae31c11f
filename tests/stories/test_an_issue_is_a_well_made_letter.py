"""A published issue as the relay got it: what mailbox providers and mail programs ask of it."""

import asyncio
import email
import email.policy
import re
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
import pytest

from connector.delivery import links, smtp
from connector.delivery.mime import Template, envelope_sender
from connector.publishing import publish
from connector.publishing.editions import AUDIENCES, Audience
from connector.settings import Settings
from tests.conftest import NOW
from tests.fakes.smtp import FakeRelay
from tests.stories import issue

CLIPPED = 102_400  # what Gmail shows of a letter before it cuts


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))

    def named(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.all if tag in names]

    @property
    def urls(self) -> list[str]:
        return [
            attributes[name]
            for _, attributes in self.all
            for name in ("href", "src", "background", "action")
            if name in attributes
        ]


@pytest.fixture(params=AUDIENCES)
def raw(
    request: pytest.FixtureRequest,
    root: Path,
    configured: Settings,
    environment: jinja2.Environment,
) -> bytes:
    """The bytes that reached the relay, for somebody of each audience."""
    audience: Audience = request.param
    prepared = publish.prepare(issue.write(root), configured, environment, now=NOW)
    template = Template(prepared.letters[audience], configured, mailing=1, kind="issue", date=NOW)

    async def send() -> bytes:
        async with FakeRelay() as relay:
            line = await smtp.connect(relay.relay())
            await line.send(
                sender=envelope_sender(configured, 3),
                recipient="ada@example.org",
                message=template.message(
                    delivery=3, recipient=9, address="ada@example.org", name="Ada"
                ),
            )
            await line.quit()
            return relay.received[0].message

    return asyncio.run(send())


def part(raw: bytes, kind: str) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    found = message.get_body((kind,))
    assert isinstance(found, EmailMessage)
    return found


@pytest.fixture
def html(raw: bytes) -> str:
    found: str = part(raw, "html").get_content()
    return found


@pytest.fixture
def text(raw: bytes) -> str:
    found: str = part(raw, "plain").get_content()
    return found


def test_every_link_of_the_html_is_in_the_text_too(html: str, text: str) -> None:
    in_html = {url for tag in Tags(html).named("a") if (url := tag["href"]).startswith("http")}

    bare = re.sub(r"\s+", "", text)
    assert [url for url in in_html if url not in bare] == []


def test_nothing_is_clipped(raw: bytes, html: str) -> None:
    encoded = part(raw, "html").get_payload()

    assert isinstance(encoded, str)
    assert len(html.encode()) < CLIPPED
    assert len(encoded) < CLIPPED


def test_the_way_out_can_be_seen_and_followed(html: str, text: str, configured: Settings) -> None:
    stop = links.unsubscribe(configured, 9)

    (link,) = re.findall(rf'<a [^>]*href="{re.escape(stop)}"[^>]*>(.*?)</a>', html, re.DOTALL)
    assert "Unsubscribe" in link
    assert stop in text


def test_it_runs_nothing_and_loads_nothing_but_pictures(html: str) -> None:
    tags = Tags(html)

    assert tags.named("script", "form", "iframe", "object", "embed", "video", "audio", "base") == []
    assert [tag for tag in tags.named("link") if tag.get("rel") == "stylesheet"] == []
    assert "@import" not in html
    assert [
        name for _, attributes in tags.all for name in attributes if name.startswith("on")
    ] == []


def test_every_address_in_it_is_absolute_and_safe(html: str) -> None:
    schemes = {urlsplit(url).scheme for url in Tags(html).urls}

    assert schemes <= {"https", "mailto"}


def test_every_picture_says_what_it_shows_and_comes_from_our_site(html: str) -> None:
    pictures = Tags(html).named("img")

    assert pictures
    assert all(picture["alt"] for picture in pictures)
    assert all(
        picture["src"].startswith("https://letters.example.org/images/") for picture in pictures
    )
    assert not [picture for picture in pictures if picture.get("width") in ("0", "1")]


def test_it_says_its_language_and_its_letters(raw: bytes, html: str) -> None:
    assert Tags(html).named("html")[0]["lang"] == "en"
    assert part(raw, "html").get_content_charset() == "utf-8"


def test_links_lead_where_the_writer_said(html: str, text: str) -> None:
    for words in (html, text):
        assert "https://example.org/lemon" in words
        assert issue.LONG in words


def test_it_says_who_sends_it_and_where_it_can_be_read(html: str, text: str) -> None:
    for words in (html, text):
        assert "12 Harbour Row, Port Ellery" in words
        assert "https://letters.example.org/archive" in words
        assert f"https://letters.example.org/p/{issue.NAME}" in words


def test_no_mark_of_ours_is_left(html: str, text: str) -> None:
    for words in (html, text):
        assert not re.search(r"\[\[|\]\]|\{\{|\}\}|\{%|:::", words)
