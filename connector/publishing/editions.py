"""Editions: an issue as each audience gets it on each surface, all cut from one stream.

Bodies only; pages, letters and feeds put their own frames around them. Nothing is
fetched from a network.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from connector import colour
from connector.publishing import document, images
from connector.publishing.document import Document
from connector.publishing.email import Email
from connector.publishing.finding import Finding
from connector.publishing.images import Image
from connector.publishing.issue import Issue
from connector.publishing.markdown import Token
from connector.publishing.markup import Sheet
from connector.publishing.text import Text
from connector.publishing.webpage import Feed, Web
from connector.settings import Settings

Audience = Literal["everyone", "member"]
Surface = Literal["web", "email", "text", "feed"]
AUDIENCES: tuple[Audience, ...] = ("everyone", "member")
HIDDEN: dict[tuple[Surface, Audience], frozenset[str]] = {
    ("web", "everyone"): frozenset({"thanks_open", "email_open"}),
    ("web", "member"): frozenset({"ask_open", "email_open"}),
    ("email", "everyone"): frozenset({"thanks_open", "web_open"}),
    ("email", "member"): frozenset({"ask_open", "web_open"}),
    ("text", "everyone"): frozenset({"thanks_open", "web_open"}),
    ("text", "member"): frozenset({"ask_open", "web_open"}),
    # A feed reader is nobody we know: asked like everybody, and neither on our page nor in mail.
    ("feed", "everyone"): frozenset({"thanks_open", "web_open", "email_open"}),
}
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
AWAY = re.compile(rf"{SCHEME.pattern}|//")


@dataclass(frozen=True)
class Editions:
    """Bodies as HTML, or as text. `everyone` is everybody who does not pay."""

    web: dict[Audience, str]
    email: dict[Audience, str]
    text: dict[Audience, str]
    feed: str


@dataclass(frozen=True)
class Cut:
    """What one reading of an issue gives; `pictures` by the source the writer typed."""

    document: Document
    editions: Editions
    pictures: Mapping[str, Image] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def words(self) -> int:
        return self.document.words


def cut(issue: Issue, settings: Settings) -> Cut:
    """Parse an issue once and cut every edition from it; pictures are read from beside the file."""
    language, html = settings.publication.language, settings.writing.html
    read = document.read(issue.body, html=html, language=language)
    pictures, findings = _pictures(issue, read, settings)
    cutter = _Cutter(read, pictures, settings, page=page_of(issue.slug, settings))
    return Cut(read, cutter.editions(), pictures, tuple(findings))


def page(text: str, settings: Settings) -> str:
    """Markdown that is no issue (the about page) as the HTML of a page's body."""
    read = document.read(text, html=settings.writing.html, language=settings.publication.language)
    return _Cutter(read, {}, settings, page=settings.publication.url).web("everyone")


def page_of(slug: str, settings: Settings) -> str:
    """The full address of an issue's page."""
    return f"{settings.publication.url}/p/{slug}"


class _Cutter:
    def __init__(
        self, read: Document, pictures: Mapping[str, Image], settings: Settings, *, page: str
    ) -> None:
        self.read = read
        self.pictures = pictures
        self.settings = settings
        self.page = page
        self.is_shared = not any(
            token.type in ("ask_open", "thanks_open")
            for tokens in (read.tokens, *read.notes.values())
            for token in tokens
        )

    def editions(self) -> Editions:
        return Editions(
            web=self.each(self.web),
            email=self.each(self.email),
            text=self.each(self.text),
            feed=self.feed(),
        )

    def each(self, make: Callable[[Audience], str]) -> dict[Audience, str]:
        """An edition for each audience; where no block tells them apart it is made once."""
        everyone = make("everyone")
        return {"everyone": everyone, "member": everyone if self.is_shared else make("member")}

    def web(self, audience: Audience) -> str:
        return Web(self.sheet("web", audience)).render()

    def email(self, audience: Audience) -> str:
        accent = colour.worn(self.settings.publication.accent)
        return Email(self.sheet("email", audience), accent=accent).render()

    def text(self, audience: Audience) -> str:
        return Text(self.sheet("text", audience)).render()

    def feed(self) -> str:
        sheet = self.sheet("feed", "everyone", until_more=True)
        body = Feed(sheet).render()
        if len(sheet.tokens) < len(_visible(self.read.tokens, HIDDEN["feed", "everyone"])):
            body += f'<p><a href="{self.page}">Read on</a></p>\n'
        return body

    def sheet(self, surface: Surface, audience: Audience, *, until_more: bool = False) -> Sheet:
        hidden = HIDDEN[surface, audience]
        tokens = _visible(self.read.tokens, hidden)
        if until_more:
            tokens = _until_more(tokens)
        return Sheet(
            tokens=tokens,
            notes=_notes(tokens, self.read.notes, hidden),
            pictures=self.pictures,
            site=self.settings.publication.url,
            page=self.page,
            html=self.settings.writing.html,
        )


def _visible(tokens: Sequence[Token], hidden: frozenset[str]) -> Sequence[Token]:
    """The stream without the blocks that are not for this edition."""
    if not any(token.type in hidden for token in tokens):
        return tokens
    out = []
    depth = 0
    for token in tokens:
        if depth or token.type in hidden:
            depth += token.nesting
        else:
            out.append(token)
    return out


def _until_more(tokens: Sequence[Token]) -> Sequence[Token]:
    """The beginning, where the writer marked one; inside a block the mark says nothing."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += token.nesting
        if token.type == "more" and depth == 0:
            return tokens[:at]
    return tokens


def _notes(
    tokens: Sequence[Token], notes: Mapping[int, Sequence[Token]], hidden: frozenset[str]
) -> dict[int, Sequence[Token]]:
    """The notes this edition refers to, in the order it first does."""
    if not notes:
        return {}
    found: dict[int, Sequence[Token]] = {}
    waiting = list(_references(tokens))
    while waiting:
        note = waiting.pop(0)
        if note not in found:
            found[note] = _visible(notes.get(note, ()), hidden)
            waiting += _references(found[note])
    return found


def _references(tokens: Sequence[Token]) -> Iterator[int]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "footnote_ref":
                yield child.meta["id"]


def _pictures(
    issue: Issue, read: Document, settings: Settings
) -> tuple[dict[str, Image], list[Finding]]:
    pictures: dict[str, Image] = {}
    findings: list[Finding] = []
    wanted = dict.fromkeys(read.pictures())
    if issue.image:
        wanted[issue.image, 1 - issue.body_line] = None
    for src, line in wanted:
        if src in pictures or not src or AWAY.match(src):
            continue
        try:
            pictures[src] = images.read(_file(issue, src, settings))
        except images.Unusable as error:
            findings.append(Finding("error", issue.place(line), str(error), error.cure))
    return pictures, findings


def _file(issue: Issue, src: str, settings: Settings) -> Path:
    """The file a source means; never one outside the publication's folder."""
    name = unquote(src.partition("?")[0].partition("#")[0])
    if "\0" in name:
        raise images.Unusable("A picture's name has a NUL in it.", "Rename it.")
    folder = issue.path.parent.absolute()
    path = Path(os.path.normpath(folder / name))
    if not any(path.is_relative_to(base) for base in (folder, settings.root.absolute())):
        raise images.Unusable(
            f"“{src}” lies outside the publication's folder.", "Copy the picture beside the issue."
        )
    return path
