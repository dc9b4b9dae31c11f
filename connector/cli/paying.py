"""Payments beside the sending: the rounds that are made, and how all of it stands, in words.

Where nothing can be paid for it does nothing, and says nothing.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.database import Database
    from connector.settings import Settings


@contextlib.contextmanager
def rounds(db: "Database", settings: "Settings", *, idle: bool = False) -> Iterator[None]:
    """Follow events, write letters about money and compare with Stripe, meanwhile."""
    if idle or not settings.takes_payments:
        yield
        return
    from connector import templates
    from connector.membership.rounds import Attendant
    from connector.till.opening import Payments

    attendant = Attendant(
        db, settings, templates.environment(settings.root), Payments(settings, db)
    )
    attendant.start()
    try:
        yield
    finally:
        attendant.close()
