"""Which request of the API is answered by what: the whole of it, in one table.

What is not in it does not exist at the Till, and is answered like a wrong address.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from connector.till import (
    catalogue,
    changes,
    checkout,
    customers,
    events,
    invoices,
    payments,
    portal,
    subscriptions,
)
from connector.till import form as forms
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import Refusal
from connector.till.shapes import Body, gone, page

# A verb gets the drawer, the form, and the ids in the path.
Verb = Callable[..., Body]
MOST = 100
USUAL = 10


@dataclass(frozen=True)
class Route:
    """`parameters` names the class in stripe.params that says what a form may hold."""

    method: str
    path: re.Pattern[str]
    parameters: str
    verb: Verb


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a request, and the ids in its path."""
    for route in ROUTES:
        if route.method == method and (match := route.path.fullmatch(path)):
            return route, match.groups()
    return None


# Reading


def retrieve(kind: str) -> Verb:
    return lambda drawer, _form, key: drawer.entry(key, kind).body


def listing(kind: str, url: str, fits: Callable[[Drawer, Entry, Form], bool]) -> Verb:
    """A page of objects, newest first."""

    def verb(drawer: Drawer, form: Form) -> Body:
        found = [
            entry.body
            for entry in reversed(drawer.all(kind))
            if not entry.body.get("deleted")
            and forms.within(form, "created", entry.body.get("created", 0))
            and fits(drawer, entry, form)
        ]
        return paged(found, form, url)

    return verb


def paged(found: list[Body], form: Form, url: str) -> Body:
    """The part of a list that is asked for; raises Refusal for a cursor that is nowhere."""
    limit = forms.whole(form, "limit", USUAL) or 0
    if not 1 <= limit <= MOST:
        raise Refusal(f"This value must be between 1 and {MOST}.", param="limit")
    forms.apart(form, "starting_after", "ending_before")
    keys = [body["id"] for body in found]
    first, last = 0, len(found)
    for name in ("starting_after", "ending_before"):
        if form.get(name) and form[name] not in keys:
            raise Refusal(f"No such object: '{form[name]}'", param=name, code="resource_missing")
    if form.get("starting_after"):
        first = keys.index(form["starting_after"]) + 1
    if form.get("ending_before"):
        last = keys.index(form["ending_before"])
        first = max(0, last - limit)
        return page(found[first:last], url, has_more=first > 0)
    return page(found[first : first + limit], url, has_more=last > first + limit)


def same(*names: str) -> Callable[[Drawer, Entry, Form], bool]:
    """Keeps what has, in each of these fields, the value that is asked for."""

    def fits(_: Drawer, entry: Entry, form: Form) -> bool:
        return all(
            _as_written(entry.body.get(name)) == form[name] for name in names if name in form
        )

    return fits


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _price(drawer: Drawer, entry: Entry, form: Form) -> bool:
    keys, recurring = form.get("lookup_keys"), form.get("recurring", {})
    return (
        same("active", "currency", "product", "type")(drawer, entry, form)
        and (keys is None or entry.body["lookup_key"] in keys)
        and all((entry.body["recurring"] or {}).get(name) == recurring[name] for name in recurring)
    )


def _product(drawer: Drawer, entry: Entry, form: Form) -> bool:
    return same("active", "url")(drawer, entry, form) and entry.key in form.get("ids", [entry.key])


def _promotion_code(drawer: Drawer, entry: Entry, form: Form) -> bool:
    coupon, code = form.get("coupon"), form.get("code", "")
    return (
        same("active", "customer")(drawer, entry, form)
        # sdk: “promotion codes that have this case-insensitive code”
        and (not code or entry.body["code"].lower() == code.lower())
        and (not coupon or entry.body["promotion"]["coupon"] == coupon)
    )


def _session(drawer: Drawer, entry: Entry, form: Form) -> bool:
    names = ("customer", "payment_intent", "status", "subscription")
    email = form.get("customer_details", {}).get("email")
    shown = (entry.body["customer_details"] or {}).get("email")
    return same(*names)(drawer, entry, form) and (not email or shown == email)


def _subscription(drawer: Drawer, entry: Entry, form: Form) -> bool:
    asked, status = form.get("status"), entry.body["status"]
    if asked is None:  # Stripe, “List subscriptions”: all that have not been canceled
        is_wanted = status != "canceled"
    else:
        is_wanted = asked in ("all", status) or (asked == "ended" and status in subscriptions.OVER)
    prices = [item["price"]["id"] for item in entry.body["items"]["data"]]
    return (
        is_wanted
        and same("customer", "collection_method")(drawer, entry, form)
        and ("price" not in form or form["price"] in prices)
        and forms.within(form, "current_period_end", subscriptions.current_end(entry.body))
    )


