"""The only door to Stripe: what we ask of it, in our own words, and what it answers.

It keeps nothing, and never asks inside a transaction. stripe is imported on first use, since
most commands and every sender do without it.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from connector.clock import SECOND
from connector.errors import (
    Misconfigured,
    NotFound,
    PaymentsRefused,
    PaymentsUnavailable,
    Refused,
)
from connector.membership import billing
from connector.membership.billing import (
    Checkout,
    Dispute,
    Every,
    Preview,
    Promotion,
    Raw,
    Refund,
)
from connector.membership.money import Amount
from connector.readers.subscriber import Subscriber
from connector.settings import Settings

if TYPE_CHECKING:
    import stripe

Client: TypeAlias = "stripe.StripeClient"
Transport: TypeAlias = "stripe.HTTPClient"

log = logging.getLogger(__name__)

SECONDS = 20
# What one value of metadata holds: https://docs.stripe.com/metadata
LONGEST_WORDS = 500
RETRIES = 2
PAGE = 100
AWAY = "Payments cannot be reached at the moment. Nothing was charged; please try again in a few minutes."
# What a checkout can do without, dropped together when Stripe refuses one of them.
OPTIONAL = (
    "automatic_tax",
    "tax_id_collection",
    "customer_update",
    "discounts",
    "allow_promotion_codes",
    "saved_payment_method_options",
)
NOT_TO_BE_REFUNDED = {
    "charge_already_refunded": "This payment was given back already.",
    "charge_disputed": "The bank has taken this payment back; it cannot be given back as well.",
}
# The bank wants to hear from whose card it is: https://docs.stripe.com/error-codes
ASK_THE_HOLDER = (
    "authentication_required",
    "invoice_payment_intent_requires_action",
    "subscription_payment_intent_requires_action",
)
# At most twenty types in one question: https://docs.stripe.com/api/events/list
TYPES = 20
EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.finalization_failed",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice_payment.paid",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "customer.updated",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.updated",
    "customer.discount.deleted",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader chose: a tier, how often, how much; `is_own` when they filled it in."""

    tier: str
    every: Every
    amount: Amount
    is_own: bool
    name: str
    trial_days: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """An event as a list gives it; `body` as the webhook would have."""

    id: str
    type: str
    is_live: bool
    body: bytes


def client(settings: Settings, transport: "Transport | None" = None) -> Client:
    """A client of our account; without a key the caller gives the Till's `transport`.

    Raises Misconfigured when there is neither, or a transport beside a key.
    """
    stripe = _stripe()
    # It would log whole answers, with addresses and the webhook's secret in them.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    stripe.enable_telemetry = (
        False  # it would send how long calls took, and a name for this machine
    )
    if settings.stripe.is_till:
        if transport is None:
            raise Misconfigured("CONNECTOR_STRIPE_KEY: is missing, and the Till was not asked.")
        till: Client = stripe.StripeClient(
            "sk_test_till", http_client=transport, max_network_retries=0
        )
        return till
    if transport is not None:
        raise Misconfigured("The Till stays closed beside a key of Stripe.")
    account: Client = stripe.StripeClient(
        settings.stripe.key,
        http_client=stripe.RequestsClient(timeout=SECONDS),
        max_network_retries=RETRIES,
    )
    return account


def version() -> str:
    """The version of Stripe's API that we speak, and want events to be written in."""
    spoken: str = _stripe().api_version
    return spoken


# Customers


def create_customer(client: Client, settings: Settings, subscriber: Subscriber) -> str:
    """The id of a customer for a subscriber; asked twice at once, Stripe makes one."""
    wanted: Any = {
        "email": subscriber.email,
        "metadata": {"person": str(subscriber.id), "site": settings.site},
    }
    key = f"customer:{settings.site}:{subscriber.id}:{subscriber.email}"
    with asking():
        return client.v1.customers.create(wanted, {"idempotency_key": key}).id


def find_customer(client: Client, settings: Settings, subscriber: Subscriber) -> str | None:
    """A customer of ours who already carries this subscriber's number and address."""
    asked: Any = {"email": subscriber.email, "limit": PAGE}
    with asking():
        for one in client.v1.customers.list(asked).auto_paging_iter():
            said = (plain(one).get("metadata") or {}) if not getattr(one, "deleted", False) else {}
            if said.get("site") == settings.site and said.get("person") == str(subscriber.id):
                return one.id
    return None


