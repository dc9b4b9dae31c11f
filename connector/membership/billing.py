"""What Stripe says now, in our words: subscriptions, payments, refunds, disputes, checkouts.

Pure nouns read from Stripe's objects as plain dictionaries; nothing is asked and nothing kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from connector.clock import DAY, SECOND
from connector.membership.money import Amount
from connector.settings import Settings

Raw = Mapping[str, Any]
Every = Literal["month", "year"]
Kind = Literal["membership", "tip", "gift"]

# Stripe goes on charging these, or will.
LIVE = ("active", "trialing", "past_due")
# A dispute that came to nothing for the one who raised it.
WON = ("won", "warning_closed", "prevented")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as Stripe has it; times in ms, `cents` for each `every` before `off_cents`."""

    id: str
    mode: str
    subscriber_id: int | None
    customer_id: str
    tier: str
    status: str
    every: Every
    cents: int
    off_cents: int
    currency: str
    item_id: str
    price_id: str
    created_at: int
    period_start: int
    period_end: int
    trial_end: int | None
    cancel_at: int | None
    cancelled_at: int | None
    ended_at: int | None
    paused_at: int | None
    unpaid_since: int | None
    why: str

    @property
    def amount(self) -> Amount:
        return Amount(self.cents, self.currency)

    @property
    def is_live(self) -> bool:
        """Whether Stripe goes on charging for it."""
        return self.status in LIVE

    @property
    def is_leaving(self) -> bool:
        return self.is_live and self.cancel_at is not None

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Which of several live ones of one person counts: paid before unpaid, older before newer."""
        return (self.status == "past_due", self.created_at, self.id)


@dataclass(frozen=True, slots=True)
class Payment:
    """An invoice of a subscription, or a tip or gift paid once. `cents` is what came in."""

    id: str
    mode: str
    kind: Kind
    subscriber_id: int | None
    customer_id: str
    subscription_id: str
    intent_id: str
    number: str
    status: str
    why: str
    cents: int
    due_cents: int
    tax_cents: int
    currency: str
    created_at: int
    paid_at: int | None
    attempts: int
    next_attempt_at: int | None
    url: str

    @property
    def amount(self) -> Amount:
        return Amount(self.cents, self.currency)

    @property
    def has_failed(self) -> bool:
        return self.status == "open" and self.attempts > 0


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back, or on its way."""

    id: str
    mode: str
    intent_id: str
    cents: int
    currency: str
    status: str
    why: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payment that somebody's bank has been asked to take back."""

    id: str
    mode: str
    intent_id: str
    cents: int
    currency: str
    status: str
    why: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Checkout:
    """A visit to Stripe's checkout; `url` is where the reader goes while it is open.

    `email` is where whoever paid wants the receipt.
    """

    id: str
    url: str
    is_ours: bool
    is_live: bool
    status: str
    is_paid: bool
    kind: Kind
    subscriber_id: int | None
    customer_id: str
    subscription_id: str
    intent_id: str
    amount: Amount
    tax_cents: int
    created_at: int
    tier: str
    months: int
    address: str
    send_at: int | None
    words: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change costs now and from `next_at` on; `at` is to be handed to the change.

    `credit` is what was paid already and is taken off what comes.
    """

    now: Amount
    then: Amount
    at: int
    next_at: int = 0
    credit: Amount | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion code takes off: `percent` as “20”, or an amount; `months` when it ends.

    `tiers` are those it is for; all of them when empty.
    """

    id: str
    code: str
    percent: str
    off: Amount | None
    duration: str
    months: int
    tiers: tuple[str, ...] = ()


def promotion(raw: Raw) -> Promotion | None:
    """A promotion code, as listed with its coupon expanded; None when the coupon is gone."""
    coupon = (raw.get("promotion") or {}).get("coupon")
    if not isinstance(coupon, Mapping):
        return None
    percent, off = coupon.get("percent_off"), coupon.get("amount_off")
    return Promotion(
        id=raw["id"],
        code=raw["code"],
        percent=f"{Decimal(str(percent)).normalize():f}" if percent else "",
        off=Amount(off, coupon["currency"]) if off else None,
        duration=coupon["duration"],
        months=coupon.get("duration_in_months") or 0,
        tiers=tuple(filter(None, (raw.get("metadata") or {}).get("tiers", "").split(","))),
    )


def is_ours(settings: Settings, raw: Raw) -> bool:
    """Whether an object is of this site: it says so, or its product does."""
    said = (raw.get("metadata") or {}).get("site")
    return said == settings.site if said else product_of(raw).startswith(f"{settings.site}-")


