"""The email edition: one column of HTML that the oldest mail programs can lay out.

Tables where a box is needed, full addresses, no anchors within the letter. How it looks
is said once, in `templates/layouts/mail.html`.
"""

from html import escape

from connector.publishing.markdown import Token
from connector.publishing.markup import Markup, Sheet

COLUMN = 536  # 600 pixels less the padding on both sides
TABLE = (
    '<table role="presentation" class="{}" width="100%" cellpadding="0" cellspacing="0" border="0">'
)
PAPER = "#f3efe7"


class Email(Markup):
    """The body of a letter, without its frame."""

    def __init__(self, sheet: Sheet, *, accent: str) -> None:
        super().__init__(sheet)
        self.accent = accent
        self.rules |= {
            "hr": '<p class="break">***</p>\n',
            "figure_open": self.figure_open,
            "figure_close": "</table>\n",
            "caption_open": '<tr><td class="caption">',
            "caption_close": "</td></tr>\n",
            "table_open": '<table class="data" width="100%" cellpadding="0" cellspacing="0" border="0">\n',
            "table_close": "</table>\n",
            "ask_open": self.panel_open,
            "ask_close": "</td></tr></table>\n",
            "thanks_open": self.panel_open,
            "thanks_close": "</td></tr></table>\n",
            "callout_open": f'{TABLE.format("panel")}<tr><td class="callout-body">\n',
            "callout_close": "</td></tr></table>\n",
            "title_open": '<p class="panel-title">',
            "title_close": "</p>\n",
            "subscribe_open": self.forwarded,
            "buttons": self.buttons,
            "card": self.card,
        }

    def image(self, token: Token) -> str:
        return self.picture(token, most=COLUMN)

    def panel_open(self, token: Token) -> str:  # noqa: ARG002 - every rule takes its token
        return f'{TABLE.format("panel")}<tr><td class="panel-body" bgcolor="{PAPER}">\n'

    def figure_open(self, token: Token) -> str:
        image = (token.children or [])[0]
        href = token.meta.get("href") or self.source(str(image.attrs.get("src", "")))
        return (
            f'{TABLE.format("figure")}<tr><td class="picture">'
            f'<a href="{escape(self.address(href))}">{self.image(image)}</a></td></tr>\n'
        )

    def forwarded(self, token: Token) -> str:  # noqa: ARG002
        return (
            '<p class="quiet">Was this letter forwarded to you? '
            f'<a href="{escape(self.sheet.site)}/">Get your own</a>.</p>\n'
        )

    def buttons(self, token: Token) -> str:
        return "".join(
            '<table role="presentation" class="buttons" cellpadding="0" cellspacing="0" border="0">'
            f'<tr><td class="button" align="center" bgcolor="{self.accent}">'
            f'<a href="{escape(self.address(href))}">{escape(label)}</a></td></tr></table>\n'
            for href, label in token.meta["links"]
        )

    def card(self, token: Token) -> str:
        href = escape(self.address(str(token.attrs["href"])))
        rows = ""
        if token.children:
            rows = f'<tr><td class="card-picture"><a href="{href}">{self.image(token.children[0])}</a></td></tr>\n'
        title, note, site = (escape(token.meta[part]) for part in ("title", "note", "site"))
        words = f'<a href="{href}"><span class="card-title">{title}</span></a>'
        words += f"<br>{note}" if note else ""
        words += f"<br>{site}" if site else ""
        return f'{TABLE.format("card")}{rows}<tr><td class="card-text">{words}</td></tr></table>\n'

    def endnotes(self) -> str:
        if not self.sheet.notes:
            return ""
        rows = "".join(
            f'<tr><td class="note-number">{number}</td>'
            f'<td class="note">{self.blocks(self.sheet.notes[note])}</td></tr>\n'
            for note, number in self.numbers.items()
        )
        return f"{TABLE.format('notes')}\n{rows}</table>\n"