def _invoice(drawer: Drawer, entry: Entry, form: Form) -> bool:
    subscription = form.get("subscription")
    return same("customer", "status", "collection_method")(drawer, entry, form) and (
        not subscription or entry.owner == subscription
    )


def _invoice_payment(drawer: Drawer, entry: Entry, form: Form) -> bool:
    asked, payment = form.get("payment", {}), entry.body["payment"]
    return same("invoice", "status")(drawer, entry, form) and all(
        payment.get(name) == asked[name] for name in asked
    )


def list_events(drawer: Drawer, form: Form) -> Body:
    return paged(events.listed(drawer, form), form, "/v1/events")


def retrieve_event(drawer: Drawer, _: Form, key: str) -> Body:
    return events.one(drawer, key)


def to_invoice(verb: Callable[[Drawer, Entry], None]) -> Verb:
    """Does this to an invoice, whatever the form says."""

    def done(drawer: Drawer, _: Form, key: str) -> Body:
        invoice = drawer.entry(key, "invoice")
        verb(drawer, invoice)
        return invoice.body

    return done


def delete_customer(drawer: Drawer, _: Form, key: str) -> Body:
    """Stripe, “Delete a customer”: every subscription of theirs ends at once."""
    for subscription in drawer.all("subscription", key):
        if subscription.body["status"] != "canceled":
            subscriptions.end(drawer, subscription, "cancellation_requested")
    return customers.delete(drawer, key)


def delete_endpoint(drawer: Drawer, _: Form, key: str) -> Body:
    endpoint = drawer.entry(key, "webhook_endpoint")
    endpoint.body = gone("webhook_endpoint", key)
    return endpoint.body


def update_dispute(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "dispute")
    with drawer.changing(key, "charge.dispute.updated") as dispute:
        dispute.body["metadata"] = forms.metadata(form, dispute.body["metadata"])
        for name, value in form.get("evidence", {}).items():
            dispute.body["evidence"][name] = value or None
            dispute.body["evidence_details"]["has_evidence"] = True
        if "evidence" in form and forms.yes(form, "submit", default=True):
            dispute.body["status"] = "under_review"
            dispute.body["evidence_details"]["submission_count"] += 1
            dispute.body["evidence_details"]["submission_method"] = "manual"
    return dispute.body


def _route(line: str, parameters: str, verb: Verb) -> Route:
    method, path = line.split()
    return Route(method, re.compile("/v1" + path.replace("*", "([^/]+)")), parameters, verb)


def _noun(
    path: str, kind: str, params: str, fits: Callable[[Drawer, Entry, Form], bool]
) -> list[Route]:
    """The two routes every noun has."""
    return [
        _route(f"get {path}", f"{params}ListParams", listing(kind, f"/v1{path}", fits)),
        _route(f"get {path}/*", f"{params}RetrieveParams", retrieve(kind)),
    ]


