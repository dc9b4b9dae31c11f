"""What a reader does with their membership: begin, change, leave, stay, pause, go on.

Each asks Stripe, then writes what Stripe says now; nothing is believed to have worked before.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from connector.database import Database
from connector.errors import NotFound, PaymentsRefused, PaymentsUnavailable, Refused
from connector.membership import billing, notes, projection, store, stripe_api
from connector.membership.billing import Checkout, Payment, Preview, Refund, Subscription
from connector.membership.stripe_api import Choice, Client
from connector.readers.subscriber import Subscriber
from connector.settings import Settings

NOT_PAYING = "There is no paid membership to change."
OVER = (
    "This membership has ended, and nothing more is charged. You can begin a new one at any time."
)
MOVED_ON = "This membership has changed meanwhile. Please look at how it stands now."


def begin(
    db: Database,
    settings: Settings,
    client: Client,
    subscriber: Subscriber,
    choice: Choice,
    *,
    success_url: str,
    cancel_url: str,
    now: int,
    promotion: str = "",
) -> Checkout:
    """A page at Stripe where somebody becomes a member.

    Raises Refused for who is one already and pays for it, PaymentsUnavailable.
    """
    if current(db, settings, subscriber.id) is not None:
        raise Refused("You are a member already. Thank you! You can change your plan instead.")
    customer_id = customer(db, settings, client, subscriber, now=now)
    if has_had_one(db, settings, subscriber.id):
        choice = replace(choice, trial_days=0)
    return stripe_api.create_checkout(
        client,
        settings,
        subscriber=subscriber,
        customer_id=customer_id,
        choice=choice,
        success_url=success_url,
        cancel_url=cancel_url,
        promotion=promotion,
    )


def has_had_one(db: Database, settings: Settings, subscriber_id: int) -> bool:
    """Whether they were a paying member before: days of trial are for who never was."""
    with db.read() as connection:
        known = store.subscriptions_of(connection, subscriber_id, mode=settings.stripe.mode)
    return any(billing.has_begun(one) for one in known)


def customer(
    db: Database, settings: Settings, client: Client, subscriber: Subscriber, *, now: int
) -> str:
    """The customer of a subscriber: the one we know, one at Stripe, or a new one."""
    mode = settings.stripe.mode
    with db.read() as connection:
        known = store.customer_of(connection, subscriber.id, mode=mode)
    if known is not None and stripe_api.is_customer(client, known):
        return known
    found = stripe_api.find_customer(client, settings, subscriber) or stripe_api.create_customer(
        client, settings, subscriber
    )
    with db.write() as tx:
        store.keep_customer(tx, found, subscriber_id=subscriber.id, mode=mode, now=now)
    return found


def current(db: Database, settings: Settings, subscriber_id: int) -> Subscription | None:
    """The live subscription that counts, as we last heard of it."""
    with db.read() as connection:
        return store.current(connection, subscriber_id, mode=settings.stripe.mode)


def preview(
    db: Database,
    settings: Settings,
    client: Client,
    subscriber_id: int,
    choice: Choice,
    *,
    now: int,
) -> Preview:
    """What another plan or amount costs now, and then. Raises NotFound, Refused."""
    one = _current(db, settings, subscriber_id)
    with _as_it_stands(db, settings, client, one, now=now):
        return stripe_api.preview(client, settings, one, choice, now=now)


@dataclass(frozen=True, slots=True)
class Changed:
    """A plan after a change; `to_agree` is the page where its payer has to agree to it first."""

    subscription: Subscription
    to_agree: str = ""


def change(
    db: Database,
    settings: Settings,
    client: Client,
    subscriber_id: int,
    choice: Choice,
    *,
    previewed_at: int,
    now: int,
    key: str = "",
) -> Changed:
    """Another plan or amount, at the price that was shown; the same `key` never changes twice.

    Raises Refused, and changes nothing, when the card says no; NotFound for one that has ended.
    """
    one = _current(db, settings, subscriber_id)
    with _as_it_stands(db, settings, client, one, now=now):
        to_agree = stripe_api.change(
            client, settings, one, choice, previewed_at=previewed_at, key=key
        )
    return Changed(_again(db, settings, client, one, now=now), to_agree)


def leave(
    db: Database,
    settings: Settings,
    client: Client,
    subscriber_id: int,
    *,
    now: int,
    comment: str = "",
) -> Subscription:
    """Let it run out at the end of what was paid for; twice is harmless.

    Raises NotFound for one that has ended.
    """
    one = _current(db, settings, subscriber_id)
    if not one.is_leaving:
        with _as_it_stands(db, settings, client, one, now=now):
            stripe_api.cancel_at_period_end(client, one.id, comment=comment)
    return _again(db, settings, client, one, now=now)


def stay(
    db: Database, settings: Settings, client: Client, subscriber_id: int, *, now: int
) -> Subscription:
    """Take a leaving back while it runs; twice is harmless. Raises NotFound when it is over."""
    one = _current(db, settings, subscriber_id)
    if one.is_leaving:
        with _as_it_stands(db, settings, client, one, now=now):
            stripe_api.keep_on(client, one.id)
    return _again(db, settings, client, one, now=now)


def pause(
    db: Database, settings: Settings, client: Client, subscriber_id: int, *, now: int
) -> Subscription:
    """Charge nothing until they go on; twice is harmless.

    Raises Refused for one that runs out anyway, or that a payment is owed for; NotFound for one
    that has ended.
    """
    paused = _paused(db, settings, subscriber_id)
    if paused is not None and current(db, settings, subscriber_id) is None:
        return paused
    one = _current(db, settings, subscriber_id)
    if one.is_leaving or one.status == "past_due":
        raise Refused("This membership cannot pause as it stands now.")
    with _as_it_stands(db, settings, client, one, now=now):
        stripe_api.pause(client, one.id)
    return _again(db, settings, client, one, now=now)


def go_on(
    db: Database, settings: Settings, client: Client, subscriber_id: int, *, now: int
) -> Subscription:
    """End a pause. Raises NotFound when there is none, Refused beside a live subscription."""
    if current(db, settings, subscriber_id) is not None:
        raise Refused("There is a membership that runs already.")
    paused = _paused(db, settings, subscriber_id)
    if paused is None:
        raise NotFound("There is no membership that pauses.")
    with _as_it_stands(db, settings, client, paused, now=now):
        stripe_api.resume(client, paused.id)
    return _again(db, settings, client, paused, now=now)


def go_on_unread(db: Database, settings: Settings, subscriber: Subscriber, *, now: int) -> None:
    """They get no letters, and pay on knowing that: no letter has to tell them."""
    one = current(db, settings, subscriber.id)
    if one is None or subscriber.unsubscribed_at is None:
        return
    with db.write() as tx:
        notes.know_still_paying(
            tx, one.id, subscriber_id=subscriber.id, since=subscriber.unsubscribed_at, now=now
        )


def end(
    db: Database, settings: Settings, client: Client, subscriber_id: int, *, now: int
) -> list[Subscription]:
    """End everything of somebody's at once, so that nobody who is gone is charged.

    What began at Stripe and has not been heard of yet ends too. Raises PaymentsUnavailable.
    """
    ended = []
    for key in _running(db, settings, client, subscriber_id):
        stripe_api.cancel_now(client, key)
        found = projection.project_subscription(db, settings, client, key, now=now)
        ended += [found] if found is not None else []
    return ended


def _running(db: Database, settings: Settings, client: Client, subscriber_id: int) -> list[str]:
    mode = settings.stripe.mode
    with db.read() as connection:
        known = store.subscriptions_of(connection, subscriber_id, mode=mode)
        customer_id = store.customer_of(connection, subscriber_id, mode=mode)
    running = dict.fromkeys(one.id for one in known if one.ended_at is None)
    if customer_id is not None and stripe_api.is_customer(client, customer_id):
        for raw in stripe_api.subscriptions(client, customer_id=customer_id):
            if billing.is_ours(settings, raw) and raw.get("ended_at") is None:
                running[raw["id"]] = None
    return list(running)


def follow_address(
    db: Database, settings: Settings, payments: Callable[[], Client], subscriber: Subscriber
) -> None:
    """Receipts go where somebody reads now; while Stripe is away, the nightly sync sees to it."""
    with db.read() as connection:
        known = store.customer_of(connection, subscriber.id, mode=settings.stripe.mode)
    if known is not None:
        with contextlib.suppress(NotFound, PaymentsUnavailable):
            stripe_api.set_customer_address(payments(), known, subscriber.email)


def pay_back(
    db: Database,
    settings: Settings,
    client: Client,
    payment: Payment,
    *,
    now: int,
    cents: int | None = None,
) -> Refund:
    """Give a payment back, all that is left of it or `cents`. Raises Refused for what is more."""
    with db.read() as connection:
        back = store.refunds_of(connection, payment.intent_id)
    left = payment.cents - sum(one.cents for one in back if one.status != "failed")
    if left <= 0 or (cents is not None and not 0 < cents <= left):
        raise Refused("That is more than is left of this payment.")
    refund = stripe_api.refund(
        client,
        settings,
        payment.intent_id,
        # Two clicks are one refund; a second one of the same size is meant.
        key=f"{payment.id}:{left}:{cents or left}",
        cents=cents or left,
    )
    projection.project(db, settings, client, projection.Subject("refund", refund.id), now=now)
    return refund


def _paused(db: Database, settings: Settings, subscriber_id: int) -> Subscription | None:
    with db.read() as connection:
        known = store.subscriptions_of(connection, subscriber_id, mode=settings.stripe.mode)
    return next((one for one in reversed(known) if one.status == "paused"), None)


def _current(db: Database, settings: Settings, subscriber_id: int) -> Subscription:
    found = current(db, settings, subscriber_id)
    if found is None:
        raise NotFound(NOT_PAYING)
    return found


@contextlib.contextmanager
def _as_it_stands(
    db: Database, settings: Settings, client: Client, one: Subscription, *, now: int
) -> Iterator[None]:
    """What Stripe will not do may have a reason we have not heard of: then we write and say it.

    Raises NotFound for a membership that is over, or is no longer what we took it for.
    """
    try:
        yield
    except (NotFound, PaymentsRefused):
        try:
            found = projection.project_subscription(db, settings, client, one.id, now=now)
        except NotFound:
            raise NotFound(OVER) from None
        if found is None or found.status == one.status:
            raise
        raise NotFound(MOVED_ON if found.ended_at is None else OVER) from None


def _again(
    db: Database, settings: Settings, client: Client, one: Subscription, *, now: int
) -> Subscription:
    found = projection.project_subscription(db, settings, client, one.id, now=now)
    return found if found is not None else one