def is_customer(client: Client, customer_id: str) -> bool:
    """Whether Stripe still has a customer."""
    with contextlib.suppress(NotFound), asking():
        return not plain(client.v1.customers.retrieve(customer_id)).get("deleted", False)
    return False


def set_customer_address(client: Client, customer_id: str, email: str) -> None:
    """Receipts go there from now on."""
    with asking():
        client.v1.customers.update(customer_id, {"email": email})


# Checkout


def create_checkout(
    client: Client,
    settings: Settings,
    *,
    subscriber: Subscriber,
    customer_id: str,
    choice: Choice,
    success_url: str,
    cancel_url: str,
    promotion: str = "",
) -> Checkout:
    """A page at Stripe where a reader becomes a member. `success_url` gets the session's id.

    What a sale can do without (tax, promotion codes) is left out when Stripe refuses it.
    """
    said = {"person": str(subscriber.id), "site": settings.site, "tier": choice.tier}
    agreed: dict[str, Any] = {"metadata": said}
    if choice.trial_days:
        agreed["trial_period_days"] = choice.trial_days
    wanted: dict[str, Any] = {
        "mode": "subscription",
        "line_items": [{"quantity": 1, **_price(client, settings, choice)}],
        "client_reference_id": str(subscriber.id),
        "customer": customer_id,
        "success_url": _with_session(success_url),
        "cancel_url": cancel_url,
        "metadata": said,
        "subscription_data": agreed,
    }
    return _open(client, settings, wanted | _optional(client, settings, promotion))


def create_gift(
    client: Client,
    settings: Settings,
    *,
    choice: Choice,
    months: int,
    buyer: Subscriber | None,
    email: str,
    address: str,
    send_at: int | None,
    success_url: str,
    cancel_url: str,
    words: str = "",
) -> Checkout:
    """A page at Stripe where somebody buys a membership of `months` for somebody else.

    `words` go with it, as far as Stripe keeps them: 500 characters.
    """
    said = {"kind": "gift", "tier": choice.tier, "months": str(months)}
    said |= {"address": address} if address else {}
    said |= {"send_at": str(send_at)} if send_at is not None else {}
    said |= {"words": words[:LONGEST_WORDS]} if words else {}
    name = f"{choice.name}: a gift of {months} months" if months > 1 else f"{choice.name}: a gift"
    return _once(
        client,
        settings,
        said,
        amount=choice.amount,
        name=name,
        who=buyer,
        email=email,
        urls=(success_url, cancel_url),
    )


def create_tip(
    client: Client,
    settings: Settings,
    *,
    choice: Choice,
    giver: Subscriber | None,
    email: str,
    success_url: str,
    cancel_url: str,
) -> Checkout:
    """A page at Stripe where somebody gives once."""
    said = {"kind": "tip", "tier": choice.tier}
    return _once(
        client,
        settings,
        said,
        amount=choice.amount,
        name=choice.name,
        who=giver,
        email=email,
        urls=(success_url, cancel_url),
    )


def promotion(client: Client, code: str) -> Promotion | None:
    """What a promotion code is worth; None for one that is no longer good, or never was."""
    asked: Any = {
        "code": code,
        "active": True,
        "limit": 1,
        "expand": ["data.promotion.coupon"],
    }
    with asking():
        found = client.v1.promotion_codes.list(asked).data
    return billing.promotion(plain(found[0])) if found else None


def checkout(client: Client, settings: Settings, session_id: str) -> Checkout:
    """What became of a visit to the checkout. Raises NotFound."""
    with asking():
        raw = plain(client.v1.checkout.sessions.retrieve(session_id))
    return billing.checkout(settings, raw)


