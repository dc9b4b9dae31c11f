"""An issue: one Markdown file, its front matter read strictly and its body left alone.

It tells the writer what is wrong with file, line and key, and never guesses.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml

from connector import clock
from connector.errors import Unpublishable
from connector.publishing.finding import Finding, did_you_mean
from connector.publishing.markdown import typeset
from connector.settings import Settings

Status = Literal["draft", "ready"]
KEYS = (
    "title",
    "subtitle",
    "date",
    "slug",
    "subject",
    "preheader",
    "image",
    "alt",
    "tags",
    "authors",
    "description",
    "canonical",
    "status",
)
MEANT = {
    "author": "authors",
    "by": "authors",
    "draft": "status",
    "excerpt": "description",
    "image_alt": "alt",
    "permalink": "slug",
    "preview": "preheader",
    "published": "date",
    "summary": "description",
    "url": "canonical",
}
LISTS = ("tags", "authors")
FENCE = re.compile(r"-{3,}[ \t]*$")
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DATED = re.compile(r"\d{4}-\d{2}-\d{2}[-_ ]+")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
LARGEST = 2 * 1024 * 1024
BEGINNING = "Begin the file with three lines: ---, then title: Your title, then ---."


@dataclass(frozen=True)
class Issue:
    """What the file says; `date` in milliseconds, `body_line` the body's first line, from 1."""

    path: Path
    slug: str
    title: str
    body: str
    body_line: int
    source: str = field(repr=False)
    subtitle: str = ""
    date: int | None = None
    subject: str = ""
    preheader: str = ""
    image: str = ""
    image_alt: str = ""
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    description: str = ""
    canonical: str = ""
    status: Status = "ready"

    def place(self, line: int) -> str:
        """A line of the body, counted from 0, as a writer finds it in the file."""
        return f"{self.path.name}:{self.body_line + line}"


@dataclass(frozen=True)
class _Entry:
    line: int
    value: str | list[str]


def read(path: Path, settings: Settings) -> Issue:
    """Read an issue from its file.

    Raises Unpublishable with every finding: no such file, not text, front matter that is
    missing, broken, unknown or of the wrong kind.
    """
    source = _text(path)
    lines = source.split("\n")
    end = _end_of_front_matter(path, lines)
    entries, findings = _entries(path, "\n".join(lines[1:end]))
    reader = _Reader(path, settings, entries, findings)
    issue = reader.issue(body="\n".join(lines[end + 1 :]), body_line=end + 2, source=source)
    if findings:
        raise refusal(findings)
    return issue


def slug_of(path: Path) -> str:
    """The slug a file name gives: no leading date, plain letters; empty when none are left."""
    name = unicodedata.normalize("NFKD", DATED.sub("", path.stem, count=1))
    ascii_name = name.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")


