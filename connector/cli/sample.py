"""The sample publication's readers, all invented, and its issues, all published.

Doing it again adds nobody and sends nothing.
"""

import csv
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from connector import clock, sending, templates
from connector.database import Database
from connector.errors import Refused
from connector.publishing import publish as pages
from connector.publishing.publish import Prepared
from connector.settings import Settings

FIRST = [
    "Abena",
    "Adam",
    "Agnes",
    "Aiko",
    "Amara",
    "Anders",
    "Anaïs",
    "Bao",
    "Beatriz",
    "Björn",
    "Chiara",
    "Dalia",
    "Dmitri",
    "Eilidh",
    "Elif",
    "Emre",
    "Fatou",
    "Femi",
    "Georg",
    "Hana",
    "Ines",
    "Ioana",
    "Jamal",
    "João",
    "Kaja",
    "Karim",
    "Keiko",
    "Lars",
    "Leila",
    "Lucía",
]
LAST = [
    "Achebe",
    "Berg",
    "Castro",
    "Dvořák",
    "Eriksen",
    "Farah",
    "Grant",
    "Haddad",
    "Ito",
    "Jansen",
]
DOMAINS = itertools.cycle(("example.org", "example.com", "example.net"))
EVERY_MEMBER = 12  # one reader in so many is a member


def prepare(db: Database, settings: Settings) -> Iterator[str]:
    """Bring the readers, publish the issues, mail the newest; a line for each thing done."""
    if not settings.is_local or settings.has_relay:
        raise Refused("connector demo is for trying things out: it wants a local url and no relay.")
    now = clock.now()
    yield _bring(db, settings, now=now)
    environment = templates.environment(settings.root)
    issues = [
        pages.prepare(path, settings, environment) for path in sorted(settings.issues.glob("*.md"))
    ]
    for prepared in issues[:-1]:
        at = min(prepared.issue.date or now, now)
        sending.publish(db, prepared, at=at, web_only=True, now=now)
    if issues:
        yield _mail(db, issues[-1], now=now)
        yield f"Published {len(issues)} issues on the web."


def _mail(db: Database, prepared: Prepared, *, now: int) -> str:
    published = sending.publish(db, prepared, at=now, web_only=False, now=now)
    title = prepared.issue.title
    if published.frozen is None:
        return f"“{title}” was mailed before; nobody gets it twice."
    return f"Mailing “{title}” to {published.frozen.queued} sample readers."


def _bring(db: Database, settings: Settings, *, now: int) -> str:
    from connector.membership import bringing

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample-readers.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            sheet = csv.writer(file)
            sheet.writerow(("email", "name", "tier"))
            sheet.writerows(_people())
        report = bringing.bring(db, settings, path, now=now)
    return f"{report.added} sample readers added, {report.known} were there."


def _people() -> Iterator[tuple[str, str, str]]:
    for number, (first, last) in enumerate(itertools.product(FIRST, LAST)):
        tier = "complimentary" if number % EVERY_MEMBER == 0 else ""
        yield f"reader{number + 1:03}@{next(DOMAINS)}", f"{first} {last}", tier