def checkouts(client: Client, settings: Settings, *, since: int) -> Iterator[Checkout]:
    """Every completed checkout of ours since a moment, newest first."""
    asked: Any = {"status": "complete", "created": {"gte": since // SECOND}, "limit": PAGE}
    with asking():
        for one in client.v1.checkout.sessions.list(asked).auto_paging_iter():
            found = billing.checkout(settings, plain(one))
            if found.is_ours:
                yield found


# Subscriptions


def subscription(client: Client, subscription_id: str) -> Raw:
    """A subscription as it stands now, its discounts with it. Raises NotFound."""
    with asking():
        asked: Any = {"expand": ["discounts.source.coupon"]}
        return plain(client.v1.subscriptions.retrieve(subscription_id, asked))


def subscriptions(client: Client, *, customer_id: str = "") -> Iterator[Raw]:
    """Every subscription of the account, or of one customer, whatever its state; with who pays."""
    asked: Any = {"status": "all", "limit": PAGE, "expand": ["data.customer"]}
    if customer_id:
        asked["customer"] = customer_id
    with asking():
        for one in client.v1.subscriptions.list(asked).auto_paging_iter():
            yield plain(one)


def invoices(client: Client, subscription_id: str) -> list[Raw]:
    """Every invoice of a subscription, newest first, with how it was paid."""
    asked: Any = {"subscription": subscription_id, "limit": PAGE, "expand": ["data.payments"]}
    with asking():
        return [plain(one) for one in client.v1.invoices.list(asked).auto_paging_iter()]


def preview(
    client: Client, settings: Settings, one: billing.Subscription, choice: Choice, *, now: int
) -> Preview:
    """What a change of plan or amount would cost now; raises Refused between two currencies."""
    _refuse_currency(one, choice)
    if one.status == "trialing" and one.every == choice.every:
        # Nothing is charged within a trial, and the next invoice is of all that comes after it.
        begins = one.trial_end or one.period_end
        return Preview(Amount(0, one.currency), choice.amount, at=0, next_at=begins)
    at = max(now, one.period_start) // SECOND  # two clocks are never quite the same
    asked: Any = {
        "subscription": one.id,
        "subscription_details": {
            "items": [{"id": one.item_id, **_price(client, settings, choice)}],
            "proration_behavior": "always_invoice",
            "proration_date": at,
        },
    }
    with asking():
        found = plain(client.v1.invoices.create_preview(asked))
    return Preview(
        now=Amount(found["amount_due"], found["currency"]),
        then=choice.amount,
        at=at * SECOND,
        next_at=billing.paid_until(found) or one.period_end,
        credit=Amount(max(0, -found["total"]), found["currency"]),
    )


def change(
    client: Client,
    settings: Settings,
    one: billing.Subscription,
    choice: Choice,
    *,
    previewed_at: int,
    key: str = "",
) -> str:
    """Another plan or amount from now on, at the price that `preview` showed.

    Answers the page where the holder of the card has to agree before anything changes; empty
    when it is done. The same `key` never changes twice. Raises Refused, and changes nothing,
    when the card says no.
    """
    _refuse_currency(one, choice)
    wanted: Any = {
        "items": [{"id": one.item_id, **_price(client, settings, choice)}],
        "proration_behavior": "always_invoice",
    }
    if previewed_at:
        wanted["proration_date"] = previewed_at // SECOND
    stripe = _stripe()
    with asking():
        try:
            client.v1.subscriptions.update(
                one.id, wanted | {"payment_behavior": "error_if_incomplete"}, _once_by(key)
            )
        except stripe.StripeError as error:
            if error.code not in ASK_THE_HOLDER:
                raise
        else:
            return ""
        # What waits for its holder happens when the invoice is paid, within 23 hours:
        # https://docs.stripe.com/billing/subscriptions/pending-updates
        waiting = client.v1.subscriptions.update(
            one.id,
            wanted
            | {"payment_behavior": "pending_if_incomplete", "expand": ["latest_invoice.payments"]},
            _once_by(f"{key}:waits" if key else ""),
        )
    latest = plain(waiting).get("latest_invoice") or {}
    return str(latest.get("hosted_invoice_url") or "") if latest.get("status") == "open" else ""


def _once_by(key: str) -> Any:
    return {"idempotency_key": f"change:{key}"} if key else None


def cancel_at_period_end(client: Client, subscription_id: str, *, comment: str = "") -> None:
    """Let it run out: it stays until what was paid for is over."""
    wanted: Any = {"cancel_at_period_end": True}
    if comment:
        wanted["cancellation_details"] = {"comment": comment[:500]}
    with asking():
        client.v1.subscriptions.update(subscription_id, wanted)


def keep_on(client: Client, subscription_id: str) -> None:
    """Take a cancelling back that has not come about yet."""
    with asking():
        client.v1.subscriptions.update(subscription_id, {"cancel_at_period_end": False})


def pause(client: Client, subscription_id: str) -> None:
    """Charge nothing until `resume`; what was paid for and not used is credited."""
    with asking():
        client.v1.subscriptions.pause(
            subscription_id,
            {"type": "subscription", "bill_for": {"unused_time_from": {"type": "now"}}},
        )


def resume(client: Client, subscription_id: str) -> None:
    """Go on after a pause, with a new period from now."""
    with asking():
        client.v1.subscriptions.resume(subscription_id, {"billing_cycle_anchor": {"type": "now"}})


def cancel_now(client: Client, subscription_id: str) -> None:
    """End it at once; one that has ended stays as it is. Nothing is paid back by this."""
    with contextlib.suppress(NotFound), asking():
        client.v1.subscriptions.cancel(subscription_id)


# Money back


def refund(
    client: Client, settings: Settings, intent_id: str, *, key: str, cents: int | None = None
) -> Refund:
    """Give a payment back, or `cents` of it. The same `key` never gives back twice.

    Raises Refused for one that was given back before, or that a bank has taken back.
    """
    wanted: Any = {"payment_intent": intent_id}
    if cents is not None:
        wanted["amount"] = cents
    stripe = _stripe()
    with asking():
        try:
            found = client.v1.refunds.create(wanted, {"idempotency_key": f"refund:{key}"})
        except stripe.InvalidRequestError as error:
            if error.code in NOT_TO_BE_REFUNDED:
                raise Refused(NOT_TO_BE_REFUNDED[error.code]) from None
            raise
    return billing.refund(settings, plain(found))


def find_refund(client: Client, settings: Settings, refund_id: str) -> Refund:
    with asking():
        return billing.refund(settings, plain(client.v1.refunds.retrieve(refund_id)))


def refunds(
    client: Client, settings: Settings, *, since: int = 0, charge_id: str = ""
) -> list[Refund]:
    """Refunds since a moment, or of one charge."""
    asked: Any = {"limit": PAGE}
    asked |= {"charge": charge_id} if charge_id else {"created": {"gte": since // SECOND}}
    with asking():
        found = client.v1.refunds.list(asked).auto_paging_iter()
        return [billing.refund(settings, plain(one)) for one in found]


def find_dispute(client: Client, settings: Settings, dispute_id: str) -> Dispute:
    with asking():
        return billing.dispute(settings, plain(client.v1.disputes.retrieve(dispute_id)))


def disputes(client: Client, settings: Settings, *, since: int) -> list[Dispute]:
    asked: Any = {"limit": PAGE, "created": {"gte": since // SECOND}}
    with asking():
        found = client.v1.disputes.list(asked).auto_paging_iter()
        return [billing.dispute(settings, plain(one)) for one in found]


# Invoices, portal, events


def invoice(client: Client, invoice_id: str) -> Raw:
    """An invoice as it stands now. Raises NotFound."""
    with asking():
        return plain(client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}))


def subscription_of(raw: Raw) -> str:
    """The subscription that an invoice is of; empty for one that is of none."""
    parent = raw.get("parent") or {}
    return billing.key_of((parent.get("subscription_details") or {}).get("subscription"))


def receipt(client: Client, intent_id: str) -> str:
    """The page with the receipt of what was paid once. Raises NotFound."""
    with asking():
        found = plain(client.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]}))
    url = (found.get("latest_charge") or {}).get("receipt_url")
    if not url:
        raise NotFound("There is no receipt for this payment.")
    return str(url)


def paid_for(client: Client, intent_id: str) -> tuple[str, str]:
    """What an intent paid: (`subscription`, id), (`session`, id), or two empty words."""
    asked: Any = {
        "payment": {"type": "payment_intent", "payment_intent": intent_id},
        "limit": 1,
    }
    with asking():
        for one in client.v1.invoice_payments.list(asked).data:
            found = subscription_of(invoice(client, billing.key_of(plain(one)["invoice"])))
            if found:
                return "subscription", found
        for visit in client.v1.checkout.sessions.list({"payment_intent": intent_id}).data:
            return "session", visit.id
    return "", ""


def portal(
    client: Client,
    settings: Settings,
    customer_id: str,
    *,
    return_url: str,
    flow: Literal["", "payment_method_update"] = "",
) -> str:
    """Where a member sees invoices and changes the card: as `connector stripe setup` furnished it.

    Before that, as the account's own portal is.
    """
    wanted: Any = {"customer": customer_id, "return_url": return_url}
    if flow:
        wanted["flow_data"] = {"type": flow}
    if configuration := own_portal(client, settings):
        wanted["configuration"] = configuration["id"]
    with asking():
        return client.v1.billing_portal.sessions.create(wanted).url


def own_portal(client: Client, settings: Settings) -> Raw | None:
    """How our portal is furnished; None before it was."""
    asked: Any = {"active": True, "limit": PAGE}
    with asking():
        for one in client.v1.billing_portal.configurations.list(asked).auto_paging_iter():
            found = plain(one)
            if billing.is_ours(settings, found):
                return found
    return None


def undelivered(client: Client, *, since: int) -> Iterator[Changed]:
    """Events that Stripe could not hand to us; it keeps them for thirty days."""
    for start in range(0, len(EVENTS), TYPES):
        asked: Any = {
            "delivery_success": False,
            "types": list(EVENTS[start : start + TYPES]),
            "created": {"gte": since // SECOND},
            "limit": PAGE,
        }
        with asking():
            for one in client.v1.events.list(asked).auto_paging_iter():
                yield _changed(one)


def _changed(one: Any) -> Changed:
    import json

    raw = one.to_dict(for_json=True)
    return Changed(raw["id"], raw["type"], raw["livemode"], json.dumps(raw).encode())


# How a checkout is made


def _once(
    client: Client,
    settings: Settings,
    said: Mapping[str, str],
    *,
    amount: Amount,
    name: str,
    who: Subscriber | None,
    email: str,
    urls: tuple[str, str],
) -> Checkout:
    success_url, cancel_url = urls
    metadata = {"site": settings.site, **said}
    wanted: dict[str, Any] = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": amount.currency,
                    "unit_amount": amount.cents,
                    "product_data": {"name": name},
                },
            }
        ],
        "customer_creation": "always",
        "success_url": _with_session(success_url),
        "cancel_url": cancel_url,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
    }
    if email:
        wanted["customer_email"] = email
    if who is not None:
        wanted["client_reference_id"] = str(who.id)
    return _open(client, settings, wanted)


