"""The plain-text edition, set from the same tokens: 72 columns, links listed at the end.

It is what a reader without HTML gets, so nothing is left out: pictures are named, tables
and code keep their lines, every address of the HTML letter is here.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import zip_longest

from connector.publishing.columns import COLUMNS, wide, wrapped
from connector.publishing.markdown import Token, plain
from connector.publishing.markup import Sheet, words_of

SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
HREF = re.compile(r"""<a\b[^>]*?\shref=["']?([^"'\s>]+)""", re.IGNORECASE)


@dataclass
class Margin:
    """What stands before each line of a block, and before its first."""

    rest: str
    first: str | None = None


class Text:
    """One edition as text. Made for one sheet, used once."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.numbers = sheet.numbers
        self.lines: list[str] = []
        self.margins: list[Margin] = []
        self.counts: list[int | None] = []
        self.loose: list[bool] = []
        self.links: dict[str, int] = {}
        self.link = ("", 0)
        self.blank: str | None = None
        self.heading = ""
        self.rows: list[list[str]] = []
        self.right: list[bool] = []
        self.in_cell = False
        self.inlines: dict[str, str | Callable[[Token, list[str]], str]] = {
            "em_open": "_",
            "em_close": "_",
            "strong_open": "*",
            "strong_close": "*",
            "softbreak": " ",
            "hardbreak": "\n",
            "link_open": self.link_open,
            "link_close": self.link_close,
            "image": self.image,
            "footnote_ref": self.footnote_ref,
            "html_inline": self.html_inline,
        }
        self.rules: dict[str, Callable[[Token], None]] = {
            "inline": self.inline,
            "paragraph_close": self.gap_unless_hidden,
            "heading_open": self.heading_open,
            "heading_close": self.heading_close,
            "blockquote_open": self.quote_open,
            "blockquote_close": self.margin_close,
            "bullet_list_open": self.list_open,
            "ordered_list_open": self.list_open,
            "bullet_list_close": self.list_close,
            "ordered_list_close": self.list_close,
            "list_item_open": self.item_open,
            "list_item_close": self.item_close,
            "fence": self.code,
            "code_block": self.code,
            "hr": self.rule,
            "table_open": self.table_open,
            "tr_open": self.row_open,
            "th_open": self.cell_open,
            "td_open": self.cell_open,
            "th_close": self.cell_close,
            "td_close": self.cell_close,
            "table_close": self.table_close,
            "figure_open": self.figure,
            "caption_close": self.gap_after,
            "figure_close": self.gap_after,
            "title_close": self.gap_after,
            "ask_open": self.panel_open,
            "ask_close": self.margin_close,
            "thanks_open": self.panel_open,
            "thanks_close": self.margin_close,
            "callout_open": self.panel_open,
            "callout_close": self.margin_close,
            "subscribe_open": self.forwarded,
            "buttons": self.buttons,
            "card": self.card,
            "html_block": self.html,
        }

    def render(self) -> str:
        self.blocks(self.sheet.tokens)
        self.endnotes()
        self.link_list()
        return "\n".join(self.lines).strip("\n") + "\n"

    def blocks(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            rule = self.rules.get(token.type)
            if rule is not None:
                rule(token)

    def endnotes(self) -> None:
        if not self.sheet.notes:
            return
        self.headed("Notes")
        for note, number in self.numbers.items():
            mark = f"{number}. "
            self.margins.append(Margin(" " * len(mark), mark))
            self.blocks(self.sheet.notes[note])
            self.item_close(None)
            self.gap()

    def link_list(self) -> None:
        if not self.links:
            return
        self.headed("Links")
        for href, number in self.links.items():
            self.put(f"[{number}] {href}", verbatim=True)

    def headed(self, words: str) -> None:
        self.gap()
        self.put(words)
        self.put("-" * len(words), verbatim=True)
        self.gap()

    # Lines

    def put(self, words: str, *, verbatim: bool = False) -> None:
        """Write words, wrapped to what the margins leave; lines of their own stay lines."""
        if self.blank is not None:
            if self.lines:
                self.lines.append(self.blank)
            self.blank = None
        rest = "".join(margin.rest for margin in self.margins)
        first = "".join(
            margin.rest if margin.first is None else margin.first for margin in self.margins
        )
        for margin in self.margins:
            margin.first = None
        room = max(1, COLUMNS - wide(rest))
        for part in words.split("\n"):
            for line in (part,) if verbatim else wrapped(part, room):
                self.lines.append((first + line).rstrip())
                first = rest

    def gap(self) -> None:
        """A blank line before whatever comes next; within a quotation it keeps the mark."""
        mark = "".join(margin.rest for margin in self.margins).rstrip()
        if self.blank is None or len(mark) < len(self.blank):
            self.blank = mark

    def gap_after(self, token: Token) -> None:  # noqa: ARG002 - every rule takes its token
        self.gap()

    def gap_unless_hidden(self, token: Token) -> None:
        if not token.hidden:
            self.gap()
            if self.loose:
                self.loose[-1] = True

    # Words

    def inline(self, token: Token) -> None:
        words = self.words(token.children or [])
        if self.in_cell:
            self.rows[-1][-1] = words.replace("\n", " ")
        elif words.strip():
            self.heading = words
            self.put(words)

    def words(self, tokens: Sequence[Token]) -> str:
        out: list[str] = []
        for token in tokens:
            rule = self.inlines.get(token.type, token.content)
            out.append(rule if isinstance(rule, str) else rule(token, out))
        return "".join(out)

    def link_open(self, token: Token, out: list[str]) -> str:
        self.link = self.sheet.absolute(str(token.attrs.get("href", ""))), len(out) + 1
        return ""

    def link_close(self, token: Token, out: list[str]) -> str:  # noqa: ARG002
        href, start = self.link
        return self.reference(href, "".join(out[start:]))

    def image(self, token: Token, out: list[str]) -> str:  # noqa: ARG002
        return self.picture(token)

    def footnote_ref(self, token: Token, out: list[str]) -> str:  # noqa: ARG002
        return str(self.numbers.get(token.meta["id"], 0)).translate(SUPERSCRIPT)

    def html_inline(self, token: Token, out: list[str]) -> str:
        if found := HREF.search(token.content):
            self.link = self.sheet.absolute(unescape(found[1])), len(out) + 1
        elif token.content.lower() == "</a>":
            return self.link_close(token, out)
        return "\n" if token.content[:3].lower() == "<br" else ""

    def reference(self, href: str, label: str) -> str:
        """What follows a link's words: nothing where they are the address, else its number."""
        if not href or label in (href, href.removeprefix("mailto:")):
            return ""
        return f" [{self.links.setdefault(href, len(self.links) + 1)}]"

    def picture(self, image: Token, href: str = "") -> str:
        src = str(image.attrs.get("src", ""))
        found = self.sheet.pictures.get(src)
        alt = plain(image.children)
        label = f"[Picture: {alt}]" if alt else "[Picture]"
        return label + self.reference(href or self.sheet.absolute(found.path if found else src), "")

    # Blocks

    def heading_open(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.heading = ""

    def heading_close(self, token: Token) -> None:
        if self.heading:
            room = COLUMNS - sum(wide(margin.rest) for margin in self.margins)
            length = min(max(1, room), max(wide(part) for part in self.heading.split("\n")))
            self.put(("-" if token.tag == "h2" else "~") * length, verbatim=True)
        self.gap()

    def quote_open(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.margins.append(Margin("> "))

    def panel_open(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.margins.append(Margin("| "))

    def margin_close(self, token: Token) -> None:  # noqa: ARG002
        self.margins.pop()
        self.gap()

    def list_open(self, token: Token) -> None:
        if not self.counts:
            self.gap()
        ordered = token.type == "ordered_list_open"
        self.counts.append(int(token.attrs.get("start", 1)) if ordered else None)
        self.loose.append(False)

    def list_close(self, token: Token) -> None:  # noqa: ARG002
        self.counts.pop()
        self.loose.pop()
        if not self.counts:
            self.gap()

    def item_open(self, token: Token) -> None:  # noqa: ARG002
        count = self.counts[-1]
        mark = "* " if count is None else f"{count}. "
        if count is not None:
            self.counts[-1] = count + 1
        self.margins.append(Margin(" " * len(mark), mark))

    def item_close(self, token: Token | None) -> None:  # noqa: ARG002
        if self.margins[-1].first is not None:
            self.put("")
        self.margins.pop()
        if self.loose and self.loose[-1]:
            self.gap()

    def code(self, token: Token) -> None:
        self.gap()
        self.margins.append(Margin("    "))
        self.put(token.content.rstrip("\n"), verbatim=True)
        self.margins.pop()
        self.gap()

    def rule(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.put("* * *".center(COLUMNS).rstrip() if not self.margins else "* * *", verbatim=True)
        self.gap()

    def figure(self, token: Token) -> None:
        self.gap()
        href = token.meta.get("href")
        self.put(self.picture((token.children or [])[0], self.sheet.absolute(href) if href else ""))

    def forwarded(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.put(f"Was this letter forwarded to you? Get your own: {self.sheet.site}/")
        self.gap()

    def buttons(self, token: Token) -> None:
        for href, label in token.meta["links"]:
            self.gap()
            self.put(f"{label}:\n{self.sheet.absolute(href)}")
        self.gap()

    def card(self, token: Token) -> None:
        self.gap()
        self.margins.append(Margin("  "))
        href = self.sheet.absolute(str(token.attrs["href"]))
        for words in (token.meta["title"], token.meta["note"], href):
            if words:
                self.put(words)
        self.margins.pop()
        self.gap()

    def html(self, token: Token) -> None:
        words = " ".join(words_of(token.content).split())
        for found in HREF.findall(token.content):
            words += self.reference(self.sheet.absolute(unescape(found)), "")
        if words:
            self.gap()
            self.put(words)
            self.gap()

    # Tables

    def table_open(self, token: Token) -> None:  # noqa: ARG002
        self.gap()
        self.rows, self.right = [], []

    def row_open(self, token: Token) -> None:  # noqa: ARG002
        self.rows.append([])

    def cell_open(self, token: Token) -> None:
        if len(self.rows) == 1:
            self.right.append(token.attrs.get("style") == "text-align:right")
        self.rows[-1].append("")
        self.in_cell = True

    def cell_close(self, token: Token) -> None:  # noqa: ARG002
        self.in_cell = False

    def table_close(self, token: Token) -> None:  # noqa: ARG002
        head, *body = self.rows or [[]]
        widths = [max(map(wide, column)) for column in zip_longest(*self.rows, fillvalue="")]
        room = COLUMNS - sum(wide(margin.rest) for margin in self.margins)
        if sum(widths) + 2 * (len(widths) - 1) <= room:
            for row in (head, ["-" * width for width in widths], *body):
                self.put(_columns(row, widths, self.right), verbatim=True)
        else:
            for row in body:
                for name, cell in zip_longest(head, row, fillvalue=""):
                    self.put(f"{name}: {cell}" if name and cell else cell)
                self.gap()
        self.gap()


def _columns(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for cell, width, is_right in zip(row, widths, right, strict=False):
        space = " " * (width - wide(cell))
        cells.append(space + cell if is_right else cell + space)
    return "  ".join(cells).rstrip()
