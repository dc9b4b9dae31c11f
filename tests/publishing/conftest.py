"""A writing desk: files in a publication's issues folder, and what becomes of them."""

from dataclasses import dataclass
from pathlib import Path

import jinja2
import PIL.Image
import pytest

from connector.publishing import editions, issue, publish
from connector.publishing.editions import Cut
from connector.publishing.finding import Finding
from connector.publishing.issue import Issue
from connector.publishing.publish import Prepared
from connector.settings import Settings

FRONT = "title: A quiet harbour\npreheader: What the tide brought in.\n"


@dataclass
class Desk:
    settings: Settings
    environment: jinja2.Environment
    now: int

    def write(self, text: str | bytes, name: str = "a-quiet-harbour.md") -> Path:
        path = self.settings.issues / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def issue(self, body: str, front: str = FRONT) -> Issue:
        return issue.read(self.write(f"---\n{front}---\n{body}"), self.settings)

    def cut(self, body: str, front: str = FRONT) -> Cut:
        return editions.cut(self.issue(body, front), self.settings)

    def prepare(self, body: str, front: str = FRONT, name: str = "a-quiet-harbour.md") -> Prepared:
        path = self.write(f"---\n{front}---\n{body}", name)
        return publish.prepare(path, self.settings, self.environment, now=self.now)

    def findings(self, body: str, front: str = FRONT) -> tuple[Finding, ...]:
        return self.prepare(body, front).findings

    def picture(
        self, name: str = "bench.jpg", size: tuple[int, int] = (800, 600), **saving: object
    ) -> Path:
        path = self.settings.issues / name
        path.parent.mkdir(exist_ok=True)
        PIL.Image.new("RGB", size, "teal").save(path, **saving)  # type: ignore[arg-type]
        return path


@pytest.fixture
def desk(configured: Settings, environment: jinja2.Environment, now: int) -> Desk:
    return Desk(configured, environment, now)
