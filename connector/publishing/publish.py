"""From a file to what readers get: prepare it, look at what preflight says, keep it.

It sends nothing; letters wait in `Prepared` for whoever does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from connector import clock
from connector.database import Transaction
from connector.delivery.letter import Letter
from connector.publishing import editions, issue, letters, preflight, store
from connector.publishing.editions import Audience, Editions
from connector.publishing.finding import Finding
from connector.publishing.images import Image
from connector.publishing.issue import Issue, refusal
from connector.publishing.store import EditionKey, PublishedIssue
from connector.settings import Settings


@dataclass(frozen=True)
class Prepared:
    """An issue with everything made of it. `pictures` are by the source the writer typed."""

    issue: Issue
    editions: Editions
    letters: dict[Audience, Letter]
    pictures: Mapping[str, Image]
    findings: tuple[Finding, ...]
    words: int
    excerpt: str

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a publish."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def prepare(
    path: Path,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    now: int | None = None,
    at: int | None = None,
) -> Prepared:
    """Read an issue and make every edition and letter of it; nothing is kept or sent.

    Letters carry the date of `at`, else of the front matter, else of today. Raises
    Unpublishable for a file that cannot be read as an issue; what can be read comes back
    with findings, errors among them.
    """
    now = clock.now() if now is None else now
    read = issue.read(path, settings)
    cut = editions.cut(read, settings)
    excerpt = cut.document.excerpt
    composed = letters.compose(
        read,
        cut.editions,
        settings,
        environment,
        published_at=at or read.date or now,
        preheader=excerpt,
    )
    findings = preflight.check(read, cut, composed, settings, now=now)
    return Prepared(
        issue=read,
        editions=cut.editions,
        letters=composed,
        pictures=cut.pictures,
        findings=tuple(findings),
        words=cut.words,
        excerpt=excerpt,
    )


def save(tx: Transaction, prepared: Prepared, *, at: int, now: int) -> int:
    """Freeze an issue into the database, in place of what it was before; the issue's id.

    It is out at `at`. One that was out already keeps its day, and a day in the front matter
    that has come is the day readers see. Doing it again changes nothing, and `updated_at`
    moves only when something did change. Raises Unpublishable when there are errors.
    """
    if prepared.errors:
        raise refusal(list(prepared.errors))
    known = store.kept(tx, prepared.issue.slug)
    row = _row(prepared, published_at=_day(prepared, known, at=at, now=now), now=now)
    bodies = _bodies(prepared.editions)
    store.put_images(tx, prepared.pictures.values())
    if known is None:
        number = store.add(tx, replace(row, updated_at=row.published_at))
    else:
        number = known.id
        same = replace(row, id=number, updated_at=known.updated_at)
        if same == known and store.editions(tx, number) == bodies:
            return number
        store.replace(tx, replace(row, id=number))
    store.put_editions(tx, number, bodies)
    store.bump(tx)
    return number


def _day(prepared: Prepared, known: PublishedIssue | None, *, at: int, now: int) -> int:
    if at > now:
        return at
    if prepared.issue.date is not None and prepared.issue.date <= now:
        return prepared.issue.date
    if known is not None and known.published_at <= now:
        return known.published_at
    return at


def _row(prepared: Prepared, *, published_at: int, now: int) -> PublishedIssue:
    read = prepared.issue
    picture = prepared.pictures.get(read.image)
    return PublishedIssue(
        id=0,
        slug=read.slug,
        title=read.title,
        subtitle=read.subtitle,
        description=read.description or prepared.excerpt,
        authors=", ".join(read.authors),
        tags=", ".join(read.tags),
        image=picture.path if picture else read.image,
        image_alt=read.image_alt,
        canonical=read.canonical,
        words=prepared.words,
        source=read.source,
        published_at=published_at,
        updated_at=now,
    )


def _bodies(cut: Editions) -> dict[EditionKey, str]:
    bodies: dict[EditionKey, str] = {("feed", "everyone"): cut.feed}
    for audience in editions.AUDIENCES:
        bodies["web", audience] = cut.web[audience]
        bodies["email", audience] = cut.email[audience]
        bodies["text", audience] = cut.text[audience]
    return bodies
