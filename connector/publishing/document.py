"""An issue's body as one stream of tokens, shaped into what a reader will see: headings with
names, cards, buttons, lists.

It knows no surface and no audience; editions are cut from it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connector.publishing import markdown
from connector.publishing.markdown import Problem, Token, plain

SITES = {
    "youtube.com": "Watch on YouTube",
    "youtu.be": "Watch on YouTube",
    "vimeo.com": "Watch on Vimeo",
    "x.com": "Read the post on X",
    "twitter.com": "Read the post on X",
    "bsky.app": "Read the post on Bluesky",
    "mastodon.social": "Read the post on Mastodon",
    "instagram.com": "See the post on Instagram",
    "tiktok.com": "Watch on TikTok",
}
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
LONGEST_LABEL = 60
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
                line = _line(token)
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
            end = _end_of(tokens, at)
            make = _card if token.type == "card_open" else _buttons
            made = make(tokens[at:end])
            if made is None:
                problems.append(Problem("without link", _line(token), token.info))
            else:
                out.append(made)
            at = end + 1
            continue
        if token.type == "heading_open":
            headings.append(_heading(token, tokens[at + 1], names))
            tokens[at + 2].tag = token.tag
        elif depth == 0 and (lone := _lone_link(tokens, at)):
            out.append(lone)
            at = _end_of(tokens, at) + 1
            continue
        elif token.type not in TRANSPARENT:
            depth += token.nesting
        if token.type == "heading_open":
            depth += 1
        out.append(token)
        at += 1
    return out


def _end_of(tokens: list[Token], at: int) -> int:
    """Where the token that opens at `at` is closed."""
    depth = 0
    for end in range(at, len(tokens)):
        depth += tokens[end].nesting
        if depth == 0:
            return end
    return len(tokens) - 1


def _line(token: Token) -> int:
    return token.map[0] if token.map else 0


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
    return Heading(level=level, text=text, name=name, line=_line(opening))


def _name(text: str) -> str:
    name = re.sub(r"[\W_]+", "-", text.replace("’", "").replace("'", "").lower()).strip("-")
    return f"section-{name}" if not name or name.startswith(("fn-", "fnref-")) else name


def _lone_link(tokens: list[Token], at: int) -> Token | None:
    """A card, where a paragraph holds one link and nothing else."""
    token = tokens[at]
    if token.type == "figure_open":
        return _picture_card(tokens, at)
    if token.type != "paragraph_open" or token.hidden:
        return None
    children = tokens[at + 1].children or []
    if len(children) < 2 or children[0].type != "link_open" or children[-1].type != "link_close":  # noqa: PLR2004
        return None
    if sum(child.type == "link_open" for child in children) > 1:
        return None
    href = str(children[0].attrs.get("href", ""))
    if not href.startswith(("https://", "http://")):
        return None
    return _card_of(href, children[0], plain(children), map_=token.map)


def _picture_card(tokens: list[Token], at: int) -> Token | None:
    token = tokens[at]
    href = str(token.meta.get("href", ""))
    if _site(href) not in SITES:
        return None
    words = " ".join(plain(inner.children) for inner in tokens[at + 1 : _end_of(tokens, at)])
    card = _card_of(href, None, words.strip(), map_=token.map)
    card.children = token.children
    return card


def _card_of(href: str, link: Token | None, title: str, *, map_: list[int] | None) -> Token:
    site = _site(href)
    is_bare = not title or (link is not None and link.info == "auto")
    if is_bare:
        title = SITES.get(site) or shortened_address(href)
    note = str(link.attrs.get("title", "")) if link is not None else ""
    shown = "" if is_bare and site not in SITES else site
    return Token(
        "card",
        "a",
        0,
        attrs={"href": href},
        map=map_,
        meta={"title": title, "note": note, "site": shown},
    )


def shortened_address(href: str) -> str:
    """An address as a person would say it: no scheme, no www, not too long."""
    address = re.sub(r"^\w+://(www\.)?", "", href).rstrip("/")
    return address if len(address) <= LONGEST_LABEL else address[: LONGEST_LABEL - 1] + "…"


def _site(href: str) -> str:
    try:
        host = urlsplit(href).hostname or ""
    except ValueError:
        return ""
    return re.sub(r"^(www|m)\.", "", host)


def _card(tokens: list[Token]) -> Token | None:
    """What `::: card` holds: a picture, a link, and words for the note."""
    link: Token | None = None
    picture: Token | None = None
    title: list[Token] = []
    note: list[Token] = []
    href = ""
    for token in tokens[1:]:
        if token.type == "figure_open":
            href = href or str(token.meta.get("href", ""))
        inside = False
        for child in token.children or ():
            if child.type == "image":
                picture = picture or child
            elif child.type == "link_open":
                link, inside = link or child, link is None
            elif child.type == "link_close":
                inside = False
            else:
                (title if inside else note).append(child)
        note.append(Token("softbreak", "", 0))
    href = str(link.attrs.get("href", "")) if link is not None else href
    if not href:
        return None
    card = _card_of(href, link, plain(title), map_=tokens[0].map)
    card.meta["note"] = " ".join(plain(note).split()) or card.meta["note"]
    card.children = [picture] if picture else None
    return card


def _buttons(tokens: list[Token]) -> Token | None:
    links: list[tuple[str, str]] = []
    for token in tokens:
        href = ""
        label: list[Token] = []
        for child in token.children or ():
            if child.type == "link_open":
                href, label = str(child.attrs.get("href", "")), []
            elif child.type == "link_close":
                links.append((href, plain(label)))
            else:
                label.append(child)
    if not links:
        return None
    return Token("buttons", "p", 0, map=tokens[0].map, meta={"links": links})


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