ROUTES = [
    *_noun("/products", "product", "Product", _product),
    _route("post /products", "ProductCreateParams", catalogue.create_product),
    _route("post /products/*", "ProductUpdateParams", catalogue.update_product),
    _route("delete /products/*", "ProductDeleteParams", catalogue.delete_product),
    *_noun("/prices", "price", "Price", _price),
    _route("post /prices", "PriceCreateParams", catalogue.create_price),
    _route("post /prices/*", "PriceUpdateParams", catalogue.update_price),
    *_noun("/coupons", "coupon", "Coupon", same()),
    _route("post /coupons", "CouponCreateParams", catalogue.create_coupon),
    _route("post /coupons/*", "CouponUpdateParams", catalogue.update_coupon),
    _route("delete /coupons/*", "CouponDeleteParams", catalogue.delete_coupon),
    *_noun("/promotion_codes", "promotion_code", "PromotionCode", _promotion_code),
    _route("post /promotion_codes", "PromotionCodeCreateParams", catalogue.create_promotion_code),
    _route("post /promotion_codes/*", "PromotionCodeUpdateParams", catalogue.update_promotion_code),
    *_noun("/customers", "customer", "Customer", same("email")),
    _route("post /customers", "CustomerCreateParams", customers.create),
    _route("post /customers/*", "CustomerUpdateParams", customers.update),
    _route("delete /customers/*", "CustomerDeleteParams", delete_customer),
    _route("get /customers/*/payment_methods", "CustomerPaymentMethodListParams", customers.cards),
    _route("get /payment_methods/*", "PaymentMethodRetrieveParams", retrieve("payment_method")),
    _route("post /payment_methods/*/detach", "PaymentMethodDetachParams", customers.detach),
    *_noun("/checkout/sessions", "checkout.session", "checkout.Session", _session),
    _route("post /checkout/sessions", "checkout.SessionCreateParams", checkout.create),
    _route("post /checkout/sessions/*", "checkout.SessionUpdateParams", checkout.update),
    _route("post /checkout/sessions/*/expire", "checkout.SessionExpireParams", checkout.expire),
    _route(
        "get /checkout/sessions/*/line_items",
        "checkout.SessionListLineItemsParams",
        checkout.line_items,
    ),
    *_noun("/subscriptions", "subscription", "Subscription", _subscription),
    _route("post /subscriptions/*", "SubscriptionUpdateParams", changes.update),
    _route("delete /subscriptions/*", "SubscriptionCancelParams", changes.cancel),
    _route("post /subscriptions/*/pause", "SubscriptionPauseParams", changes.pause),
    _route("post /subscriptions/*/resume", "SubscriptionResumeParams", changes.resume),
    _route("post /invoices/create_preview", "InvoiceCreatePreviewParams", changes.preview),
    *_noun("/invoices", "invoice", "Invoice", _invoice),
    _route("get /invoices/*/lines", "InvoiceLineItemListParams", changes.invoice_lines),
    _route("post /invoices/*/pay", "InvoicePayParams", changes.pay_invoice),
    _route("post /invoices/*/void", "InvoiceVoidInvoiceParams", to_invoice(invoices.void)),
    _route(
        "post /invoices/*/finalize", "InvoiceFinalizeInvoiceParams", to_invoice(invoices.finalize)
    ),
    _route(
        "post /invoices/*/mark_uncollectible",
        "InvoiceMarkUncollectibleParams",
        to_invoice(invoices.give_up),
    ),
    *_noun("/invoice_payments", "invoice_payment", "InvoicePayment", _invoice_payment),
    *_noun("/payment_intents", "payment_intent", "PaymentIntent", same("customer")),
    _route("get /setup_intents/*", "SetupIntentRetrieveParams", retrieve("setup_intent")),
    *_noun("/charges", "charge", "Charge", same("customer", "payment_intent")),
    *_noun("/refunds", "refund", "Refund", same("charge", "payment_intent")),
    _route("post /refunds", "RefundCreateParams", payments.create_refund),
    _route("post /refunds/*", "RefundUpdateParams", payments.update_refund),
    *_noun("/disputes", "dispute", "Dispute", same("charge", "payment_intent")),
    _route("post /disputes/*", "DisputeUpdateParams", update_dispute),
    _route("post /disputes/*/close", "DisputeCloseParams", payments.close_dispute),
    *_noun(
        "/radar/early_fraud_warnings",
        "radar.early_fraud_warning",
        "radar.EarlyFraudWarning",
        same("charge", "payment_intent"),
    ),
    _route(
        "post /billing_portal/sessions", "billing_portal.SessionCreateParams", portal.open_session
    ),
    *_noun(
        "/billing_portal/configurations",
        "billing_portal.configuration",
        "billing_portal.Configuration",
        same("active", "is_default"),
    ),
    _route(
        "post /billing_portal/configurations",
        "billing_portal.ConfigurationCreateParams",
        portal.configure,
    ),
    _route(
        "post /billing_portal/configurations/*",
        "billing_portal.ConfigurationUpdateParams",
        portal.reconfigure,
    ),
    *_noun("/webhook_endpoints", "webhook_endpoint", "WebhookEndpoint", same()),
    _route("post /webhook_endpoints", "WebhookEndpointCreateParams", events.create_endpoint),
    _route("post /webhook_endpoints/*", "WebhookEndpointUpdateParams", events.update_endpoint),
    _route("delete /webhook_endpoints/*", "WebhookEndpointDeleteParams", delete_endpoint),
    _route("get /events", "EventListParams", list_events),
    _route("get /events/*", "EventRetrieveParams", retrieve_event),
]
