"""A file is read strictly: what is wrong is said once, with its place and its cure."""

import re
from pathlib import Path

import pytest

from connector import settings as configuration
from connector.errors import Unpublishable
from connector.publishing import issue
from connector.publishing.finding import Finding
from connector.settings import Settings
from tests.publishing.conftest import Desk

FULL = """\
---
title: It's "done"
subtitle: At last -- or so they say...
date: 2026-11-19
slug: done-at-last
subject: Done
preheader: A short one.
image: bench.jpg
alt: A bench.
tags: [Ownership, registers]
authors: [Ines Marlow, Wen Castellane]
description: What was done.
canonical: https://example.org/done
status: draft
---

Dear reader,
"""


def only(desk: Desk, text: str | bytes, name: str = "letter.md") -> Finding:
    with pytest.raises(Unpublishable) as refused:
        issue.read(desk.write(text, name), desk.settings)
    (finding,) = refused.value.findings
    assert isinstance(finding, Finding)
    assert str(refused.value) == str(finding)
    return finding


def test_every_key_is_read(desk: Desk) -> None:
    path = desk.write(FULL, "2026-11-19-some-file.md")

    read = issue.read(path, desk.settings)

    assert read.title == "It’s “done”"
    assert read.subtitle == "At last – or so they say…"
    assert read.date == 1_795_046_400_000
    assert (read.slug, read.subject, read.preheader) == ("done-at-last", "Done", "A short one.")
    assert (read.image, read.image_alt) == ("bench.jpg", "A bench.")
    assert read.tags == ("ownership", "registers")
    assert read.authors == ("Ines Marlow", "Wen Castellane")
    assert (read.description, read.canonical) == ("What was done.", "https://example.org/done")
    assert read.status == "draft"
    assert read.body == "\nDear reader,\n"
    assert read.source == FULL


def test_a_title_is_enough(desk: Desk) -> None:
    read = issue.read(desk.write("---\ntitle: Hello\n---\nHi."), desk.settings)

    assert (read.title, read.subtitle, read.date, read.tags) == ("Hello", "", None, ())
    assert read.status == "ready"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("2026-11-19-the-bench.md", "the-bench"),
        ("The Bench.md", "the-bench"),
        ("2026-11-19 Über allem.md", "uber-allem"),
        ("42.md", "42"),
    ],
)
def test_the_file_name_gives_the_slug(desk: Desk, name: str, slug: str) -> None:
    path = desk.write("---\ntitle: Hello\n---\nHi.", name)

    read = issue.read(path, desk.settings)

    assert read.slug == slug


def test_a_date_is_in_the_publications_zone(root: Path) -> None:
    toml = root / "connector.toml"
    toml.write_text(toml.read_text() + 'zone = "Europe/Riga"\n')
    riga = configuration.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough"})
    path = riga.issues / "hello.md"
    path.write_text("---\ntitle: Hello\ndate: 2026-11-19 09:00\n---\nHi.")

    read = issue.read(path, riga)

    assert read.date == 1_795_071_600_000  # seven in the morning, UTC


def test_words_for_readers_are_set_with_the_languages_own_quotes(root: Path) -> None:
    toml = root / "connector.toml"
    toml.write_text(toml.read_text() + 'language = "de"\n')
    german = configuration.load(root, {"CONNECTOR_SECRET": "a test's own secret, long enough"})
    path = german.issues / "hello.md"
    path.write_text('---\ntitle: Die "Bank"\n---\nHi.')

    read = issue.read(path, german)

    assert read.title == "Die „Bank“"


