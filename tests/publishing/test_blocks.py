"""Who sees which block, on which surface."""

import pytest

from connector.publishing.editions import Editions
from tests.publishing.conftest import Desk

BODY = """\
Shared words.

::: ask
Please pay.
:::

::: thanks
Thank you for paying.
:::

::: web
Only on the web.
:::

::: email
Only in mail.
:::
"""
WORDS = ["Shared words", "Please pay", "Thank you for paying", "Only on the web", "Only in mail"]
SHOWN = {
    ("web", "everyone"): ["Shared words", "Please pay", "Only on the web"],
    ("web", "member"): ["Shared words", "Thank you for paying", "Only on the web"],
    ("email", "everyone"): ["Shared words", "Please pay", "Only in mail"],
    ("email", "member"): ["Shared words", "Thank you for paying", "Only in mail"],
    ("text", "everyone"): ["Shared words", "Please pay", "Only in mail"],
    ("text", "member"): ["Shared words", "Thank you for paying", "Only in mail"],
    ("feed", "everyone"): ["Shared words", "Please pay"],
}


def body(editions: Editions, surface: str, audience: str) -> str:
    if surface == "feed":
        return editions.feed
    bodies: dict[str, str] = getattr(editions, surface)
    return bodies[audience]


@pytest.mark.parametrize(("surface", "audience"), SHOWN)
def test_each_block_shows_exactly_where_it_should(desk: Desk, surface: str, audience: str) -> None:
    cut = desk.cut(BODY)

    found = body(cut.editions, surface, audience)

    assert [words for words in WORDS if words in found] == SHOWN[surface, audience]


@pytest.mark.parametrize(
    "nested",
    [
        "::: web\n::: ask\nPlease pay.\n:::\n:::\n",
        ":::: web\n::: ask\nPlease pay.\n:::\n::::\n",
        "> ::: web\n> ::: ask\n> Please pay.\n> :::\n> :::\n",
        "- item\n\n  ::: web\n  ::: ask\n  Please pay.\n  :::\n  :::\n",
    ],
)
def test_a_block_in_a_block_needs_both_to_be_shown(desk: Desk, nested: str) -> None:
    editions = desk.cut(nested).editions

    assert "Please pay" in editions.web["everyone"]
    assert "Please pay" not in editions.web["member"]
    assert "Please pay" not in editions.email["everyone"]


def test_without_ask_or_thanks_both_audiences_read_the_same(desk: Desk) -> None:
    editions = desk.cut("Just words.\n\n::: callout\nLook.\n:::\n").editions

    assert editions.web["everyone"] is editions.web["member"]
    assert editions.email["everyone"] is editions.email["member"]


def test_panels_are_asides_on_the_web_and_tables_in_mail(desk: Desk) -> None:
    editions = desk.cut('::: callout Mind the "gap"\nLook.\n:::\n\n::: ask\nPay.\n:::\n').editions

    web, email = editions.web["everyone"], editions.email["everyone"]

    assert (
        '<aside class="callout">\n<p class="callout-title">Mind the “gap”</p>\n<p>Look.</p>' in web
    )
    assert '<aside class="ask">' in web
    assert "<aside" not in email
    assert 'role="presentation" class="panel"' in email


def test_a_button_is_a_link_that_looks_like_one(desk: Desk) -> None:
    editions = desk.cut("::: button\n[Join *us*](/join)\n:::\n").editions

    assert (
        '<p class="buttons"><a class="button" href="/join">Join us</a></p>'
        in editions.web["member"]
    )
    assert '<td class="button"' in editions.email["member"]
    assert 'href="https://letters.example.org/join"' in editions.email["member"]
    assert "Join us:\nhttps://letters.example.org/join" in editions.text["member"]


def test_a_button_may_be_written_on_one_line(desk: Desk) -> None:
    editions = desk.cut("::: button [Join](https://example.org/join)\n:::\n").editions

    assert 'class="button" href="https://example.org/join">Join</a>' in editions.web["member"]


def test_subscribe_is_a_form_on_the_web_and_a_quiet_line_in_mail(desk: Desk) -> None:
    editions = desk.cut("::: subscribe\nGet the next one.\n:::\n").editions

    assert '<form action="/subscribe" method="post">' in editions.web["everyone"]
    assert "<form" not in editions.email["everyone"]
    assert "forwarded" in editions.email["everyone"]
    assert "<form" not in editions.feed
    assert "forwarded" in editions.text["everyone"]


