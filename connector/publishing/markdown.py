"""Markdown as tokens: the parser, set up once for each language, with our blocks and figures.

It never renders, and never reads a file; what it cannot make sense of becomes a problem
with a line.
"""

import functools
import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.footnote import footnote_plugin

__all__ = [
    "BLOCKS",
    "PANELS",
    "Parsed",
    "Problem",
    "Token",
    "end_of",
    "line_of",
    "parse",
    "plain",
    "typeset",
]

BLOCKS = (
    "ask",
    "thanks",
    "web",
    "email",
    "button",
    "subscribe",
    "callout",
    "card",
    "gallery",
    "more",
)
PANELS = ("ask", "thanks", "callout")
QUOTES = {
    "cs": "„“‚‘",
    "da": "»«›‹",
    "de": "„“‚‘",
    "es": "«»“”",
    "et": "„“‚‘",
    "fi": "””’’",
    "fr": ["«\xa0", "\xa0»", "“", "”"],
    "it": "«»“”",
    "lt": "„“‚‘",
    "lv": "“”‘’",
    "nb": "«»‘’",
    "pl": "„”‚’",
    "pt": "“”‘’",
    "ru": "«»„“",
    "sv": "””’’",
    "uk": "«»„“",
}
MARK = re.compile(r":{3,}[ \t]*(?:([\w-]+)(?:[ \t]+(.*?))?)?[ \t]*:*[ \t]*$")
CODE = re.compile(r"(`{3,}|~{3,})(.*)$")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about blocks that only the parser sees; `line` counts from 0."""

    kind: str
    line: int
    word: str = ""


@dataclass(frozen=True)
class Parsed:
    """Tokens in order, the notes by their number, and what was wrong."""

    tokens: list[Token]
    notes: dict[int, list[Token]] = field(default_factory=dict)
    unused_notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(text: str, *, html: bool = False, language: str = "en") -> Parsed:
    """Parse an issue's body, once; footnotes are taken out of the stream into `notes`."""
    env: dict[str, object] = {"problems": []}
    tokens, notes = _without_notes(_parser(html, language.partition("-")[0]).parse(text, env))
    return Parsed(
        tokens=tokens,
        notes=notes,
        unused_notes=tuple(_unused(env)),
        problems=tuple(env["problems"]),  # type: ignore[arg-type]
    )


def typeset(text: str, *, language: str = "en") -> str:
    """One line of plain text with real quotes, dashes and ellipses."""
    if not text:
        return text
    tokens = _typesetter(language.partition("-")[0]).parseInline(text)
    return "".join(child.content or "\n" for child in tokens[0].children or ())


def plain(tokens: list[Token] | None) -> str:
    """The words of inline tokens, without marks, notes and tags."""
    words = []
    for token in tokens or ():
        if token.type in ("text", "code_inline"):
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif token.type == "image":
            words.append(plain(token.children))
    return "".join(words)


def end_of(tokens: list[Token], at: int) -> int:
    """Where the token that opens at `at` is closed."""
    depth = 0
    for end in range(at, len(tokens)):
        depth += tokens[end].nesting
        if depth == 0:
            return end
    return len(tokens) - 1


def line_of(token: Token) -> int:
    """The line a block begins on, counted from 0."""
    return token.map[0] if token.map else 0


