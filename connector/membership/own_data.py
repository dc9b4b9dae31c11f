"""All that is kept about somebody, money with it: theirs to have, and to have erased.

Nobody is erased who would go on being charged; the readers' room does the rest.
"""

from collections.abc import Callable
from typing import Any

from connector import clock
from connector.database import Connection, Database
from connector.delivery.address import key_of
from connector.errors import PaymentsUnavailable
from connector.membership import money, plan, store
from connector.membership.billing import Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.money import Amount
from connector.membership.stripe_api import Client
from connector.readers import preferences
from connector.readers import store as readers
from connector.settings import Settings

NOT_ERASED = (
    "Your plan cannot be ended at the moment, so nothing was erased yet. "
    "Please try again in a few minutes."
)
REAL = (
    "Nothing was erased: a plan is paid for with real money, and there is no live key of Stripe "
    "here to end it with. Set CONNECTOR_STRIPE_KEY, or end the plan at Stripe and run "
    "`connector stripe sync`."
)


def export(db: Database, settings: Settings, subscriber_id: int) -> dict[str, Any]:
    """Everything kept about somebody, ready for JSON, times in UTC. Raises NotFound."""
    found = preferences.export(db, subscriber_id)
    mode = settings.stripe.mode
    with db.read() as connection:
        return found | {
            "subscriptions": [
                _subscription(one)
                for one in store.subscriptions_of(connection, subscriber_id, mode=mode)
            ],
            "payments": [
                _payment(one) for one in store.payments_of(connection, subscriber_id, mode=mode)
            ],
            "refunds": [
                _refund(one) for one in store.refunds_to(connection, subscriber_id, mode=mode)
            ],
            "gifts_bought": [
                _bought(one)
                for one in (
                    *store.gifts_bought_by(connection, subscriber_id, mode=mode),
                    *_bought_unknown(connection, subscriber_id, mode=mode),
                )
            ],
            "gifts_taken": [
                _gift(one) for one in store.gifts_taken_by(connection, subscriber_id, mode=mode)
            ],
        }


def erase(
    db: Database,
    settings: Settings,
    payments: Callable[[], Client],
    subscriber_id: int,
    *,
    now: int,
) -> None:
    """End what somebody pays for, then forget them. Twice is harmless.

    `payments` opens the client, which who never paid does without. Raises PaymentsUnavailable
    when their plan cannot be ended now; nothing is erased then.
    """
    _refuse_real(db, settings, subscriber_id)
    if _has_paid(db, settings, subscriber_id):
        try:
            plan.end(db, settings, payments(), subscriber_id, now=now)
        except PaymentsUnavailable as error:
            raise PaymentsUnavailable(NOT_ERASED, why=f"Nothing was erased. {error.why}") from None
    _forget_in_gifts(db, subscriber_id, now=now)
    preferences.erase(db, settings, subscriber_id, now)


def _forget_in_gifts(db: Database, subscriber_id: int, *, now: int) -> None:
    """Whom a gift was for, and who bought one unknown to us; its code stays worth what it was."""
    with db.write() as tx:
        if (found := readers.by_id(tx, subscriber_id)) is None:
            return
        keys = {found.email_key, *(one.email_key for one in readers.former(tx, found.id))}
        for payment_id, address in store.receivers(tx):
            if key_of(address) in keys:
                store.forget_receiver(tx, payment_id)
        for key in keys:
            store.forget_buyer(tx, key, now=now)


def _bought_unknown(connection: Connection, subscriber_id: int, *, mode: str) -> list[Gift]:
    """What was bought with their address while they were not signed in."""
    found = readers.by_id(connection, subscriber_id)
    return store.gifts_bought_from(connection, found.email_key, mode=mode) if found else []


def _has_paid(db: Database, settings: Settings, subscriber_id: int) -> bool:
    mode = settings.stripe.mode
    with db.read() as connection:
        return store.customer_of(connection, subscriber_id, mode=mode) is not None or any(
            one.ended_at is None
            for one in store.subscriptions_of(connection, subscriber_id, mode=mode)
        )


def _refuse_real(db: Database, settings: Settings, subscriber_id: int) -> None:
    if settings.stripe.is_live:
        return
    with db.read() as connection:
        real = store.subscriptions_of(connection, subscriber_id, mode="live")
    if any(one.ended_at is None for one in real):
        raise PaymentsUnavailable(NOT_ERASED, why=REAL)


def _subscription(one: Subscription) -> dict[str, Any]:
    return {
        "tier": one.tier,
        "status": one.status,
        "amount": _amount(one.amount),
        "every": one.every,
        "began_at": _time(one.created_at),
        "paid_until": _time(one.period_end),
        "ends_at": _time(one.cancel_at),
        "ended_at": _time(one.ended_at),
        "reason": one.why,
        "id": one.id,
        "customer": one.customer_id,
    }


def _payment(one: Payment) -> dict[str, Any]:
    return {
        "what": one.kind,
        "status": one.status,
        "amount": _amount(one.amount),
        "tax": _amount(Amount(one.tax_cents, one.currency)),
        "at": _time(one.paid_at or one.created_at),
        "number": one.number,
        "receipt": one.url,
        "id": one.id,
    }


def _refund(one: Refund) -> dict[str, Any]:
    return {
        "amount": _amount(Amount(one.cents, one.currency)),
        "status": one.status,
        "at": _time(one.created_at),
        "id": one.id,
    }


def _bought(one: Gift) -> dict[str, Any]:
    more = {"code": one.code, "for": one.address, "words": one.words, "from": one.buyer}
    return _gift(one) | more | {"send_at": _time(one.send_at), "sent_at": _time(one.sent_at)}


def _gift(one: Gift) -> dict[str, Any]:
    return {
        "tier": one.tier,
        "months": one.months,
        "bought_at": _time(one.created_at),
        "taken_at": _time(one.taken_at),
        "ended_at": _time(one.ended_at),
    }


def _amount(amount: Amount) -> str:
    return f"{money.plain(amount)} {amount.currency.upper()}"


def _time(at: int | None) -> str | None:
    return None if at is None else clock.utc(at)