def test_a_link_alone_becomes_a_card(desk: Desk) -> None:
    editions = desk.cut(
        '[The *bench* book](https://www.example.org/book "A register")\n\n'
        "https://example.org/a/long-way\n\n"
        "https://youtu.be/abc\n"
    ).editions

    web = editions.web["everyone"]
    assert web.count('<a class="card"') == 3
    assert '<span class="card-title">The bench book</span>' in web
    assert '<span class="card-note">A register</span>' in web
    assert '<span class="card-site">example.org</span>' in web
    assert '<span class="card-title">example.org/a/long-way</span>' in web
    assert '<span class="card-title">Watch on YouTube</span>' in web
    assert "<iframe" not in web


@pytest.mark.parametrize(
    "words",
    [
        "See [this](https://example.org).",
        "- [this](https://example.org)",
        "> [this](https://example.org)",
        "[this](/p/other)",
        "[a](https://example.org) [b](https://example.org)",
        "ines@example.org",
        "::: ask\n[this](https://example.org)\n:::",
    ],
)
def test_a_link_among_other_things_stays_a_link(desk: Desk, words: str) -> None:
    editions = desk.cut(words).editions

    assert 'class="card"' not in editions.web["everyone"]
    assert "<a href=" in editions.web["everyone"]


def test_a_card_may_have_a_picture_and_a_note(desk: Desk) -> None:
    desk.picture()

    editions = desk.cut(
        "::: card\n![A bench](bench.jpg)\n\n[The book](https://example.org/book)\n\nA register.\n:::\n"
    ).editions

    web, email = editions.web["everyone"], editions.email["everyone"]
    assert '<a class="card" href="https://example.org/book"><img src="/images/' in web
    assert '<span class="card-note">A register.</span>' in web
    assert 'class="card-picture"' in email
    assert "https://example.org/book" in editions.text["everyone"]


def test_a_video_with_a_picture_is_a_card_with_it(desk: Desk) -> None:
    desk.picture()

    editions = desk.cut(
        '[![A talk](bench.jpg "My talk")](https://www.youtube.com/watch?v=x)\n'
    ).editions

    assert (
        '<a class="card" href="https://www.youtube.com/watch?v=x"><img' in editions.web["everyone"]
    )
    assert '<span class="card-title">My talk</span>' in editions.web["everyone"]


def test_a_gallery_holds_figures(desk: Desk) -> None:
    desk.picture()

    editions = desk.cut("::: gallery\n![a](bench.jpg)\n![b](bench.jpg)\n:::\n").editions

    assert '<div class="gallery">\n<figure>' in editions.web["everyone"]
    assert editions.web["everyone"].count("<figure>") == 2
    assert editions.email["everyone"].count('class="picture"') == 2


def test_more_ends_the_feed_and_nothing_else(desk: Desk) -> None:
    editions = desk.cut("Before.\n\n::: more\n:::\n\nAfter.\n").editions

    assert "After" not in editions.feed
    assert '<a href="https://letters.example.org/p/a-quiet-harbour">Read on</a>' in editions.feed
    assert all(
        "After." in edition
        for edition in (
            editions.web["everyone"],
            editions.email["everyone"],
            editions.text["everyone"],
        )
    )


def test_dashes_under_a_heading_become_a_list(desk: Desk) -> None:
    editions = desk.cut(
        "## Odds and ends\n\n– One *thing*.\n– Another,\nwith more.\n\n-- And a last.\n\nYours\n"
    ).editions

    web = editions.web["everyone"]
    assert "<ul>\n<li>One <em>thing</em>.</li>\n<li>Another,\nwith more.</li>" in web
    assert "<li>And a last.</li>\n</ul>\n<p>Yours</p>" in web
    assert "* Another, with more." in editions.text["everyone"]


def test_dashes_of_a_conversation_stay_as_they_are(desk: Desk) -> None:
    editions = desk.cut("She looked up.\n\n— Where to?\n\n— Home.\n").editions

    assert "<ul>" not in editions.web["everyone"]


def test_a_fence_of_colons_in_code_closes_nothing(desk: Desk) -> None:
    editions = desk.cut("::: ask\n```\n:::\n```\nPay.\n:::\n\nAfter.\n").editions

    assert "Pay." not in editions.web["member"]
    assert "After." in editions.web["member"]