def _open(client: Client, settings: Settings, wanted: Mapping[str, Any]) -> Checkout:
    stripe = _stripe()
    create: Any = client.v1.checkout.sessions.create
    with asking():
        try:
            found = create(dict(wanted))
        except stripe.InvalidRequestError as error:
            needed = {name: value for name, value in wanted.items() if name not in OPTIONAL}
            if len(needed) == len(wanted):
                raise
            log.warning(
                "Stripe refused a checkout with extras; it goes on without: %s.", error.param
            )
            found = create(needed)
    return billing.checkout(settings, plain(found))


def _optional(client: Client, settings: Settings, promotion: str) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    code = _promotion(client, promotion) if promotion else ""
    if code:
        extras["discounts"] = [{"promotion_code": code}]
    elif settings.stripe.promotion_codes:
        extras["allow_promotion_codes"] = True
    if settings.stripe.tax:
        extras["automatic_tax"] = {"enabled": True}
        extras["tax_id_collection"] = {"enabled": True}
        extras["customer_update"] = {"address": "auto", "name": "auto"}
    return extras


def _promotion(client: Client, code: str) -> str:
    """The id of a promotion code that is still good; empty for any other."""
    found = promotion(client, code)
    return found.id if found else ""


def _price(client: Client, settings: Settings, choice: Choice) -> dict[str, Any]:
    """What a line is charged by: our own price, or one made for an amount that was filled in."""
    product = ensure_product(client, settings, tier=choice.tier, name=choice.name)
    if choice.is_own:
        return {
            "price_data": {
                "currency": choice.amount.currency,
                "product": product,
                "unit_amount": choice.amount.cents,
                "recurring": {"interval": choice.every},
            }
        }
    return {"price": ensure_price(client, settings, choice, product=product)}