@functools.cache
def _parser(html: bool, language: str) -> MarkdownIt:
    options = {"html": html, "linkify": True, "typographer": True, **_quotes(language)}
    md = MarkdownIt("commonmark", options)
    md.enable(["table", "strikethrough", "linkify", "replacements", "smartquotes"])
    if md.linkify is not None:
        md.linkify.set({"fuzzy_link": False})  # README.md is no site
    md.use(footnote_plugin)
    md.use(attrs_plugin, after=("image", "link_close"), allowed=("class", "width", "height"))
    md.block.ruler.before(
        "fence", "blocks", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    md.core.ruler.after("inline", "figures", _figures)
    return md


@functools.cache
def _typesetter(language: str) -> MarkdownIt:
    md = MarkdownIt("zero", {"typographer": True, **_quotes(language)})
    return md.enable(["replacements", "smartquotes"])


def _quotes(language: str) -> dict[str, object]:
    return {"quotes": QUOTES.get(language, "“”‘’")}


def _unused(env: dict[str, object]) -> list[str]:
    notes = env.get("footnotes")
    refs = notes.get("refs", {}) if isinstance(notes, dict) else {}
    return [label[1:] for label, number in refs.items() if number < 0]


def _without_notes(tokens: list[Token]) -> tuple[list[Token], dict[int, list[Token]]]:
    starts = [at for at, token in enumerate(tokens) if token.type == "footnote_block_open"]
    if not starts:
        return tokens, {}
    notes: dict[int, list[Token]] = {}
    current: list[Token] = []
    for token in tokens[starts[0] + 1 : -1]:
        if token.type == "footnote_open":
            current = notes.setdefault(token.meta["id"], [])
        elif token.type not in ("footnote_close", "footnote_anchor"):
            current.append(token)
    return tokens[: starts[0]], notes


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`::: name words` to the `:::` that belongs to it; blocks may hold blocks."""
    line = _line(state, start)
    if not line.startswith(":::") or state.is_code_block(start):
        return False
    if silent:
        return True
    mark = MARK.match(line)
    name = mark[1] if mark and mark[1] else ""
    if mark is None or name not in BLOCKS:
        kind = "unknown" if mark is None or name else "stray"
        state.env["problems"].append(Problem(kind, start, name or line))
        state.line = start + 1
        if kind == "stray":
            return True
    if name == "more":
        state.push("more", "", 0).map = [start, start + 1]
        closed = start + 1 < end and set(_line(state, start + 1).strip()) == {":"}
        state.line = start + (2 if closed else 1)
        return True
    _contain(state, start, end, name if name in BLOCKS else "unknown", (mark and mark[2]) or "")
    return True


def _contain(state: StateBlock, start: int, end: int, name: str, words: str) -> None:
    close = _closing(state, start, end)
    if close is None:
        state.env["problems"].append(Problem("unclosed", start, name))
    last = _end(state, start, end) if close is None else close
    opening = state.push(f"{name}_open", "div", 1)
    opening.block, opening.info, opening.map = True, name, [start, last]
    if words:
        _title(state, start, name, words)
    parent, line_max = state.parentType, state.lineMax
    state.parentType, state.lineMax = "container", last
    state.md.block.tokenize(state, start + 1, last)
    state.parentType, state.lineMax = parent, line_max
    state.push(f"{name}_close", "div", -1).block = True
    state.line = last if close is None else last + 1


def _title(state: StateBlock, start: int, name: str, words: str) -> None:
    kind = "title" if name in PANELS else "paragraph"
    state.push(f"{kind}_open", "p", 1).map = [start, start + 1]
    inline = state.push("inline", "", 0)
    inline.content, inline.children, inline.map = words, [], [start, start + 1]
    state.push(f"{kind}_close", "p", -1)


def _closing(state: StateBlock, start: int, end: int) -> int | None:
    depth, code = 0, ""
    for at in range(start + 1, _end(state, start, end)):
        line = _line(state, at)
        if not line or state.is_code_block(at):
            continue
        if fence := CODE.match(line):
            if not code:
                code = fence[1]
            elif fence[1].startswith(code) and not fence[2].strip():
                code = ""
        elif line.startswith(":::") and not code:
            mark = MARK.match(line)
            if mark and not mark[1]:
                if depth == 0:
                    return at
                depth -= 1
            elif mark is None or mark[1] != "more":
                depth += 1
    return None


def _end(state: StateBlock, start: int, end: int) -> int:
    """Where the list item or quotation ends that this block stands in."""
    for at in range(start + 1, end):
        if _line(state, at) and state.sCount[at] < state.blkIndent:
            return at
    return end


def _line(state: StateBlock, at: int) -> str:
    return state.src[state.bMarks[at] + state.tShift[at] : state.eMarks[at]]


def _figures(state: StateCore) -> None:
    """A paragraph of nothing but pictures becomes figures; the title is the caption."""
    if not any(token.type == "inline" and _has_image(token) for token in state.tokens):
        return
    out: list[Token] = []
    skip = 0
    for at, token in enumerate(state.tokens):
        if skip:
            skip -= 1
            continue
        inline = state.tokens[at + 1] if token.type == "paragraph_open" else None
        if inline is not None and _has_image(inline) and (pictures := _pictures(inline)):
            for image, href in pictures:
                out += _figure(state, image, href, inline.map)
            skip = 2
        else:
            out.append(token)
    state.tokens = out


def _has_image(token: Token) -> bool:
    return any(child.type == "image" for child in token.children or ())


def _pictures(inline: Token) -> list[tuple[Token, str]]:
    """Each image with where it leads, or nothing when there are words beside them."""
    found, href = [], ""
    for child in inline.children or ():
        if child.type == "image":
            found.append((child, href))
        elif child.type == "link_open":
            href = str(child.attrs.get("href", ""))
        elif child.type == "link_close":
            href = ""
        elif child.type not in ("softbreak", "hardbreak") and child.content.strip():
            return []
    return found


def _figure(state: StateCore, image: Token, href: str, lines: list[int] | None) -> list[Token]:
    caption = str(image.attrs.pop("title", ""))
    opening = Token("figure_open", "figure", 1, block=True, map=lines, meta={"href": href})
    opening.children = [image]
    out = [opening]
    if caption:
        words: list[Token] = []
        state.md.inline.parse(caption, state.md, state.env, words)
        inline = Token("inline", "", 0, content=caption, children=words, map=lines)
        out += [
            Token("caption_open", "figcaption", 1),
            inline,
            Token("caption_close", "figcaption", -1),
        ]
    return [*out, Token("figure_close", "figure", -1, block=True)]
