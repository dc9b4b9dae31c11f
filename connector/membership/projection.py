"""What Stripe says becomes what we say: something changed, we ask how it stands, we write it all.

State comes from the answer and never from an event, so order, repeats and loss do not matter;
nothing is asked inside a transaction.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from connector.database import Database, Transaction
from connector.errors import NotFound
from connector.membership import billing, gifts, notes, store, stripe_api
from connector.membership.billing import Checkout, Dispute, Payment, Raw, Refund, Subscription
from connector.membership.membership import Membership
from connector.membership.stripe_api import Client
from connector.readers import store as readers
from connector.settings import Settings

log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """Something at Stripe that may have changed."""

    kind: str
    id: str


def touched(event: Raw) -> Subject | None:
    """What an event is about; None for what we do not follow. Nothing else in it is believed."""
    what, kind = event["data"]["object"], str(event["type"])
    subject, find = next(
        (found for prefix, found in ABOUT.items() if kind.startswith(prefix)), ("", _own)
    )
    if subject == "invoice" and (held := stripe_api.subscription_of(what)):
        return Subject("subscription", held)
    if kind.startswith("customer.discount.") and what.get("subscription"):
        return Subject("subscription", what["subscription"])
    key = find(what)
    return Subject(subject, key) if subject and key else None


def _own(what: Raw) -> str:
    return str(what["id"])


def _its_customer(what: Raw) -> str:
    return billing.key_of(what.get("customer"))


def _its_invoice(what: Raw) -> str:
    return billing.key_of(what.get("invoice"))


def _warning(what: Raw) -> str:
    return f"{what['id']}:{billing.key_of(what.get('payment_intent'))}"


# By how the type of an event begins, the longer before the shorter.
ABOUT: dict[str, tuple[str, Callable[[Raw], str]]] = {
    "checkout.session.": ("session", _own),
    "customer.subscription.": ("subscription", _own),
    "customer.discount.": ("customer", _its_customer),
    "customer.": ("customer", _own),
    "invoice_payment.": ("invoice", _its_invoice),
    "invoice.": ("invoice", _own),
    "refund.": ("refund", _own),
    "charge.dispute.": ("dispute", _own),
    "charge.refunded": ("charge", _own),
    "radar.early_fraud_warning.": ("warning", _warning),
}


def project(
    db: Database, settings: Settings, client: Client, subject: Subject, *, now: int
) -> None:
    """Ask how a subject stands and write all of it; again changes nothing.

    Raises PaymentsUnavailable when Stripe cannot be asked; nothing was changed then. What
    Stripe does not know, and what is not ours, is left alone.
    """
    follow = {
        "subscription": project_subscription,
        "session": project_checkout,
        "invoice": _project_invoice,
        "refund": _project_refund,
        "charge": _project_charge,
        "dispute": _project_dispute,
        "customer": _project_customer,
        "warning": _project_warning,
    }[subject.kind]
    try:
        follow(db, settings, client, subject.id, now=now)
    except NotFound:
        log.info("Stripe has no %s %s.", *subject)


def ask(db: Database) -> int:
    """A number for what we ask next: answers may overtake each other, numbers do not."""
    with db.write() as tx:
        return store.ask(tx)


def project_checkout(
    db: Database, settings: Settings, client: Client, session_id: str, *, now: int
) -> Checkout:
    """Write what a visit to the checkout came to; the page of thanks shows what this returns.

    Raises NotFound for one that is not ours.
    """
    asked = ask(db)
    found = stripe_api.checkout(client, settings, session_id)
    if not found.is_ours or found.is_live != settings.stripe.is_live:
        raise NotFound("There is no such payment here.")
    if found.kind != "membership":
        if found.status == "complete" and found.is_paid:
            _write_paid_once(db, settings, found, asked=asked, now=now)
    elif found.subscription_id:
        project_subscription(db, settings, client, found.subscription_id, now=now)
    return found


def project_subscription(
    db: Database, settings: Settings, client: Client, subscription_id: str, *, now: int
) -> Subscription | None:
    """Write a subscription, its invoices and the membership it makes; None when it is not ours."""
    asked = ask(db)
    try:
        raw = stripe_api.subscription(client, subscription_id)
    except NotFound:
        _write_gone(db, settings, subscription_id, asked=asked, now=now)
        raise
    if raw["livemode"] != settings.stripe.is_live:
        return None
    if not billing.is_ours(settings, raw):
        _write_foreign(db, settings, raw, now=now)
        return None
    invoices = stripe_api.invoices(client, subscription_id)
    one = billing.subscription(settings, raw, unpaid_since=billing.unpaid_since(invoices))
    with db.write(durable=True) as tx:
        one = _of_somebody(tx, one, now=now)
        payments = [
            billing.payment(settings, each, subscriber_id=one.subscriber_id, subscription_id=one.id)
            for each in invoices
        ]
        write(tx, settings, one, payments, asked=asked, now=now)
    return one


def write(
    tx: Transaction,
    settings: Settings,
    one: Subscription,
    payments: list[Payment],
    *,
    asked: int,
    now: int,
) -> bool:
    """Keep a subscription as it stood when asked, and all that follows from it.

    False, and nothing is changed, when the answer to a later question is there already.
    """
    if not store.keep_subscription(tx, one, asked=asked):
        return False
    for payment in payments:
        store.keep_payment(tx, payment, asked=asked)
    if one.subscriber_id is None:
        return True
    current = settle(tx, settings, one.subscriber_id)
    notes.about_subscription(tx, settings, one, payments, is_current=current == one.id, now=now)
    return True


def settle(tx: Transaction, settings: Settings, subscriber_id: int) -> str:
    """Which of somebody's subscriptions counts, and the membership it makes; its id, or nothing."""
    known = store.subscriptions_of(tx, subscriber_id, mode=settings.stripe.mode)
    live = sorted((one for one in known if one.is_live), key=lambda one: one.rank)
    current = live[0].id if live else ""
    store.set_current(tx, subscriber_id, current, mode=settings.stripe.mode)
    counting = live[0] if live else _last_of(settings, known)
    if counting is None:
        store.delete_membership(tx, subscriber_id, "paid")
        return current
    until = billing.member_until(counting, grace_days=settings.stripe.grace_days)
    store.keep_membership(
        tx, Membership(subscriber_id, counting.tier, "paid", counting.created_at, until)
    )
    return current