def ensure_product(client: Client, settings: Settings, *, tier: str, name: str) -> str:
    """The product of a tier, made when it is missing; its id is ours to choose."""
    stripe = _stripe()
    wanted: Any = product_of(settings, tier=tier, name=name)
    product: str = wanted["id"]
    with asking():
        try:
            client.v1.products.retrieve(product)
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            with contextlib.suppress(NotFound, stripe.InvalidRequestError):  # made beside us
                client.v1.products.create(wanted)
    return product


def product_of(settings: Settings, *, tier: str, name: str) -> dict[str, Any]:
    """What the product of a tier is at Stripe."""
    return {
        "id": f"{settings.site}-{tier}",
        "name": f"{settings.publication.title}: {name}",
        "metadata": {"site": settings.site, "tier": tier},
    }


def ensure_price(client: Client, settings: Settings, choice: Choice, *, product: str) -> str:
    """The price of a fixed tier, found by its lookup key; a changed amount makes a new one.

    Those who pay the old price keep it.
    """
    key = price_key(settings, choice.tier, choice.every, choice.amount.currency)
    with asking():
        found = client.v1.prices.list({"lookup_keys": [key], "active": True, "limit": 1}).data
        if found and found[0].unit_amount == choice.amount.cents:
            return found[0].id
        wanted: Any = {
            "product": product,
            "currency": choice.amount.currency,
            "unit_amount": choice.amount.cents,
            "recurring": {"interval": choice.every},
            "lookup_key": key,
            "transfer_lookup_key": True,
            "metadata": {"site": settings.site, "tier": choice.tier},
        }
        return client.v1.prices.create(wanted).id