def refusal(findings: list[Finding]) -> Unpublishable:
    """The error that says an issue cannot be published, and why, in one sentence."""
    more = len(findings) - 1
    also = f" (and {more} more {'problem' if more == 1 else 'problems'})" if more else ""
    return Unpublishable(f"{findings[0]}{also}", findings=findings)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _names(path.parent), n=1)
        cure = f"Did you mean {near[0]}?" if near else "Check the name."
        raise _stop(path.name, "There is no such file.", cure) from None
    except IsADirectoryError:
        raise _stop(path.name, "This is a folder, not an issue.", "Name a file in it.") from None
    except OSError as error:
        cure = "Check that you may read it."
        raise _stop(path.name, f"The file cannot be read ({error.strerror}).", cure) from None
    if raw is None:
        raise _stop(
            path.name, "The file is larger than 2 MB.", "Put pictures beside it, not in it."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        cure = "Save it as UTF-8 text."
        raise _stop(f"{path.name}:{line}", "The file is not UTF-8 text.", cure) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        message = f"There is a control character here (U+{ord(found[0]):04X})."
        raise _stop(f"{path.name}:{line}", message, "Remove it, or save the file as plain text.")
    if not text.strip():
        raise _stop(path.name, "The file is empty.", BEGINNING)
    return text


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.md")] if folder.is_dir() else []


def _stop(place: str, message: str, cure: str) -> Unpublishable:
    return refusal([Finding("error", place, message, cure)])


def _end_of_front_matter(path: Path, lines: list[str]) -> int:
    if not FENCE.match(lines[0]):
        raise _stop(f"{path.name}:1", "The front matter is missing.", BEGINNING)
    for at, line in enumerate(lines[1:], 1):
        if FENCE.match(line):
            return at
    cure = "Add a line with --- where the letter begins."
    raise _stop(f"{path.name}:1", "The front matter is never closed.", cure)


def _entries(path: Path, text: str) -> tuple[dict[str, _Entry], list[Finding]]:
    """What the YAML says, with lines; the base loader keeps every value as it was typed."""
    entries: dict[str, _Entry] = {}
    findings: list[Finding] = []
    for key, line, value in _pairs(path, text):
        place = f"{path.name}:{line}"
        if key not in KEYS:
            cure = (
                f"Did you mean “{MEANT[key]}”?"
                if key in MEANT
                else did_you_mean(key, KEYS, f"Remove it; known are {', '.join(KEYS)}.")
            )
            findings.append(Finding("error", place, f"“{key}” is not a key I know.", cure))
        elif key in entries:
            message = f"“{key}” is given twice, first on line {entries[key].line}."
            findings.append(Finding("error", place, message, "Keep one of them."))
        elif (entry := _entry(key, line, value)) is None:
            wanted = "a list of words" if key in LISTS else "one piece of text"
            cure = f"Write {key}: {'[one, two]' if key in LISTS else '“…” on one line'}."
            findings.append(Finding("error", place, f"“{key}” must be {wanted}.", cure))
        else:
            entries[key] = entry
    return entries, findings


def _pairs(path: Path, text: str) -> Iterator[tuple[str, int, yaml.Node]]:
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        problem = getattr(error, "problem", None) or getattr(error, "reason", "") or "unreadable"
        cure = "A value with a colon or a quote in it needs quotes around it."
        raise _stop(
            f"{path.name}:{line}", f"The front matter is not YAML: {problem}.", cure
        ) from None
    except (RecursionError, ValueError):
        cure = "Write one “key: value” a line."
        raise _stop(f"{path.name}:2", "The front matter is not YAML.", cure) from None
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        cure = "Write one “key: value” a line, as in title: Your title."
        raise _stop(f"{path.name}:2", "The front matter is not a list of keys.", cure)
    for key, value in node.value:
        word = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
        yield word, key.start_mark.line + 2, value


def _entry(key: str, line: int, node: yaml.Node) -> _Entry | None:
    if isinstance(node, yaml.ScalarNode):
        return _Entry(line, str(node.value).strip())
    if key not in LISTS or not isinstance(node, yaml.SequenceNode):
        return None
    words = [str(item.value) for item in node.value if isinstance(item, yaml.ScalarNode)]
    return _Entry(line, words) if len(words) == len(node.value) else None


class _Reader:
    """Front matter being read: every wrong value becomes a finding, none stops the reading."""

    def __init__(
        self, path: Path, settings: Settings, entries: dict[str, _Entry], findings: list[Finding]
    ) -> None:
        self.path = path
        self.settings = settings
        self.entries = entries
        self.findings = findings

    def issue(self, *, body: str, body_line: int, source: str) -> Issue:
        title = self.words("title")
        if not title:
            self.wrong("title", "The title is missing.", "Add a line like title: Your title.")
        return Issue(
            path=self.path,
            slug=self.slug(),
            title=title,
            body=body,
            body_line=body_line,
            source=source,
            subtitle=self.words("subtitle"),
            date=self.date(),
            subject=self.words("subject"),
            preheader=self.words("preheader"),
            image=self.one("image"),
            image_alt=self.words("alt"),
            tags=self.several("tags", str.casefold),
            authors=self.several("authors", str),
            description=self.words("description"),
            canonical=self.canonical(),
            status=self.status(),
        )

    def wrong(self, key: str, message: str, cure: str) -> None:
        line = self.entries[key].line if key in self.entries else 1
        self.findings.append(Finding("error", f"{self.path.name}:{line}", message, cure))

    def one(self, key: str) -> str:
        entry = self.entries.get(key)
        return entry.value if entry and isinstance(entry.value, str) else ""

    def words(self, key: str) -> str:
        """A line a reader will see, on one line and with real quotes."""
        text = " ".join(self.one(key).split())
        return typeset(text, language=self.settings.publication.language)

    def several(self, key: str, form: Callable[[str], str]) -> tuple[str, ...]:
        entry = self.entries.get(key)
        if entry is None:
            return ()
        words = entry.value
        if isinstance(words, str):
            words = words.split(",") if key == "tags" else [words]
        return tuple(dict.fromkeys(form(word.strip()) for word in words if word.strip()))

    def slug(self) -> str:
        typed = self.one("slug")
        if typed and not SLUG.fullmatch(typed):
            self.wrong(
                "slug",
                f"“{typed}” cannot be part of an address.",
                "Use small letters a to z, digits and single hyphens: slug: a-quiet-harbour",
            )
        slug = typed or slug_of(self.path)
        if not slug:
            self.wrong(
                "slug",
                "The file's name gives no address for the page.",
                "Add a line like slug: a-quiet-harbour",
            )
        return slug

    def date(self) -> int | None:
        typed = self.one("date")
        if not typed:
            return None
        try:
            when = datetime.fromisoformat(typed)
            zone = ZoneInfo(self.settings.publication.zone)
            return clock.milliseconds(when if when.tzinfo else when.replace(tzinfo=zone))
        except (ValueError, OverflowError, OSError):
            cure = "Write it like 2026-11-19, or 2026-11-19 09:00."
            self.wrong("date", f"“{typed}” is not a date.", cure)
            return None

    def canonical(self) -> str:
        typed = self.one("canonical")
        if typed and not re.fullmatch(r"https?://[^\s/]+\S*", typed):
            cure = "Write the whole of it: https://example.org/first-published-here"
            self.wrong("canonical", f"“{typed}” is not an address.", cure)
        return typed

    def status(self) -> Status:
        typed = self.one("status") or "ready"
        if typed not in ("draft", "ready"):
            self.wrong("status", f"“{typed}” is not a status.", "Write draft or ready.")
        return "draft" if typed == "draft" else "ready"
