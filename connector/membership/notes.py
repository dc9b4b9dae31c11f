"""What readers and the writer are to be told about money, each thing once.

It decides what is owed from what is true now, never from how it came to be known; the letters
are written by whoever takes the notes.
"""

from collections.abc import Iterable

from connector.clock import DAY
from connector.database import Transaction
from connector.membership import store
from connector.membership.billing import WON, Dispute, Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.membership import Membership
from connector.settings import Settings

# What is older was known before, or came with an account that had its members already.
FRESH = 7 * DAY


def about_subscription(
    tx: Transaction,
    settings: Settings,
    one: Subscription,
    payments: Iterable[Payment],
    *,
    is_current: bool,
    now: int,
) -> None:
    """Joined, leaving, left, a payment that failed."""
    tell = settings.stripe
    if one.is_live and is_current and _is_fresh(one.created_at, now):
        _both(tx, "joined", one.id, one.subscriber_id, is_told=tell.tell_joined, now=now)
    if one.is_leaving and is_current and _is_fresh(one.cancelled_at, now):
        about = f"{one.id}:{one.cancel_at}"
        _both(tx, "leaving", about, one.subscriber_id, is_told=tell.tell_left, now=now)
    if one.status == "canceled" and one.subscriber_id and _is_fresh(one.ended_at, now):
        _both(tx, "left", one.id, one.subscriber_id, is_told=tell.tell_left, now=now)
    if one.status == "past_due":
        for payment in payments:
            if payment.has_failed and _is_fresh(payment.created_at, now):
                told = tell.tell_failed
                _both(tx, "failed", payment.id, one.subscriber_id, is_told=told, now=now)


def about_payment(tx: Transaction, settings: Settings, one: Payment, *, now: int) -> None:
    """A tip or a gift that was paid."""
    if _is_fresh(one.created_at, now):
        told = settings.stripe.tell_joined
        _both(tx, one.kind, one.id, one.subscriber_id, is_told=told, now=now)


def about_bought(tx: Transaction, gift: Gift, *, now: int) -> None:
    """The code, to a buyer whom we know by their address alone."""
    if gift.buyer and _is_fresh(gift.created_at, now):
        about = gift.payment_id
        store.owe(tx, "gift", to_whom="reader", about=about, subscriber_id=None, now=now)


def about_refund(tx: Transaction, one: Refund, payment: Payment, *, now: int) -> None:
    is_news = one.status == "succeeded" and _is_fresh(one.created_at, now)
    if is_news and not _is_of_duplicate(tx, payment):
        _both(tx, "refunded", one.id, payment.subscriber_id, is_told=False, now=now)
    if one.status == "failed":
        store.owe(
            tx,
            "refund-failed",
            to_whom="writer",
            about=one.id,
            subscriber_id=payment.subscriber_id,
            now=now,
        )


def _is_of_duplicate(tx: Transaction, payment: Payment) -> bool:
    """Whether it is for a second subscription that is being ended; another letter says all that."""
    paid_for = store.subscription(tx, payment.subscription_id)
    if paid_for is None or paid_for.subscriber_id is None or not paid_for.is_live:
        return False
    counting = store.current(tx, paid_for.subscriber_id, mode=paid_for.mode)
    return counting is not None and counting.id != paid_for.id


def about_dispute(
    tx: Transaction, settings: Settings, one: Dispute, payment: Payment, *, now: int
) -> None:
    """The writer alone is told, while there is something to be done."""
    if settings.stripe.tell_disputed and one.status not in WON and one.status != "lost":
        store.owe(
            tx,
            "disputed",
            to_whom="writer",
            about=one.id,
            subscriber_id=payment.subscriber_id,
            now=now,
        )


def about_warning(
    tx: Transaction, settings: Settings, warning_id: str, payment: Payment, *, now: int
) -> None:
    """A bank says a payment may be fraud; giving it back early saves a dispute."""
    if settings.stripe.tell_disputed:
        store.owe(
            tx,
            "warned",
            to_whom="writer",
            about=warning_id,
            subscriber_id=payment.subscriber_id,
            now=now,
        )


def about_duplicate(tx: Transaction, one: Subscription, *, is_settled: bool, now: int) -> None:
    """The reader is told what was given back; the writer what is left to decide."""
    to_whom, what = ("reader", "duplicate") if is_settled else ("writer", "duplicate-shown")
    store.owe(tx, what, to_whom=to_whom, about=one.id, subscriber_id=one.subscriber_id, now=now)


def about_end(tx: Transaction, ended: Membership, *, now: int) -> None:
    """What somebody was given is over, and they are no member any more."""
    about = f"{ended.kind}:{ended.subscriber_id}:{ended.ends_at}"
    store.owe(
        tx, "ended", to_whom="reader", about=about, subscriber_id=ended.subscriber_id, now=now
    )


def about_still_paying(
    tx: Transaction, subscription_id: str, *, subscriber_id: int, since: int, now: int
) -> None:
    """Who wants no letters any more, and goes on paying for them, should know."""
    about = f"{subscription_id}:{since}"
    store.owe(
        tx, "still-paying", to_whom="reader", about=about, subscriber_id=subscriber_id, now=now
    )


def know_still_paying(
    tx: Transaction, subscription_id: str, *, subscriber_id: int, since: int, now: int
) -> None:
    """They said themselves that they go on paying; no letter is owed."""
    about_still_paying(tx, subscription_id, subscriber_id=subscriber_id, since=since, now=now)
    key = store.key_of("still-paying", about=f"{subscription_id}:{since}", to_whom="reader")
    store.set_written(tx, key, now=now)


def about_unsent_gift(tx: Transaction, gift: Gift, *, now: int) -> None:
    """The letter with a gift cannot be sent; the writer can ask the buyer for another address."""
    store.owe(
        tx,
        "gift-unsent",
        to_whom="writer",
        about=gift.payment_id,
        subscriber_id=gift.buyer_id,
        now=now,
    )


def _both(
    tx: Transaction, what: str, about: str, reader: int | None, *, is_told: bool, now: int
) -> None:
    if reader is not None:
        store.owe(tx, what, to_whom="reader", about=about, subscriber_id=reader, now=now)
    if is_told:
        store.owe(tx, what, to_whom="writer", about=about, subscriber_id=reader, now=now)


def _is_fresh(at: int | None, now: int) -> bool:
    return at is not None and now - at < FRESH