def subscription(settings: Settings, raw: Raw, *, unpaid_since: int | None = None) -> Subscription:
    """One of ours, as retrieved with `discounts` expanded; it has one item."""
    item = raw["items"]["data"][0]
    price = item["price"]
    cents = int(price["unit_amount"] or 0) * int(item.get("quantity") or 1)
    status = str(raw["status"])
    return Subscription(
        id=raw["id"],
        mode=settings.stripe.mode,
        subscriber_id=person(raw),
        customer_id=key_of(raw["customer"]),
        tier=tier_of(settings, raw),
        status=status,
        every="year" if (price.get("recurring") or {}).get("interval") == "year" else "month",
        cents=cents,
        off_cents=_lasting_discount(raw, cents),
        currency=price["currency"],
        item_id=item["id"],
        price_id=price["id"],
        created_at=_ms(raw.get("start_date")) or _ms(raw["created"]) or 0,
        period_start=_ms(item["current_period_start"]) or 0,
        period_end=_ms(item["current_period_end"]) or 0,
        trial_end=_ms(raw.get("trial_end")),
        cancel_at=_cancel_at(raw, item),
        cancelled_at=_ms(raw.get("canceled_at")),
        ended_at=_ms(raw.get("ended_at")),
        paused_at=_paused_at(raw) if status == "paused" else None,
        unpaid_since=unpaid_since if status in ("past_due", "unpaid") else None,
        why=_reason(raw),
    )


def payment(
    settings: Settings, raw: Raw, *, subscriber_id: int | None, subscription_id: str
) -> Payment:
    """An invoice of a subscription, as retrieved with `payments` expanded."""
    moments = raw.get("status_transitions") or {}
    return Payment(
        id=raw["id"],
        mode=settings.stripe.mode,
        kind="membership",
        subscriber_id=subscriber_id,
        customer_id=key_of(raw["customer"]),
        subscription_id=subscription_id,
        intent_id=_intent(raw),
        number=raw.get("number") or "",
        status=raw.get("status") or "draft",
        why=raw.get("billing_reason") or "",
        cents=raw["amount_paid"],
        due_cents=raw["amount_due"],
        tax_cents=sum(int(one["amount"]) for one in raw.get("total_taxes") or ()),
        currency=raw["currency"],
        created_at=_ms(raw["created"]) or 0,
        paid_at=_ms(moments.get("paid_at")),
        attempts=raw["attempt_count"],
        next_attempt_at=_ms(raw.get("next_payment_attempt")),
        url=raw.get("hosted_invoice_url") or "",
    )


def paid_once(settings: Settings, checkout: Checkout) -> Payment:
    """The payment of a tip or a gift."""
    return Payment(
        id=checkout.intent_id or checkout.id,
        mode=settings.stripe.mode,
        kind=checkout.kind,
        subscriber_id=checkout.subscriber_id,
        customer_id=checkout.customer_id,
        subscription_id="",
        intent_id=checkout.intent_id,
        number="",
        status="paid",
        why=checkout.kind,
        cents=checkout.amount.cents,
        due_cents=checkout.amount.cents,
        tax_cents=checkout.tax_cents,
        currency=checkout.amount.currency,
        created_at=checkout.created_at,
        paid_at=checkout.created_at,
        attempts=1,
        next_attempt_at=None,
        url="",
    )


def refund(settings: Settings, raw: Raw) -> Refund:
    return Refund(
        id=raw["id"],
        mode=settings.stripe.mode,
        intent_id=key_of(raw.get("payment_intent")),
        cents=raw["amount"],
        currency=raw["currency"],
        status=raw.get("status") or "pending",
        why=raw.get("failure_reason") or raw.get("reason") or "",
        created_at=_ms(raw["created"]) or 0,
    )


def dispute(settings: Settings, raw: Raw) -> Dispute:
    return Dispute(
        id=raw["id"],
        mode=settings.stripe.mode,
        intent_id=key_of(raw.get("payment_intent")),
        cents=raw["amount"],
        currency=raw["currency"],
        status=raw["status"],
        why=raw["reason"],
        created_at=_ms(raw["created"]) or 0,
    )


