"""A letter: subject, text and html, ready but for the few places that are a reader's own.

It renders the templates in `templates/mail/`; it never knows who will receive the letter.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import css_inline
import jinja2

from connector import colour
from connector.settings import Settings

# load_remote_stylesheets: what a letter looks like must not depend on a network.
# keep_at_rules: dark mode and phones are @media rules, which cannot be written inline.
_INLINER = css_inline.CSSInliner(
    keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False
)
# Every space but those a writer sets on purpose, such as the one that does not break.
_BREAKS = re.compile(r"[ \t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Letter:
    """Subject, text and html without a recipient.

    `[[address]]`, `[[name]]`, `[[unsubscribe]]` and `[[preferences]]` in the text and the
    html mark what differs from reader to reader; the last two become URLs.
    """

    subject: str
    sender: str
    sender_name: str
    reply_to: str
    text: str
    html: str


def render(
    environment: jinja2.Environment,
    name: str,
    settings: Settings,
    /,
    *,
    sender: str,
    sender_name: str,
    reply_to: str = "",
    **context: Any,
) -> Letter:
    """The letter that `templates/mail/<name>/` makes of `context`, with its CSS inlined.

    Templates see `publication`, `url` (the site's root), `accent` (the publication's colour,
    readable on paper) and the context. Raises
    jinja2.TemplateError for a template that is missing or names something unknown.
    """
    words = {
        "publication": settings.publication,
        "url": settings.publication.url,
        "accent": colour.worn(settings.publication.accent),
        **context,
    }

    def part(file: str) -> str:
        return environment.get_template(f"mail/{name}/{file}").render(words)

    return Letter(
        subject=one_line(part("subject.txt")),
        sender=sender,
        sender_name=one_line(sender_name),
        reply_to=reply_to,
        text=part("body.txt").strip() + "\n",
        html=inline(part("body.html")).strip() + "\n",
    )


def one_line(text: str) -> str:
    """Text as one line, without the characters that only steer a terminal or a header."""
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    words = _BREAKS.sub(" ", text).strip(" ")
    return "".join(sign for sign in words if unicodedata.category(sign) not in ("Cc", "Cs"))


def inline(html: str) -> str:
    """HTML with its style sheets written into the elements; @media rules stay in `<style>`."""
    return _INLINER.inline(html) if "<style" in html else html
