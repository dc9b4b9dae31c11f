"""The two editions a browser or a feed reader shows: the page's body, and a feed entry's.

Neither has a frame: pages and feeds put their own around it.
"""

import re
from collections.abc import Sequence
from html import escape

from connector.publishing.document import HELD
from connector.publishing.markdown import Token
from connector.publishing.markup import Markup, Sheet

FORM = (
    '<form action="/subscribe" method="post">'
    '<input type="email" name="email" required maxlength="254" autocomplete="email"'
    ' placeholder="you@example.org" aria-label="Your email address">'
    '<button type="submit">Subscribe</button></form>'
)
LANGUAGE = re.compile(r"[\w+#.-]+")


class Web(Markup):
    """The body of an issue's page; addresses on the site start at its root."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(sheet)
        self.seen: dict[int, int] = {}
        self.in_note = False
        self.waiting = ""
        self.heading = ""
        self.rules |= {
            "figure_open": self.figure_open,
            "figure_close": "</figure>\n",
            "caption_open": "<figcaption>",
            "caption_close": "</figcaption>",
            "table_open": '<div class="table"><table>\n',
            "table_close": "</table></div>\n",
            "ask_open": '<aside class="ask">\n',
            "ask_close": "</aside>\n",
            "thanks_open": '<aside class="thanks">\n',
            "thanks_close": "</aside>\n",
            "callout_open": '<aside class="callout">\n',
            "callout_close": "</aside>\n",
            "title_open": '<p class="callout-title">',
            "title_close": "</p>\n",
            "gallery_open": '<div class="gallery">\n',
            "gallery_close": "</div>\n",
            "subscribe_open": '<section class="subscribe-block">\n',
            "subscribe_close": f"{HELD}</section>\n",
            "buttons": self.buttons,
            "card": self.card,
        }

    def render(self) -> str:
        return super().render().replace(HELD, FORM)

    def address(self, href: str) -> str:
        return href

    def heading_open(self, token: Token) -> str:
        self.heading = escape(str(token.attrs.get("id", "")))
        return f'<{token.tag} id="{self.heading}">'

    def heading_close(self, token: Token) -> str:
        anchor = f'<a class="anchor" href="#{self.heading}" aria-label="Link to this section">#</a>'
        return f"{anchor}</{token.tag}>\n"

    def code(self, token: Token) -> str:
        language = LANGUAGE.match(token.info.strip())
        named = f' class="language-{escape(language[0])}"' if language else ""
        return f"<pre><code{named}>{escape(token.content, quote=False)}</code></pre>\n"

    def link_open(self, token: Token) -> str:
        self.in_link = True
        extra = "".join(
            f' {name}="{escape(str(token.attrs[name]))}"'
            for name in ("title", "class")
            if name in token.attrs
        )
        return f'<a href="{escape(self.address(str(token.attrs.get("href", ""))))}"{extra}>'

    def link_close(self, token: Token) -> str:  # noqa: ARG002 - every rule takes its token
        self.in_link = False
        waiting, self.waiting = self.waiting, ""
        return f"</a>{waiting}"

    def image(self, token: Token) -> str:
        return self.picture(token, extra=' loading="lazy"')

    def figure_open(self, token: Token) -> str:
        picture = self.image((token.children or [])[0])
        if href := token.meta.get("href"):
            picture = f'<a href="{escape(self.address(href))}">{picture}</a>'
        return f"<figure>{picture}"

    def buttons(self, token: Token) -> str:
        links = "\n".join(
            f'<a class="button" href="{escape(self.address(href))}">{escape(label)}</a>'
            for href, label in token.meta["links"]
        )
        return f'<p class="buttons">{links}</p>\n'

    def card(self, token: Token) -> str:
        picture = self.image(token.children[0]) if token.children else ""
        words = "".join(
            f'<span class="card-{part}">{escape(token.meta[part])}</span>'
            for part in ("title", "note", "site")
            if token.meta[part]
        )
        href = escape(self.address(str(token.attrs["href"])))
        return (
            f'<a class="card" href="{href}">{picture}<span class="card-text">{words}</span></a>\n'
        )

    def footnote_ref(self, token: Token) -> str:
        number, note = self.number(token), token.meta["id"]
        if self.in_note:
            return f"<sup>{number}</sup>"
        times = self.seen[note] = self.seen.get(note, 0) + 1
        margin = self.sidenote(note, number) if times == 1 else ""
        if self.in_link:
            self.waiting += margin
            return f'<sup class="footnote-ref" id="{_back(number, times)}">{number}</sup>'
        return (
            f'<sup class="footnote-ref"><a href="#fn-{number}" id="{_back(number, times)}">'
            f"{number}</a></sup>{margin}"
        )

    def sidenote(self, note: int, number: int) -> str:
        """The note again, as words beside the line for windows that are wide enough."""
        self.in_note = True
        link, self.in_link = self.in_link, False
        words = " ".join(
            self.words(token.children or ()) if token.type == "inline" else self.short(token)
            for token in self.sheet.notes.get(note, ())
            if token.type in ("inline", "fence", "code_block")
        )
        self.in_note, self.in_link = False, link
        return (
            f'<span class="sidenote"><span class="sidenote-number">{number}</span> {words}</span>'
        )

    def short(self, token: Token) -> str:
        return f"<code>{escape(token.content.strip(), quote=False)}</code>"

    def endnotes(self) -> str:
        if not self.sheet.notes:
            return ""
        items = "".join(
            f'<li id="fn-{number}">{self.note(self.sheet.notes[note], number, note)}</li>\n'
            for note, number in self.numbers.items()
        )
        return f'<section class="footnotes" role="doc-endnotes">\n<ol>\n{items}</ol>\n</section>\n'

    def note(self, tokens: Sequence[Token], number: int, note: int) -> str:
        body = self.blocks(tokens).rstrip()
        back = " ".join(
            f'<a class="footnote-back" href="#{_back(number, times)}" aria-label="Back to the text">↩</a>'
            for times in range(1, self.seen.get(note, 1) + 1)
        )
        if body.endswith("</p>"):
            return f"{body.removesuffix('</p>')} {back}</p>"
        return f"{body} {back}"


class Feed(Markup):
    """A feed entry: plain HTML with full addresses, for readers that know no style of ours."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(sheet)
        self.rules |= {
            "figure_open": self.figure_open,
            "figure_close": "</figure>\n",
            "caption_open": "<figcaption>",
            "caption_close": "</figcaption>",
            "table_open": "<table>\n",
            "table_close": "</table>\n",
            "ask_open": "<hr>\n",
            "ask_close": "<hr>\n",
            "thanks_open": "<hr>\n",
            "thanks_close": "<hr>\n",
            "callout_open": "<blockquote>\n",
            "callout_close": "</blockquote>\n",
            "title_open": "<p><strong>",
            "title_close": "</strong></p>\n",
            "subscribe_close": f'<p><a href="{escape(sheet.site)}/">Subscribe by email</a></p>\n',
            "buttons": self.buttons,
            "card": self.card,
        }

    def figure_open(self, token: Token) -> str:
        picture = self.picture((token.children or [])[0])
        if href := token.meta.get("href"):
            picture = f'<a href="{escape(self.address(href))}">{picture}</a>'
        return f"<figure>{picture}"

    def buttons(self, token: Token) -> str:
        return "".join(
            f'<p><a href="{escape(self.address(href))}"><strong>{escape(label)}</strong></a></p>\n'
            for href, label in token.meta["links"]
        )

    def card(self, token: Token) -> str:
        href = escape(self.address(str(token.attrs["href"])))
        picture = f"{self.picture(token.children[0])}<br>" if token.children else ""
        note = escape(token.meta["note"])
        note = f"<br>{note}" if note else ""
        return f'<p><a href="{href}">{picture}<strong>{escape(token.meta["title"])}</strong></a>{note}</p>\n'

    def endnotes(self) -> str:
        if not self.sheet.notes:
            return ""
        items = "".join(f"<li>{self.blocks(tokens)}</li>\n" for tokens in self.sheet.notes.values())
        return f"<hr>\n<ol>\n{items}</ol>\n"


def _back(number: int, times: int) -> str:
    return f"fnref-{number}" if times == 1 else f"fnref-{number}-{times}"