def _last_of(settings: Settings, known: list[Subscription]) -> Subscription | None:
    """Of those that ended, the one whose membership lasted longest."""
    days = settings.stripe.grace_days
    begun = [one for one in known if billing.has_begun(one)]
    return max(
        begun,
        key=lambda one: (billing.member_until(one, grace_days=days) or 0, one.id),
        default=None,
    )


def _of_somebody(tx: Transaction, one: Subscription, *, now: int) -> Subscription:
    """Whose it is: of whom it says, else of whom its customer is; nobody, when they are gone."""
    for subscriber_id in (one.subscriber_id, store.subscriber_of(tx, one.customer_id)):
        if subscriber_id is not None and readers.by_id(tx, subscriber_id):
            if store.customer_of(tx, subscriber_id, mode=one.mode) is None:
                store.keep_customer(
                    tx, one.customer_id, subscriber_id=subscriber_id, mode=one.mode, now=now
                )
            return replace(one, subscriber_id=subscriber_id)
    return replace(one, subscriber_id=None)


def _write_gone(
    db: Database, settings: Settings, subscription_id: str, *, asked: int, now: int
) -> None:
    """What Stripe no longer knows has ended, whenever that was."""
    with db.write(durable=True) as tx:
        known = store.subscription(tx, subscription_id)
        if known is not None and known.mode == settings.stripe.mode and known.ended_at is None:
            gone = replace(known, status="canceled", ended_at=now, unpaid_since=None)
            write(tx, settings, gone, [], asked=asked, now=now)


def _write_foreign(db: Database, settings: Settings, raw: Raw, *, now: int) -> None:
    with db.write() as tx:
        store.note_foreign(
            tx,
            raw["id"],
            mode=settings.stripe.mode,
            customer_id=billing.key_of(raw["customer"]),
            product=billing.product_of(raw),
            now=now,
        )


