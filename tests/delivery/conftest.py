"""A sender's surroundings: a relay that may misbehave, and a clock that waits for nobody."""

import pytest

from connector.database import Database
from connector.settings import Settings
from tests.delivery.sending import Office
from tests.fakes.clock import Clock
from tests.fakes.smtp import FakeRelay


@pytest.fixture
def fake() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def turning(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that everything goes by in this test."""
    clock = Clock()
    monkeypatch.setattr("connector.clock.now", clock.now)
    return clock


@pytest.fixture
def office(db: Database, configured: Settings, fake: FakeRelay, turning: Clock) -> Office:
    return Office(db, configured, fake, turning)
