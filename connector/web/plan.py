"""A member's plan as they see it: what it costs, until when, what was paid and given.

It only reads what is known already, and asks nobody.
"""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from connector.database import Connection
from connector.errors import NotFound
from connector.membership import billing, money, store, tiers
from connector.membership.billing import Every, Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.membership import Membership
from connector.membership.money import Amount
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.web.site import site_of

State = Literal["none", "trial", "active", "leaving", "failing", "paused", "unpaid"]
EVERY: dict[Every, str] = {"month": "a month", "year": "a year"}
WHAT = {"membership": "Membership", "tip": "A tip", "gift": "A gift"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment as its payer sees it: `back` is what was given back of it, `url` its receipt."""

    at: int
    what: str
    amount: str
    back: str
    url: str


@dataclass(frozen=True, slots=True)
class Present:
    """A membership that costs its holder nothing, and until when; None is for good."""

    name: str
    kind: str
    until: int | None


@dataclass(frozen=True, slots=True)
class Bought:
    """A gift somebody bought: its code, and what became of it."""

    code: str
    name: str
    months: int
    at: int
    address: str
    send_at: int | None
    taken_at: int | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class PlanView:
    """All that the pages show of somebody's plan; times in ms, `price` in words.

    `next_at` is when it is charged next, `until` when it ends or the grace is over, `owed` the
    page where an open payment is made.
    """

    state: State
    name: str = ""
    price: str = ""
    next_at: int | None = None
    until: int | None = None
    owed: str = ""
    owed_amount: str = ""
    is_waiting: bool = False
    presents: tuple[Present, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    gifts: tuple[Bought, ...] = ()
    has_customer: bool = False

    @property
    def is_paying(self) -> bool:
        """Whether they will be charged again unless they do something."""
        return self.state in ("trial", "active", "failing")

    @property
    def may_change(self) -> bool:
        return self.state in ("trial", "active")


def plan_of(request: Request, subscriber: Subscriber) -> PlanView:
    """What a member sees of their plan, for `pages/_plan.html`; it only reads."""
    site = site_of(request)
    settings, now = site.settings, site.payments.now()
    mode, whose = settings.stripe.mode, subscriber.id
    with site.db.read() as connection:
        one = _standing(connection, whose, mode=mode)
        memberships = store.of(connection, whose)
        payments = store.payments_of(connection, whose, mode=mode)
        refunds = store.refunds_to(connection, whose, mode=mode)
        bought = store.gifts_bought_by(connection, whose, mode=mode)
        customer = store.customer_of(connection, whose, mode=mode)
    owed = _owed(one, payments)
    return PlanView(
        state=state_of(one),
        name=name_of(settings, one.tier) if one else "",
        price=price_of(settings, one) if one else "",
        next_at=_next_at(one, owed),
        until=_until(settings, one),
        owed=owed.url if owed else "",
        owed_amount=shown(settings, Amount(owed.due_cents, owed.currency)) if owed else "",
        is_waiting=owed is not None and owed.why == "subscription_update",
        presents=tuple(_present(settings, each) for each in memberships if _is_given(each, now)),
        receipts=tuple(_receipt(settings, each, refunds) for each in payments if each.cents),
        gifts=tuple(_bought(settings, each) for each in bought),
        has_customer=customer is not None,
    )


def stands(request: Request, subscriber: Subscriber) -> State:
    """How somebody's plan stands, for who needs no more of it."""
    site = site_of(request)
    with site.db.read() as connection:
        return state_of(_standing(connection, subscriber.id, mode=site.settings.stripe.mode))


def price_of(settings: Settings, one: Subscription) -> str:
    """What a plan costs, less what is always taken off."""
    return priced(settings, Amount(one.cents - one.off_cents, one.currency), one.every)


def priced(settings: Settings, amount: Amount, every: Every) -> str:
    """“$12 a month”."""
    return f"{shown(settings, amount)} {EVERY[every]}"


def name_of(settings: Settings, tier: str) -> str:
    """What a tier is called; one that is offered no more has its key for a name."""
    try:
        return tiers.find(settings, tier).name
    except NotFound:
        return tier.replace("_", " ").capitalize()


def _standing(connection: Connection, whose: int, *, mode: str) -> Subscription | None:
    """The one that counts; else the last that is neither charged nor over: it rests."""
    if (running := store.current(connection, whose, mode=mode)) is not None:
        return running
    known = store.subscriptions_of(connection, whose, mode=mode)
    resting = [one for one in known if one.status in ("paused", "unpaid") and one.ended_at is None]
    return resting[-1] if resting else None


def state_of(one: Subscription | None) -> State:
    """How a plan stands, in the one word its pages go by."""
    if one is None:
        return "none"
    if one.is_leaving and one.status != "past_due":  # what is owed is still asked for
        return "leaving"
    states: dict[str, State] = {
        "trialing": "trial",
        "past_due": "failing",
        "paused": "paused",
        "unpaid": "unpaid",
    }
    return states.get(one.status, "active")


def _owed(one: Subscription | None, payments: list[Payment]) -> Payment | None:
    """The payment that somebody has to see to."""
    if one is None:
        return None
    return next((each for each in payments if _is_owed(one, each)), None)


def _is_owed(one: Subscription, payment: Payment) -> bool:
    return payment.subscription_id == one.id and payment.status == "open" and bool(payment.url)


def _next_at(one: Subscription | None, owed: Payment | None) -> int | None:
    state = state_of(one)
    if one is None or state not in ("active", "trial", "failing"):
        return None
    if state == "failing":
        return owed.next_attempt_at if owed else None
    return one.trial_end if one.status == "trialing" and one.trial_end else one.period_end


def _until(settings: Settings, one: Subscription | None) -> int | None:
    if one is None:
        return None
    if state_of(one) == "leaving":
        return one.cancel_at
    if one.status == "past_due":
        return billing.member_until(one, grace_days=settings.stripe.grace_days)
    return None


def _is_given(membership: Membership, now: int) -> bool:
    return membership.kind != "paid" and membership.is_live(now)


def _present(settings: Settings, membership: Membership) -> Present:
    return Present(name_of(settings, membership.tier), membership.kind, membership.ends_at)


def _receipt(settings: Settings, payment: Payment, refunds: list[Refund]) -> Receipt:
    back = sum(
        one.cents
        for one in refunds
        if one.intent_id == payment.intent_id and one.status != "failed"
    )
    return Receipt(
        at=payment.paid_at or payment.created_at,
        what=WHAT[payment.kind],
        amount=shown(settings, payment.amount),
        back=shown(settings, Amount(back, payment.currency)) if back else "",
        url=payment.url or (f"/account/receipts/{payment.id}" if payment.intent_id else ""),
    )


def _bought(settings: Settings, gift: Gift) -> Bought:
    return Bought(
        code=gift.code,
        name=name_of(settings, gift.tier),
        months=gift.months,
        at=gift.created_at,
        address=gift.address,
        send_at=gift.send_at,
        taken_at=gift.taken_at,
        is_over=gift.ended_at is not None,
    )


def shown(settings: Settings, amount: Amount | None) -> str:
    """As people write it in the publication’s language; empty where there is none."""
    return money.show(amount, settings.publication.language) if amount else ""
