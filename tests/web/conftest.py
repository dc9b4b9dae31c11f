"""A site to ask things of, a way to publish on it, and a clock that a test can turn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jinja2
import pytest
from starlette.testclient import TestClient

from connector import clock
from connector.database import Database
from connector.publishing import publish as publishing
from connector.settings import Settings
from connector.web.app import create_app

Publish = Callable[..., str]
BODY = "The bench has stood on Harbour Row since 1983. It belongs to nobody.\n"


@dataclass
class Clock:
    now: int


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch, now: int) -> Clock:
    """The site's clock: it stands still until a test sets `now`."""
    held = Clock(now)
    monkeypatch.setattr(clock, "now", lambda: held.now)
    return held


@pytest.fixture
def client(configured: Settings, db: Database, turned: Clock) -> Iterator[TestClient]:
    """Somebody far away, with a program that follows no redirect."""
    app = create_app(configured, db)
    with TestClient(app, base_url=configured.publication.url, follow_redirects=False) as somebody:
        yield somebody


@pytest.fixture
def publish(
    db: Database, configured: Settings, environment: jinja2.Environment, turned: Clock
) -> Publish:
    """Publish an issue from a file; its path on the site."""

    def written(slug: str = "the-bench", *, at: int | None = None, text: str = BODY) -> str:
        path = configured.issues / f"{slug}.md"
        title = slug.replace("-", " ").title()
        path.write_text(f"---\ntitle: {title}\n---\n{text}", encoding="utf-8")
        out = turned.now if at is None else at
        prepared = publishing.prepare(path, configured, environment, now=turned.now, at=out)
        with db.write() as tx:
            publishing.save(tx, prepared, at=out, now=turned.now)
        return f"/p/{slug}"

    return written