def price_key(settings: Settings, tier: str, every: str, currency: str) -> str:
    """What the price that new members pay is found by."""
    return f"{settings.site}-{tier}-{every}-{currency}"


def _refuse_currency(one: billing.Subscription, choice: Choice) -> None:
    # A customer has one currency for as long as they have a subscription:
    # https://docs.stripe.com/billing/customer#currency
    if one.currency != choice.amount.currency:
        raise Refused(
            "A membership stays in the currency it began in. To change that, let it run out and "
            "begin again."
        )


def _with_session(url: str) -> str:
    # Stripe puts the id in this place, which must not be encoded.
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}checkout={{CHECKOUT_SESSION_ID}}"


# What can go wrong


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Stripe's errors in our words, without its keys.

    A card that says no is Refused, what is not there NotFound; all else is PaymentsUnavailable,
    whose `why` is for the operator.
    """
    stripe = _stripe()
    try:
        yield
    except stripe.CardError as error:
        raise Refused(error.user_message or "The card was declined.") from None
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("Stripe knows of no such thing.") from None
        told = (error.code, error.param, error.user_message)
        log.error("Stripe refused what we asked (%s, %s): %s", *told)  # noqa: TRY400 - our own words
        why = f"Stripe refused it: {error.user_message or error.code}"
        raise PaymentsRefused(AWAY, why=why) from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        why = f"Stripe does not accept our key ({error.http_status}). Check CONNECTOR_STRIPE_KEY."
        log.error(why)  # noqa: TRY400 - its own words hold a part of the key
        raise PaymentsUnavailable(AWAY, why=why) from None
    except stripe.StripeError as error:
        log.warning("Stripe cannot be reached: %s, %s.", type(error).__name__, error.http_status)
        why = "Stripe cannot be reached at the moment. Please try again in a few minutes."
        raise PaymentsUnavailable(AWAY, why=why) from None


def plain(found: Any) -> dict[str, Any]:
    plain: dict[str, Any] = found.to_dict()
    return plain


def _stripe() -> Any:
    import stripe

    return stripe
