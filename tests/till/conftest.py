"""What tests of the Till can ask for."""

import pytest

from connector.database import Database
from connector.settings import Settings
from tests.till.shop import Shop


@pytest.fixture
def shop(db: Database, configured: Settings, now: int) -> Shop:
    """A shop that is open: a product, a monthly and a yearly price."""
    return Shop(db, configured, now).open()