def _write_paid_once(
    db: Database, settings: Settings, checkout: Checkout, *, asked: int, now: int
) -> None:
    payment = billing.paid_once(settings, checkout)
    with db.write(durable=True) as tx:
        if payment.subscriber_id and not readers.by_id(tx, payment.subscriber_id):
            payment = replace(payment, subscriber_id=None)
        store.keep_payment(tx, payment, asked=asked)
        if payment.kind == "gift":
            notes.about_bought(tx, gifts.record(tx, settings, checkout, payment), now=now)
        notes.about_payment(tx, settings, payment, now=now)
        _end_gift_that_was_paid_back(tx, settings, payment)


def _project_invoice(
    db: Database, settings: Settings, client: Client, invoice_id: str, *, now: int
) -> None:
    held = stripe_api.subscription_of(stripe_api.invoice(client, invoice_id))
    if held:
        project_subscription(db, settings, client, held, now=now)


def _project_refund(
    db: Database, settings: Settings, client: Client, refund_id: str, *, now: int
) -> None:
    asked = ask(db)
    found = stripe_api.find_refund(client, settings, refund_id)
    write_refund(db, settings, client, found, asked=asked, now=now)


def _project_charge(
    db: Database, settings: Settings, client: Client, charge_id: str, *, now: int
) -> None:
    asked = ask(db)
    for found in stripe_api.refunds(client, settings, charge_id=charge_id):
        write_refund(db, settings, client, found, asked=asked, now=now)


def write_refund(
    db: Database, settings: Settings, client: Client, found: Refund, *, asked: int, now: int
) -> bool:
    """Keep a refund of a payment of ours; whether it is one."""
    payment = _payment(db, settings, client, found.intent_id, now=now)
    if payment is None:
        return False
    with db.write(durable=True) as tx:
        store.keep_refund(tx, found, asked=asked)
        notes.about_refund(tx, found, payment, now=now)
        _end_gift_that_was_paid_back(tx, settings, payment)
    return True


def _project_dispute(
    db: Database, settings: Settings, client: Client, dispute_id: str, *, now: int
) -> None:
    asked = ask(db)
    found = stripe_api.find_dispute(client, settings, dispute_id)
    write_dispute(db, settings, client, found, asked=asked, now=now)


def write_dispute(
    db: Database, settings: Settings, client: Client, found: Dispute, *, asked: int, now: int
) -> bool:
    """Keep a dispute about a payment of ours; whether it is one."""
    payment = _payment(db, settings, client, found.intent_id, now=now)
    if payment is None:
        return False
    with db.write(durable=True) as tx:
        store.keep_dispute(tx, found, asked=asked)
        notes.about_dispute(tx, settings, found, payment, now=now)
    return True


def _project_customer(
    db: Database, settings: Settings, client: Client, customer_id: str, *, now: int
) -> None:
    with db.read() as connection:
        known = store.subscriptions_by(connection, customer_id)
    for subscription_id in known:
        project_subscription(db, settings, client, subscription_id, now=now)


def _project_warning(
    db: Database, settings: Settings, client: Client, warning: str, *, now: int
) -> None:
    warning_id, _, intent_id = warning.partition(":")
    payment = _payment(db, settings, client, intent_id, now=now)
    if payment is not None:
        with db.write() as tx:
            notes.about_warning(tx, settings, warning_id, payment, now=now)


def _payment(
    db: Database, settings: Settings, client: Client, intent_id: str, *, now: int
) -> Payment | None:
    """The payment of ours that an intent paid, fetched when we have not heard of it yet."""
    if not intent_id:
        return None
    found = _known(db, intent_id)
    if found is None:
        kind, key = stripe_api.paid_for(client, intent_id)
        if kind:
            project(db, settings, client, Subject(kind, key), now=now)
            found = _known(db, intent_id)
    return found if found is not None and found.mode == settings.stripe.mode else None


def _known(db: Database, intent_id: str) -> Payment | None:
    with db.read() as connection:
        return store.payment_by_intent(connection, intent_id)


def _end_gift_that_was_paid_back(tx: Transaction, settings: Settings, payment: Payment) -> None:
    if payment.kind != "gift":
        return
    back = [one for one in store.refunds_of(tx, payment.intent_id) if one.status == "succeeded"]
    if back and sum(one.cents for one in back) >= payment.cents:
        gifts.end(tx, settings, payment.id, now=max(one.created_at for one in back))