def checkout(settings: Settings, raw: Raw) -> Checkout:
    said = raw.get("metadata") or {}
    kind: Kind = "membership"
    if raw["mode"] == "payment":
        kind = "gift" if said.get("kind") == "gift" else "tip"
    totals = raw.get("total_details") or {}
    return Checkout(
        id=raw["id"],
        url=raw.get("url") or "",
        is_ours=is_ours(settings, raw),
        is_live=raw["livemode"],
        status=raw.get("status") or "",
        is_paid=raw["payment_status"] in ("paid", "no_payment_required"),
        kind=kind,
        subscriber_id=_whole(raw.get("client_reference_id")) or person(raw),
        customer_id=key_of(raw.get("customer")),
        subscription_id=key_of(raw.get("subscription")),
        intent_id=key_of(raw.get("payment_intent")),
        amount=Amount(raw.get("amount_total") or 0, raw.get("currency") or "usd"),
        tax_cents=totals.get("amount_tax") or 0,
        created_at=_ms(raw["created"]) or 0,
        tier=said.get("tier", ""),
        months=_whole(said.get("months")) or 0,
        address=said.get("address", ""),
        send_at=_whole(said.get("send_at")),
        words=said.get("words", ""),
        email=(raw.get("customer_details") or {}).get("email") or "",
    )


def unpaid_since(invoices: list[Raw]) -> int | None:
    """When the oldest invoice that is still owed was made."""
    return min(
        (_ms(one["created"]) or 0 for one in invoices if one.get("status") == "open"), default=None
    )


def paid_until(raw: Raw) -> int:
    """The end of the last period that an invoice is for; nought for one without lines."""
    lines = (raw.get("lines") or {}).get("data") or []
    return max((_ms(line["period"]["end"]) or 0 for line in lines), default=0)


def member_until(one: Subscription, *, grace_days: int) -> int | None:
    """Until when a subscription makes a member; None is for as long as it is renewed.

    While a failed payment is tried again, and for at most the days of grace, it still does.
    """
    if one.status in ("active", "trialing"):
        return one.cancel_at
    unpaid = one.unpaid_since or one.period_start
    if one.status == "past_due":
        grace = unpaid + grace_days * DAY
        return grace if one.cancel_at is None else min(grace, one.cancel_at)
    if one.status == "paused":
        return one.paused_at or one.period_start
    if one.status == "unpaid":
        return unpaid
    return one.ended_at or one.cancelled_at or one.created_at


def has_begun(one: Subscription) -> bool:
    """Whether it ever made a member: a first payment that never came makes none."""
    return one.status not in ("incomplete", "incomplete_expired")


def key_of(value: Any) -> str:
    """The id of something that may be expanded, or absent."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value["id"])


def person(raw: Raw) -> int | None:
    """The subscriber that an object says it is of."""
    return _whole((raw.get("metadata") or {}).get("person"))


def tier_of(settings: Settings, raw: Raw) -> str:
    """By the product it is charged for, since a plan can be changed; else by what was said first."""
    product, ours = product_of(raw), f"{settings.site}-"
    said = (raw.get("metadata") or {}).get("tier")
    return product.removeprefix(ours) if product.startswith(ours) else said or "member"


def product_of(raw: Raw) -> str:
    items = (raw.get("items") or {}).get("data") or []
    return key_of(items[0]["price"].get("product")) if items else ""


def _intent(raw: Raw) -> str:
    """The intent that paid an invoice, or is to; of several the one that did."""
    paid = (raw.get("payments") or {}).get("data") or []
    ranked = sorted(paid, key=lambda one: one["status"] != "paid")
    return key_of(ranked[0]["payment"].get("payment_intent")) if ranked else ""


def _cancel_at(raw: Raw, item: Raw) -> int | None:
    if raw.get("cancel_at"):
        return _ms(raw["cancel_at"])
    return _ms(item["current_period_end"]) if raw.get("cancel_at_period_end") else None


def _paused_at(raw: Raw) -> int | None:
    details = (raw.get("status_details") or {}).get("paused") or {}
    return _ms(details.get("transitioned_at"))


def _reason(raw: Raw) -> str:
    details = raw.get("cancellation_details") or {}
    said = (details.get("feedback"), details.get("comment"))
    return ": ".join(part for part in said if part)


def _lasting_discount(raw: Raw, cents: int) -> int:
    """What every payment is less by, for good; a discount that ends is not counted."""
    off = 0
    for one in raw.get("discounts") or ():
        source = {} if isinstance(one, str) else one.get("source") or {}
        coupon = source.get("coupon")
        if isinstance(coupon, Mapping) and coupon.get("duration") == "forever":
            # Stripe rounds the discount half up: https://docs.stripe.com/billing/subscriptions/coupons
            percent = coupon.get("percent_off")
            hundredths = int(Decimal(str(percent or 0)) * 100)
            off += int(coupon.get("amount_off") or 0) + (cents * hundredths + 5000) // 10_000
    return min(off, cents)


def _whole(value: Any) -> int | None:
    text = str(value) if value is not None else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None  # noqa: PLR2004


def _ms(seconds: Any) -> int | None:
    return None if seconds is None else int(seconds) * SECOND
