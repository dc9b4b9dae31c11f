"""An issue's body as one stream of tokens, shaped into what a reader will see: headings with
names, cards, buttons, lists.

It knows no surface and no audience; editions are cut from it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from connector.publishing import cards, markdown
from connector.publishing.markdown import Problem, Token, end_of, line_of, plain

TAGS = {"h1": "h2", "h2": "h2", "h3": "h3", "h4": "h4", "h5": "h4", "h6": "h4"}
TRANSPARENT = (
    "web_open",
    "email_open",
    "web_close",
    "email_close",
    "unknown_open",
    "unknown_close",
)
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\W_]+(?:['’\-][^\W_]+)*")
IMG = re.compile(r"""<img\b[^>]*?\ssrc=["']?([^"'\s>]+)""", re.IGNORECASE)
DASHES = ("– ", "— ")
HELD = "\ue000"  # private use: the place of a form in a page while its HTML is cleaned
LONGEST_EXCERPT = 220


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` is as the writer typed it; `line` counts from 0."""

    level: int
    text: str
    name: str
    line: int


@dataclass(frozen=True)
class Document:
    """The stream, with footnotes kept beside it by number."""

    tokens: list[Token]
    notes: dict[int, list[Token]] = field(default_factory=dict)
    headings: tuple[Heading, ...] = ()
    unused_notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def words(self) -> int:
        """How many words there are to read; in scripts without spaces, how many signs."""
        return sum(len(WORD.findall(plain(token.children))) for token in self.inlines())

    @property
    def excerpt(self) -> str:
        """The beginning of the first paragraph, for when the writer gives no description."""
        for at, token in enumerate(self.tokens):
            if token.type == "paragraph_open" and token.level == 0:
                return shortened(plain(self.tokens[at + 1].children), LONGEST_EXCERPT)
        return ""

    def inlines(self) -> Iterator[Token]:
        """Every run of words, those of notes last."""
        for tokens in (self.tokens, *self.notes.values()):
            yield from (token for token in tokens if token.type == "inline")

    def pictures(self) -> Iterator[tuple[str, int]]:
        """The source of every picture with its line, counted from 0."""
        for tokens in (self.tokens, *self.notes.values()):
            for token in tokens:
                line = line_of(token)
                if token.type == "html_block":
                    yield from ((src, line) for src in IMG.findall(token.content))
                for child in token.children or ():
                    if child.type == "image":
                        yield str(child.attrs.get("src", "")), line
                    elif child.type == "html_inline":
                        yield from ((src, line) for src in IMG.findall(child.content))


def read(text: str, *, html: bool = False, language: str = "en") -> Document:
    """Parse a body once and shape it."""
    parsed = markdown.parse(text.replace(HELD, ""), html=html, language=language)
    problems = list(parsed.problems)
    headings: list[Heading] = []
    return Document(
        tokens=_listed(_shaped(parsed.tokens, headings, problems)),
        notes={
            number: _shaped(tokens, headings, problems, depth=1)
            for number, tokens in parsed.notes.items()
        },
        headings=tuple(headings),
        unused_notes=parsed.unused_notes,
        problems=tuple(problems),
    )


def shortened(text: str, longest: int) -> str:
    """Text cut at a word, with an ellipsis where something is missing."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:–—-") + "…"


def _shaped(
    tokens: list[Token], headings: list[Heading], problems: list[Problem], *, depth: int = 0
) -> list[Token]:
    out: list[Token] = []
    names: dict[str, int] = {}
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type in ("card_open", "button_open"):
            end = end_of(tokens, at)
            make = cards.card if token.type == "card_open" else cards.buttons
            made = make(tokens[at:end])
            if made is None:
                problems.append(Problem("without link", line_of(token), token.info))
            else:
                out.append(made)
            at = end + 1
            continue
        if token.type == "heading_open":
            headings.append(_heading(token, tokens[at + 1], names))
            tokens[at + 2].tag = token.tag
        elif depth == 0 and (lone := cards.lone_link(tokens, at)):
            out.append(lone)
            at = end_of(tokens, at) + 1
            continue
        elif token.type not in TRANSPARENT:
            depth += token.nesting
        if token.type == "heading_open":
            depth += 1
        out.append(token)
        at += 1
    return out


def _heading(opening: Token, inline: Token, names: dict[str, int]) -> Heading:
    text = plain(inline.children)
    level = int(opening.tag[1])
    opening.tag = TAGS[opening.tag]
    name = _name(text)
    names[name] = names.get(name, 0) + 1
    if names[name] > 1:
        name = f"{name}-{names[name]}"
        names[name] = names.get(name, 0) + 1
    opening.attrs["id"] = name
    return Heading(level=level, text=text, name=name, line=line_of(opening))


def _name(text: str) -> str:
    name = re.sub(r"[\W_]+", "-", text.replace("’", "").replace("'", "").lower()).strip("-")
    return f"section-{name}" if not name or name.startswith(("fn-", "fnref-")) else name


def _listed(tokens: list[Token]) -> list[Token]:
    """Lines that begin with a dash under a heading, or after a colon, become a list."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        items, end = _dashed(tokens, at) if _introduces(out) else ([], at)
        if len(items) > 1:
            out += _bullets(items)
            at = end
        else:
            out.append(tokens[at])
            at += 1
    return out


def _introduces(out: list[Token]) -> bool:
    if not out:
        return False
    if out[-1].type == "heading_close":
        return True
    return out[-1].type == "paragraph_close" and plain(out[-2].children).endswith(":")


def _dashed(tokens: list[Token], at: int) -> tuple[list[Token], int]:
    """The items of dashed paragraphs from `at` on, as inline tokens, and where they end."""
    items: list[Token] = []
    while at < len(tokens) and tokens[at].type == "paragraph_open":
        inline = tokens[at + 1]
        if not _is_dashed(inline.children or [], 0):
            break
        items += _items(inline)
        at += 3
    return items, at


def _is_dashed(children: list[Token], at: int) -> bool:
    return (
        at < len(children)
        and children[at].type == "text"
        and children[at].content.startswith(DASHES)
    )


def _items(inline: Token) -> Iterator[Token]:
    children = inline.children or []
    start = 0
    breaks = [
        at + 1
        for at, child in enumerate(children)
        if child.type in ("softbreak", "hardbreak")
        and child.level == 0
        and _is_dashed(children, at + 1)
    ]
    for end in [*breaks, len(children) + 1]:
        item = children[start : end - 1]
        item[0].content = item[0].content[2:]
        yield Token("inline", "", 0, content=inline.content, children=item, map=inline.map)
        start = end


def _bullets(items: list[Token]) -> Iterator[Token]:
    yield Token("bullet_list_open", "ul", 1, block=True)
    for item in items:
        yield Token("list_item_open", "li", 1, block=True)
        yield Token("paragraph_open", "p", 1, hidden=True)
        yield item
        yield Token("paragraph_close", "p", -1, hidden=True)
        yield Token("list_item_close", "li", -1, block=True)
    yield Token("bullet_list_close", "ul", -1, block=True)
