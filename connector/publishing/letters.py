"""An issue as letters: one for each audience, framed, with its styles written in.

It knows nobody's name or address; the few personal places are marks for the post office.
"""

import jinja2
from markupsafe import Markup

from connector import clock
from connector.delivery import letter
from connector.delivery.letter import Letter
from connector.publishing.columns import COLUMNS, wrapped
from connector.publishing.editions import AUDIENCES, Audience, Editions, page_of
from connector.publishing.issue import Issue
from connector.settings import Settings


def compose(
    issue: Issue,
    editions: Editions,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    published_at: int,
    preheader: str = "",
) -> dict[Audience, Letter]:
    """The letter for each audience; where the editions are the same it is made once.

    `preheader` is what stands beside the subject when the writer gave nothing for it.
    """
    letters: dict[Audience, Letter] = {}
    for audience in AUDIENCES:
        letters[audience] = letter.render(
            environment,
            "issue",
            settings,
            sender=settings.publication.email,
            sender_name=settings.publication.author,
            issue=issue,
            audience=audience,
            page=page_of(issue.slug, settings),
            preheader=issue.preheader or issue.description or preheader,
            byline=", ".join(issue.authors) or settings.publication.author,
            date=day(published_at, settings.publication.zone),
            html=Markup(editions.email[audience]),  # noqa: S704 - escaped as it was rendered
            text=editions.text[audience],
            fill=_fill,
        )
    return letters


def day(at: int, zone: str) -> str:
    """A day as a letter says it: 19 November 2026."""
    when = clock.moment(at, zone)
    return f"{when.day} {when:%B %Y}"


def _fill(words: str) -> str:
    return "\n".join(wrapped(words, COLUMNS))
