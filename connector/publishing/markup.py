"""Tokens as HTML: what every surface shares, and the cleaning of a writer's own HTML.

Each surface says what differs. Everything a writer typed is escaped, unless the
publication allows HTML; then the whole body is cleaned before anyone sees it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import urljoin

import nh3

from connector.publishing.images import Image
from connector.publishing.markdown import Token, plain

Rule = str | Callable[[Token], str]
CELLS = {"text-align:right": ' class="right"', "text-align:center": ' class="center"'}
TAGS = nh3.ALLOWED_TAGS | {"section", "tfoot"}
ATTRIBUTES = {
    "*": {"class", "id", "title", "lang", "dir"},
    "a": {"href", "aria-label"},
    "img": {"src", "alt", "width", "height", "loading"},
    "ol": {"start"},
    "section": {"role"},
    "table": {"role", "width", "cellpadding", "cellspacing", "border"},
    "td": {"colspan", "rowspan", "align", "bgcolor", "width"},
    "th": {"colspan", "rowspan", "align", "scope"},
    "time": {"datetime"},
    "blockquote": {"cite"},
}
SHARED: dict[str, Rule] = {
    "paragraph_open": "<p>",
    "paragraph_close": "</p>\n",
    "blockquote_open": "<blockquote>\n",
    "blockquote_close": "</blockquote>\n",
    "bullet_list_open": "<ul>\n",
    "bullet_list_close": "</ul>\n",
    "ordered_list_close": "</ol>\n",
    "list_item_open": "<li>",
    "list_item_close": "</li>\n",
    "thead_open": "<thead>\n",
    "thead_close": "</thead>\n",
    "tbody_open": "<tbody>\n",
    "tbody_close": "</tbody>\n",
    "tr_open": "<tr>",
    "tr_close": "</tr>\n",
    "th_close": "</th>",
    "td_close": "</td>",
    "em_open": "<em>",
    "em_close": "</em>",
    "strong_open": "<strong>",
    "strong_close": "</strong>",
    "s_open": "<del>",
    "s_close": "</del>",
    "softbreak": "\n",
    "hardbreak": "<br>\n",
    "hr": "<hr>\n",
}


@dataclass(frozen=True)
class Sheet:
    """What one edition is made of: its part of the stream, its notes in order, where it lives."""

    tokens: Sequence[Token]
    notes: Mapping[int, Sequence[Token]]
    pictures: Mapping[str, Image]
    site: str
    page: str
    html: bool = False

    @property
    def numbers(self) -> dict[int, int]:
        """The number a reader sees for each note."""
        return {note: number for number, note in enumerate(self.notes, 1)}

    def absolute(self, href: str) -> str:
        """An address that also works away from the site."""
        if href.startswith(("https://", "http://", "mailto:")):
            return href
        if href.startswith("/") and not href.startswith("//"):
            return self.site + href
        try:
            return urljoin(self.page, href)
        except ValueError:
            return href


class Markup:
    """One edition as HTML. Made for one sheet, used once."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.numbers = sheet.numbers
        self.in_link = False
        self.rules: dict[str, Rule] = {
            **SHARED,
            "heading_open": self.heading_open,
            "heading_close": self.heading_close,
            "ordered_list_open": self.ordered_list_open,
            "fence": self.code,
            "code_block": self.code,
            "th_open": self.cell_open,
            "td_open": self.cell_open,
            "text": self.text,
            "code_inline": self.code_inline,
            "link_open": self.link_open,
            "link_close": self.link_close,
            "image": self.image,
            "footnote_ref": self.footnote_ref,
            "html_block": self.html,
            "html_inline": self.html,
        }

    def render(self) -> str:
        body = self.blocks(self.sheet.tokens) + self.endnotes()
        return clean(body, self.source) if self.sheet.html else body

    def blocks(self, tokens: Sequence[Token]) -> str:
        out = []
        for token in tokens:
            if token.type == "inline":
                out.append(self.words(token.children or ()))
            elif not token.hidden:
                rule = self.rules.get(token.type, "")
                out.append(rule if isinstance(rule, str) else rule(token))
        return "".join(out)

    def words(self, tokens: Sequence[Token]) -> str:
        out = []
        for token in tokens:
            rule = self.rules.get(token.type, "")
            out.append(rule if isinstance(rule, str) else rule(token))
        return "".join(out)

    def endnotes(self) -> str:
        raise NotImplementedError

    def address(self, href: str) -> str:
        """A link's target as this surface writes it."""
        return self.sheet.absolute(href)

    def source(self, src: str) -> str:
        """A picture's address as this surface writes it."""
        picture = self.sheet.pictures.get(src)
        return self.address(picture.path if picture else src)

    def heading_open(self, token: Token) -> str:
        return f"<{token.tag}>"

    def heading_close(self, token: Token) -> str:
        return f"</{token.tag}>\n"

    def ordered_list_open(self, token: Token) -> str:
        start = int(token.attrs.get("start", 1))
        return f'<ol start="{start}">\n' if start != 1 else "<ol>\n"

    def code(self, token: Token) -> str:
        return f"<pre><code>{escape(token.content)}</code></pre>\n"

    def cell_open(self, token: Token) -> str:
        return f"<{token.tag}{CELLS.get(str(token.attrs.get('style', '')), '')}>"

    def text(self, token: Token) -> str:
        return escape(token.content, quote=False)

    def code_inline(self, token: Token) -> str:
        return f"<code>{escape(token.content, quote=False)}</code>"

    def html(self, token: Token) -> str:
        return token.content

    def link_open(self, token: Token) -> str:
        self.in_link = True
        return f'<a href="{escape(self.address(str(token.attrs.get("href", ""))))}">'

    def link_close(self, token: Token) -> str:  # noqa: ARG002 - every rule takes its token
        self.in_link = False
        return "</a>"

    def footnote_ref(self, token: Token) -> str:
        return f"<sup>{self.number(token)}</sup>"

    def number(self, token: Token) -> int:
        return self.numbers.get(token.meta["id"], 0)

    def image(self, token: Token) -> str:
        return self.picture(token)

    def picture(self, token: Token, *, most: int | None = None, extra: str = "") -> str:
        """An img with alt and, where they are known, width and height to be shown at."""
        src = str(token.attrs.get("src", ""))
        width, height = self.size(token, most)
        sized = f' width="{width}"' if width else ""
        sized += f' height="{height}"' if height else ""
        alt = escape(plain(token.children))
        return f'<img src="{escape(self.source(src))}"{sized}{extra} alt="{alt}">'

    def size(self, token: Token, most: int | None) -> tuple[int, int]:
        """Width and height to show a picture at: as asked, never above `most`; 0 is unknown."""
        found = self.sheet.pictures.get(str(token.attrs.get("src", "")))
        asked, tall = _pixels(token.attrs.get("width")), _pixels(token.attrs.get("height"))
        width = asked or (found.width if found else 0)
        if most is not None and width > most:
            width, tall = most, round(tall * most / width)
        if found is None or not found.width:
            return width, tall
        return width, max(1, round(found.height * width / found.width))


def clean(body: str, address: Callable[[str], str]) -> str:
    """A body with a writer's own HTML in it, safe to show; relative addresses go through `address`."""
    return nh3.clean(
        body,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative=address,
        link_rel=None,
    )


def words_of(html: str) -> str:
    """The words in a piece of a writer's HTML; scripts and styles have none."""
    return unescape(nh3.clean(html, tags=set()))


def _pixels(value: object) -> int:
    text = str(value or "").removesuffix("px")
    return min(int(text), 10_000) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004