@pytest.mark.parametrize("text", ["", "  \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_named_as_empty(desk: Desk, text: str | bytes) -> None:
    finding = only(desk, text)

    assert finding.message == "The file is empty."
    assert "title:" in finding.cure


def test_a_file_without_front_matter_is_refused(desk: Desk) -> None:
    finding = only(desk, "Dear reader,\n")

    assert finding.place == "letter.md:1"
    assert finding.message == "The front matter is missing."


def test_front_matter_that_never_ends_is_refused(desk: Desk) -> None:
    finding = only(desk, "---\ntitle: Hello\n\nDear reader,\n")

    assert finding.message == "The front matter is never closed."
    assert "---" in finding.cure


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("title: Hello: again", 2),
        ("title: Hello\ntags: [one, two", 3),
        ("title: 'Hello", 2),
        ("title: Hello\n\tsubtitle: x", 3),
        ("- a\n- list", 2),
        ("just words", 2),
        ("title: Hello\n&", 3),
    ],
)
def test_broken_yaml_is_one_sentence_with_a_line(desk: Desk, yaml: str, line: int) -> None:
    finding = only(desk, f"---\n{yaml}\n---\nHi.")

    assert finding.place == f"letter.md:{line}"
    assert "front matter" in finding.message
    assert "\n" not in str(finding)


def test_a_file_that_is_not_utf_8_names_the_line(desk: Desk) -> None:
    finding = only(desk, b"---\ntitle: Hello\n---\n\ncaf\xe9\n")

    assert finding.place == "letter.md:5"
    assert finding.message == "The file is not UTF-8 text."


def test_a_binary_file_is_refused(desk: Desk) -> None:
    finding = only(desk, b"---\ntitle: Hello\n---\n\0\0\0")

    assert "control character" in finding.message


def test_a_missing_file_suggests_its_neighbour(desk: Desk) -> None:
    desk.write("---\ntitle: Hello\n---\nHi.", "the-bench.md")

    with pytest.raises(Unpublishable, match=r"Did you mean the-bench\.md\?"):
        issue.read(desk.settings.issues / "the-bensh.md", desk.settings)


def test_a_folder_is_not_an_issue(desk: Desk) -> None:
    with pytest.raises(Unpublishable, match="This is a folder"):
        issue.read(desk.settings.issues, desk.settings)


def test_a_file_larger_than_any_letter_is_refused(desk: Desk) -> None:
    finding = only(desk, "---\ntitle: Hello\n---\n" + "x" * 3_000_000)

    assert "larger than 2 MB" in finding.message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("subtitel: x", "“subtitel” is not a key I know. Did you mean “subtitle”?"),
        ("author: Ines", "“author” is not a key I know. Did you mean “authors”?"),
        ("no: x", "“no” is not a key I know. Remove it; known are title,"),
        ("subtitle: [a, b]", "“subtitle” must be one piece of text."),
        ("tags: {a: b}", "“tags” must be a list of words."),
        ("title: Again", "“title” is given twice, first on line 2."),
        ("date: yesterday", "“yesterday” is not a date. Write it like 2026-11-19"),
        ("date: 2026-13-40", "“2026-13-40” is not a date."),
        ("slug: ../secrets", "“../secrets” cannot be part of an address."),
        ("canonical: example.org", "“example.org” is not an address."),
        ("status: done", "“done” is not a status. Write draft or ready."),
    ],
)
def test_a_wrong_key_names_file_line_and_cure(desk: Desk, line: str, says: str) -> None:
    finding = only(desk, f"---\ntitle: Hello\n{line}\n---\nHi.")

    assert finding.place == "letter.md:3"
    assert says in f"{finding.message} {finding.cure}"
    assert finding.severity == "error"


def test_every_wrong_key_is_said_at_once(desk: Desk) -> None:
    path = desk.write("---\ntitel: Hello\ndate: soon\n---\nHi.", "letter.md")

    with pytest.raises(Unpublishable, match=r"and 2 more problems") as refused:
        issue.read(path, desk.settings)

    places = [re.sub(r".*:", "", str(getattr(found, "place"))) for found in refused.value.findings]  # noqa: B009
    assert sorted(places) == ["1", "2", "3"]


def test_a_name_without_letters_asks_for_a_slug(desk: Desk) -> None:
    finding = only(desk, "---\ntitle: 港\n---\nHi.", "港.md")

    assert "slug:" in finding.cure


def test_windows_line_ends_are_as_good_as_others(configured: Settings, desk: Desk) -> None:
    path = desk.write(b"\xef\xbb\xbf---\r\ntitle: Hello\r\n---\r\nHi.\r\n")

    read = issue.read(path, configured)

    assert (read.title, read.body, read.body_line) == ("Hello", "Hi.\n", 4)
