"""The feed and the site map, written from what is published.

Full issues, full addresses, and nothing about who is reading.
"""

import re

import jinja2

from connector import clock
from connector.database import Connection
from connector.publishing import store
from connector.settings import Settings

ENTRIES = 20
# https://www.w3.org/TR/xml/#charsets: what may stand in XML at all.
NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(
    connection: Connection,
    settings: Settings,
    environment: jinja2.Environment,
    *,
    now: int,
    limit: int = ENTRIES,
) -> str:
    """The newest issues as Atom (RFC 4287), each in full or up to where the writer said more."""
    issues = store.recent(connection, now, limit=limit)
    entries = [
        (issue, store.edition(connection, issue.id, "feed", "everyone") or "") for issue in issues
    ]
    updated = max((issue.updated_at for issue in issues), default=0)
    return _written(environment, settings, "atom", entries=entries, updated=clock.utc(updated))


def sitemap(
    connection: Connection, settings: Settings, environment: jinja2.Environment, *, now: int
) -> str:
    """Every page that is the same for everybody (sitemaps.org)."""
    issues = store.archive(connection, now)
    return _written(environment, settings, "sitemap", issues=issues)


def _written(
    environment: jinja2.Environment, settings: Settings, name: str, **context: object
) -> str:
    template = environment.get_template(f"feeds/{name}.xml")
    publication = settings.publication
    text = template.render(publication=publication, url=publication.url, utc=clock.utc, **context)
    return NOT_XML.sub("", text)
