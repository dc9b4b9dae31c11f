"""Who pays: customers and their cards. A card here is a word for how it behaves; there is no number.

It never charges anybody.
"""

from typing import Literal

from connector.till import form as forms
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import Refusal
from connector.till.shapes import CARD, Body, gone, nulls, page

# ok: always pays. declined: never does. 3ds: asks its holder once, then pays.
# later: pays today and is declined from then on.
Card = Literal["ok", "declined", "3ds", "later"]
LAST4 = {"ok": "4242", "declined": "0002", "3ds": "3155", "later": "0341"}
TEXTS = ("description", "email", "name", "phone", "tax_exempt")


def create(drawer: Drawer, form: Form) -> Body:
    customer = drawer.add(
        "customer",
        balance=forms.whole(form, "balance", 0),
        default_source=None,
        delinquent=False,
        invoice_prefix="",
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata=forms.metadata(form),
        next_invoice_sequence=1,
        tax_exempt="none",
    )
    customer.body["invoice_prefix"] = customer.key[-8:].upper()
    _describe(drawer, customer, form)
    drawer.emit("customer.created", customer.body)
    return customer.body


def update(drawer: Drawer, form: Form, key: str) -> Body:
    alive(drawer, key, param="customer")
    with drawer.changing(key, "customer.updated") as customer:
        customer.body["metadata"] = forms.metadata(form, customer.body["metadata"])
        customer.body["balance"] = forms.whole(form, "balance", customer.body["balance"])
        _describe(drawer, customer, form)
    return customer.body


def delete(drawer: Drawer, key: str) -> Body:
    """The customer only; their subscriptions are ended by who knows how."""
    customer = alive(drawer, key, param="customer")
    drawer.emit("customer.deleted", customer.body)
    customer.body = gone("customer", key)
    return customer.body


def alive(drawer: Drawer, key: str, *, param: str) -> Entry:
    """A customer that was not deleted; raises Refusal."""
    customer = drawer.entry(key, "customer", param=param)
    if customer.body.get("deleted"):
        raise Refusal(f"No such customer: '{key}'", param=param, code="resource_missing")
    return customer


# Cards


def add_card(drawer: Drawer, card: Card, customer: str | None, *, name: str | None = None) -> Entry:
    """A new card; with a customer it is theirs from now on."""
    method = drawer.add(
        "payment_method",
        owner=customer or "",
        type="card",
        customer=customer,
        allow_redisplay="always",
        metadata={},
        billing_details=billing_details(drawer, customer, name=name),
        card=nulls(CARD)
        | {
            "brand": "visa",
            "country": "US",
            "display_brand": "visa",
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "last4": LAST4[card],
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
        },
    )
    method.own["card"] = card
    if customer:
        drawer.emit("payment_method.attached", method.body)
    return method


def billing_details(drawer: Drawer, customer: str | None, *, name: str | None = None) -> Body:
    known = drawer.body(customer) if customer else {}
    return {
        "address": None,
        "email": known.get("email"),
        "name": name or known.get("name"),
        "phone": None,
        "tax_id": None,
    }


def behaviour(drawer: Drawer, method: str | None) -> Card | None:
    """How a card behaves; None when there is no card."""
    entry = drawer.look(method) if method else None
    card: Card | None = entry.own["card"] if entry else None
    return card


def default_card(drawer: Drawer, customer: str) -> str | None:
    settings = drawer.body(customer).get("invoice_settings") or {}
    key: str | None = settings.get("default_payment_method")
    return key


def cards(drawer: Drawer, _: Form, key: str) -> Body:
    """A customer's cards, newest first."""
    alive(drawer, key, param="customer")
    methods = [method.body for method in reversed(drawer.all("payment_method", key))]
    return page(methods, f"/v1/customers/{key}/payment_methods")


def detach(drawer: Drawer, _: Form, key: str) -> Body:
    method = drawer.entry(key, "payment_method")
    owner, method.owner = method.owner, ""
    with drawer.changing(key, "payment_method.detached"):
        method.body["customer"] = None
    if owner and default_card(drawer, owner) == key:
        with drawer.changing(owner, "customer.updated") as customer:
            customer.body["invoice_settings"]["default_payment_method"] = None
    return method.body


def _describe(drawer: Drawer, customer: Entry, form: Form) -> None:
    for name in TEXTS:
        if name in form:
            customer.body[name] = forms.text(form, name)
    for name in ("preferred_locales", "shipping"):
        if name in form:
            customer.body[name] = form[name] or None
    if "address" in form:
        customer.body["address"] = (
            form["address"]
            and {
                part: forms.text(form["address"], part)
                for part in ("city", "country", "line1", "line2", "postal_code", "state")
            }
        ) or None
    chosen = form.get("invoice_settings", {}).get("default_payment_method")
    if chosen is not None:
        if chosen:
            method = drawer.entry(chosen, "payment_method", param="invoice_settings")
            if method.owner != customer.key:
                raise Refusal(
                    f"The customer does not have a payment method with the ID {chosen}.",
                    param="invoice_settings[default_payment_method]",
                )
        customer.body["invoice_settings"]["default_payment_method"] = chosen or None
