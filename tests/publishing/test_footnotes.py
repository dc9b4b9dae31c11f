"""Footnotes count through the whole issue, and work in each edition in its own way."""

import re

from tests.publishing.conftest import Desk

BODY = """\
First[^a] and second.[^b] First again.[^a] Typed on the spot.^[Here *it* is.]

::: ask
Asked.[^asked]
:::

Last.[^last]

[^a]: Note *one*.
[^b]: Note two.

    With two paragraphs.
[^asked]: Only for those who are asked.
[^last]: The last note, which has one of its own.[^deep]
[^deep]: Deep down.
"""


def test_on_the_web_numbers_lead_to_notes_and_back(desk: Desk) -> None:
    web = desk.cut(BODY).editions.web["everyone"]

    assert '<sup class="footnote-ref"><a href="#fn-1" id="fnref-1">1</a></sup>' in web
    assert 'id="fnref-1-2"' in web
    assert '<section class="footnotes" role="doc-endnotes">' in web
    assert '<li id="fn-1"><p>Note <em>one</em>. <a class="footnote-back" href="#fnref-1"' in web
    assert 'href="#fnref-1-2"' in web


def test_every_link_within_the_page_has_its_end(desk: Desk) -> None:
    web = desk.cut(BODY).editions.web["everyone"]

    ids = re.findall(r'id="([^"]+)"', web)

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', web)) <= set(ids)


def test_each_note_is_beside_its_line_too(desk: Desk) -> None:
    web = desk.cut(BODY).editions.web["everyone"]

    assert (
        '</a></sup><span class="sidenote"><span class="sidenote-number">1</span> '
        "Note <em>one</em>.</span> and second." in web
    )
    assert web.count('class="sidenote"') == len(re.findall(r'<li id="fn-', web))


def test_numbers_have_no_gap_for_members(desk: Desk) -> None:
    editions = desk.cut(BODY).editions

    for web, notes in ((editions.web["everyone"], 6), (editions.web["member"], 5)):
        assert re.findall(r'<li id="fn-(\d+)"', web) == [str(n) for n in range(1, notes + 1)]
    assert "Only for those who are asked" not in editions.web["member"]
    assert "Only for those who are asked" not in editions.email["member"]
    assert "Only for those who are asked" not in editions.text["member"]


def test_in_mail_they_are_numbers_without_links(desk: Desk) -> None:
    email = desk.cut(BODY).editions.email["everyone"]

    assert "First<sup>1</sup> and second.<sup>2</sup> First again.<sup>1</sup>" in email
    assert 'href="#' not in email
    assert ' id="' not in email
    assert '<td class="note-number">1</td><td class="note"><p>Note <em>one</em>.</p>' in email


def test_in_text_they_are_small_numbers_with_notes_at_the_end(desk: Desk) -> None:
    text = desk.cut(BODY).editions.text["everyone"]

    assert "First¹ and second.² First again.¹ Typed on the spot.³" in text
    assert "Notes\n-----\n\n1. Note _one_.\n\n2. Note two.\n\n   With two paragraphs." in text
    assert text.index("3. Here _it_ is.") < text.index("4. Only for those")


def test_in_the_feed_they_are_a_list_at_the_end(desk: Desk) -> None:
    feed = desk.cut(BODY).editions.feed

    assert "<hr>\n<ol>\n<li><p>Note <em>one</em>.</p>\n</li>" in feed
    assert 'href="#' not in feed


def test_a_note_within_a_link_makes_no_link_in_a_link(desk: Desk) -> None:
    web = desk.cut("[words[^a] more](https://example.org) end\n\n[^a]: A [link](https://a.org).\n")

    assert not re.search(r"<a [^>]*>(?:(?!</a>).)*<a ", web.editions.web["everyone"], re.DOTALL)
    assert "sidenote" in web.editions.web["everyone"]


def test_a_note_about_itself_ends(desk: Desk) -> None:
    editions = desk.cut("Round.[^a]\n\n[^a]: And round.[^a]\n").editions

    assert "And round." in editions.web["everyone"]
    assert "1. And round.¹" in editions.text["everyone"]
