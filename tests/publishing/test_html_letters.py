"""A letter is complete: framed, inlined, absolute, and the same in text."""

import re
from html import unescape

import pytest

from connector import settings
from connector.delivery.letter import Letter
from connector.publishing.editions import Audience
from tests.publishing.conftest import Desk

BODY = """\
Words with a [link](https://example.org/a?b=1&c=2) and [ours](/p/other), see [below](#end).[^1]

![A bench](bench.jpg "The bench")

[A card](https://example.org/card "With a note")

::: ask
Please pay.

::: button
[Join](/join)
:::
:::

::: thanks
Thank you. [Yours](https://example.org/members)
:::

::: subscribe
:::

| a | b |
| - | -: |
| [c](https://example.org/cell) | 2 |

## End

> Quoted.

```
code
```

[^1]: A [note](https://example.org/note).
"""
FRONT = """\
title: The "bench" <b>
subtitle: Nobody's
date: 2026-11-19
tags: [a]
authors: [Ines Marlow, Wen Castellane]
preheader: A slat broke.
"""


@pytest.fixture
def letters(desk: Desk) -> dict[Audience, Letter]:
    desk.picture(size=(2000, 1000))
    return desk.prepare(BODY, FRONT).letters


def links(html: str) -> set[str]:
    return {unescape(href) for href in re.findall(r'<a [^>]*?href="([^"]*)"', html)}


def test_each_audience_has_its_own(letters: dict[Audience, Letter]) -> None:
    assert "Please pay." in letters["everyone"].html
    assert "Please pay." not in letters["member"].html
    assert "Thank you." in letters["member"].html
    assert "Thank you." not in letters["everyone"].text


def test_who_it_is_from_and_what_it_is_about(letters: dict[Audience, Letter]) -> None:
    letter = letters["everyone"]

    assert letter.subject == "The “bench” <b>"
    assert (letter.sender, letter.sender_name) == ("ines@letters.example.org", "Ines Marlow")


def test_a_subject_of_its_own_wins(desk: Desk) -> None:
    letters = desk.prepare("Hi.", "title: Long\nsubject: Short\n").letters

    assert letters["member"].subject == "Short"


@pytest.mark.parametrize("audience", ["everyone", "member"])
def test_every_link_is_in_the_text_too(letters: dict[Audience, Letter], audience: Audience) -> None:
    letter = letters[audience]

    missing = {href for href in links(letter.html) if href not in letter.text}

    assert len(links(letter.html)) > 10
    assert not missing


def test_everything_is_absolute(letters: dict[Audience, Letter]) -> None:
    html = letters["everyone"].html

    addresses = links(html) | set(re.findall(r'src="([^"]*)"', html))

    personal = {"[[unsubscribe]]", "[[preferences]]"}
    assert personal <= addresses
    assert all(address.startswith("https://") for address in addresses - personal)


def test_nothing_is_fetched_run_or_filled_in(letters: dict[Audience, Letter]) -> None:
    html = letters["everyone"].html

    assert not re.search(r"<(script|form|link|iframe|input)\b", html)
    assert "javascript:" not in html
    assert "url(" not in html
    assert "{{" not in html
    assert "{%" not in html


def test_every_picture_has_words_and_a_size_that_fits(letters: dict[Audience, Letter]) -> None:
    html = letters["everyone"].html

    pictures = re.findall(r"<img [^>]*>", html)

    assert len(pictures) == 1
    assert 'alt="A bench"' in pictures[0]
    assert 'width="536" height="268"' in pictures[0]


def test_the_frame_is_what_mail_programs_need(letters: dict[Audience, Letter]) -> None:
    html = letters["everyone"].html

    assert html.lower().startswith("<!doctype html>")
    assert '<html lang="en"' in html
    assert '<meta charset="utf-8">' in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "supported-color-schemes" in html
    assert "@media (prefers-color-scheme: dark)" in html or "prefers-color-scheme:dark" in html
    assert "<!--[if mso]>" in html
    assert "<p style=" in html
    assert not re.search(r"#(000|fff)\b|#(000000|ffffff)", html)


def test_the_head_of_a_letter(letters: dict[Audience, Letter]) -> None:
    html = letters["everyone"].html

    assert html.index("A slat broke.") < html.index("The Commons Desk</a>")
    assert re.search(
        r'<h1[^>]*><a [^>]*href="https://letters.example.org/p/a-quiet-harbour"[^>]*>'
        r"The “bench” &lt;b&gt;</a></h1>",
        html,
    )
    assert "Nobody’s" in html
    assert "Ines Marlow, Wen Castellane, 19 November 2026" in html
    assert "Read on the web" in html


def test_the_foot_of_a_letter(letters: dict[Audience, Letter]) -> None:
    for letter in letters.values():
        for part in (letter.html, letter.text):
            assert "You get this because you subscribed to The Commons Desk" in part
            assert "[[unsubscribe]]" in part
            assert "[[preferences]]" in part
            assert "12 Harbour Row, Port Ellery" in part
            assert "https://letters.example.org/archive" in part
    assert "who pay for it" in letters["member"].text
    assert "who pay for it" not in letters["everyone"].text


def test_the_text_letter_has_a_masthead(letters: dict[Audience, Letter]) -> None:
    text = letters["everyone"].text

    assert text.startswith("The Commons Desk\nhttps://letters.example.org/\n\n")
    assert "The “bench” <b>\n===============\n\nNobody’s\n" in text
    assert "On the web: https://letters.example.org/p/a-quiet-harbour" in text


def test_without_a_preheader_the_first_words_stand_in(desk: Desk) -> None:
    letters = desk.prepare("Good morning from *Port Ellery*.\n", "title: Hello\n").letters

    assert letters["member"].html.count("Good morning from Port Ellery.") == 1
    assert "preheader" in letters["member"].html


def test_a_letter_without_a_postal_address_has_no_empty_place_for_it(desk: Desk) -> None:
    toml = desk.settings.root / "connector.toml"
    toml.write_text(toml.read_text().replace('address = "12 Harbour Row, Port Ellery"', ""))
    desk.settings = settings.load(
        desk.settings.root, {"CONNECTOR_SECRET": "a test's own secret, long enough"}
    )

    letters = desk.prepare("Hi.").letters

    assert letters["member"].text.rstrip().endswith("/archive")
