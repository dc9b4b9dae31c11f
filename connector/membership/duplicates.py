"""A second paid subscription of one person: found, ended, and paid back, or shown.

The one that counts is never touched; what is not surely a slip is left to the writer.
"""

import logging

from connector.clock import DAY
from connector.database import Database
from connector.errors import Refused
from connector.membership import notes, projection, store, stripe_api
from connector.membership.billing import Payment, Subscription
from connector.membership.projection import Subject
from connector.membership.stripe_api import Client
from connector.settings import Settings

log = logging.getLogger(__name__)

# Two tabs, a double click, a way back: nobody means that. Later, it may have been meant.
SLIP = DAY


def settle(db: Database, settings: Settings, client: Client, *, now: int) -> list[str]:
    """End and pay back each duplicate that is a slip; the ids of those that were.

    Whatever else there is, is owed to the writer as a note. Raises PaymentsUnavailable.
    """
    with db.read() as connection:
        found = store.duplicates(connection, mode=settings.stripe.mode)
    return [one.id for one in found if _settle(db, settings, client, one, now=now)]


def _settle(
    db: Database, settings: Settings, client: Client, one: Subscription, *, now: int
) -> bool:
    # Only what Stripe says this moment may cost somebody their membership.
    again = projection.project_subscription(db, settings, client, one.id, now=now)
    kept = _kept(db, settings, one)
    if again is None or not again.is_live or kept is None or kept.id == one.id:
        return False
    is_younger = again.created_at >= kept.created_at
    is_slip = again.status == "past_due" or (is_younger and now - again.created_at < SLIP)
    if not is_slip:
        _note(db, one, is_settled=False, now=now)
        return False
    # Paid back first: what was ended is no duplicate any more, and nobody would look again.
    owed = _paid(db, one) if is_younger else []
    returned = [_pay_back(db, settings, client, each, now=now) for each in owed]
    # The note before the end, too: what dies in between is looked at again, and told once.
    _note(db, one, is_settled=all(returned), now=now)
    stripe_api.cancel_now(client, one.id)
    projection.project_subscription(db, settings, client, one.id, now=now)
    return True


def _pay_back(
    db: Database, settings: Settings, client: Client, payment: Payment, *, now: int
) -> bool:
    """Whether it is the reader's again; a bank may have taken it back, which is for the writer."""
    key = f"duplicate:{payment.id}"
    try:
        back = stripe_api.refund(client, settings, payment.intent_id, key=key)
    except Refused as error:
        log.warning("A duplicate subscription could not be paid back: %s", error)
        return False
    projection.project(db, settings, client, Subject("refund", back.id), now=now)
    return True


def _kept(db: Database, settings: Settings, one: Subscription) -> Subscription | None:
    """The one that counts, as Stripe's last answer has it."""
    if one.subscriber_id is None:
        return None
    with db.read() as connection:
        return store.current(connection, one.subscriber_id, mode=settings.stripe.mode)


def _paid(db: Database, one: Subscription) -> list[Payment]:
    with db.read() as connection:
        payments = store.payments_for(connection, one.id)
    return [each for each in payments if each.status == "paid" and each.cents and each.intent_id]


def _note(db: Database, one: Subscription, *, is_settled: bool, now: int) -> None:
    with db.write() as tx:
        notes.about_duplicate(tx, one, is_settled=is_settled, now=now)
