"""Invoices: made as a draft, made final, and paid, declined or given up.

It knows lines, discounts, the customer's balance and payments; what an unpaid invoice does to
a subscription is decided elsewhere.
"""

from dataclasses import dataclass
from typing import Literal

from connector.till import catalogue, customers, payments, periods
from connector.till.drawer import Drawer, Entry
from connector.till.refusal import Refusal
from connector.till.shapes import Body, make, new_id, page

Result = Literal["paid", "declined", "needs its holder"]
# Stripe, “Subscription invoices”: a renewal’s draft is made final about an hour later.
DRAFT_SECONDS = 3_600


@dataclass(frozen=True)
class Reason:
    """Why an invoice is made, and the time it looks back on."""

    word: str
    start: int
    end: int


def line(
    drawer: Drawer,
    subscription: Body,
    item: Body,
    amount: int,
    *,
    start: int,
    end: int,
    is_proration: bool = False,
) -> Body:
    """One line of an invoice, about one item and one time."""
    price = item["price"]
    name = drawer.body(price["product"])["name"]
    words = {True: "Unused time on", False: "Remaining time on"}[amount < 0]
    return make(
        "line_item",
        created=drawer.now,
        amount=amount,
        currency=price["currency"],
        description=f"{words} {name}" if is_proration else f"{item['quantity']} × {name}",
        discount_amounts=[],
        # A credit is what was paid for the time, discounts included, so none is taken off again.
        discountable=amount >= 0,
        discounts=[],
        metadata=subscription["metadata"],
        parent={
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": new_id("invoiceitem") if is_proration else None,
                "proration": is_proration,
                "proration_details": {"credited_items": None} if is_proration else None,
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
        },
        period={"start": start, "end": end},
        pretax_credit_amounts=[],
        pricing=pricing(price),
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
        subscription=subscription["id"],
        subtotal=amount,
        taxes=[],
    )


def pricing(price: Body) -> Body:
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def draft(
    drawer: Drawer,
    subscription: Entry,
    lines: list[Body],
    reason: Reason,
    *,
    discounts: list[Entry],
    prorated_at: int | None = None,
) -> Entry:
    """A draft with its sums worked out."""
    payer = drawer.body(subscription.owner)
    invoice = drawer.add(
        "invoice",
        owner=subscription.key,
        account_country="US",
        account_name=drawer.settings.publication.title,
        amount_overpaid=0,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        billing_reason=reason.word,
        collection_method="charge_automatically",
        currency=subscription.body["currency"],
        customer=subscription.owner,
        customer_email=payer["email"],
        customer_name=payer["name"],
        customer_tax_exempt="none",
        customer_tax_ids=[],
        default_tax_rates=[],
        discounts=[one.key for one in discounts],
        issuer={"type": "self"},
        metadata={},
        parent=_parent(subscription, prorated_at),
        payment_settings={
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        period_start=reason.start,
        period_end=reason.end,
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=payer["balance"],
        status="draft",
        status_transitions=dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        ),
        total_pretax_credit_amounts=[],
        total_taxes=[],
    )
    for one in lines:
        one["invoice"] = invoice.key
    invoice.body["lines"] = page(lines, f"/v1/invoices/{invoice.key}/lines")
    _sum_up(drawer, invoice, discounts)
    drawer.emit("invoice.created", invoice.body)
    return invoice


def finalize(drawer: Drawer, invoice: Entry) -> None:
    """Fix the sums, use the customer's balance; what leaves nothing to pay is paid at once."""
    body = invoice.body
    if body["status"] != "draft":
        raise Refusal("This invoice is already finalized, you can't re-finalize it.")
    customer = drawer.entry(body["customer"])
    body["starting_balance"] = customer.body["balance"]
    body["amount_due"], body["ending_balance"] = _owed(body)
    body["amount_remaining"] = body["amount_due"]
    body["number"] = (
        f"{customer.body['invoice_prefix']}-{customer.body['next_invoice_sequence']:04}"
    )
    body["status"] = "open"
    body["effective_at"] = body["status_transitions"]["finalized_at"] = drawer.now
    body["hosted_invoice_url"] = drawer.url(f"invoices/{invoice.key}")
    body["invoice_pdf"] = drawer.url(f"invoices/{invoice.key}.pdf")
    with drawer.changing(customer.key, "customer.updated"):
        customer.body["balance"] = body["ending_balance"]
        customer.body["next_invoice_sequence"] += 1
        customer.body["currency"] = customer.body["currency"] or body["currency"]
    invoice.due = None
    if body["amount_due"]:
        _expect_payment(drawer, invoice)
    drawer.emit("invoice.finalized", body)
    if not body["amount_due"]:
        _settle(drawer, invoice)


def collect(
    drawer: Drawer,
    invoice: Entry,
    method: str | None,
    *,
    is_present: bool = False,
    is_authenticated: bool = False,
) -> Result:
    """Try to take what is due from a card; `is_present` when its holder sits before the screen."""
    body = invoice.body
    body["attempted"] = True
    body["attempt_count"] += 1
    payment = payment_of(drawer, invoice.key)
    intent = drawer.entry(payment.body["payment"]["payment_intent"])
    verdict = _verdict(drawer, method, is_present=is_present, is_authenticated=is_authenticated)
    if verdict == "paid" and method:
        payments.charge(drawer, intent, method, works=True, authenticated=is_authenticated)
        payment.body |= {"status": "paid", "amount_paid": body["amount_due"]}
        payment.body["status_transitions"]["paid_at"] = drawer.now
        drawer.emit("invoice_payment.paid", payment.body)
        _settle(drawer, invoice)
        return "paid"
    if verdict == "needs its holder" and method:
        payments.ask_holder(drawer, intent, method)
        drawer.emit("invoice.payment_action_required", body)
    elif method:
        payments.charge(drawer, intent, method, works=False)
    else:
        drawer.emit("payment_intent.payment_failed", intent.body)
    return verdict


def void(drawer: Drawer, invoice: Entry) -> None:
    """Cancel it, and give back what it used of the balance."""
    body = invoice.body
    if body["status"] not in ("open", "uncollectible"):
        raise Refusal("You can only pass in open invoices. This invoice isn't open.")
    _close_payment(drawer, invoice)
    with drawer.changing(body["customer"], "customer.updated") as customer:
        if not customer.body.get("deleted"):
            customer.body["balance"] += body["starting_balance"] - body["ending_balance"]
    body |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    body["amount_remaining"] = 0
    body["status_transitions"]["voided_at"] = drawer.now
    invoice.due = None
    drawer.emit("invoice.voided", body)


def give_up(drawer: Drawer, invoice: Entry) -> None:
    """Mark it as one that will not be paid."""
    body = invoice.body
    if body["status"] != "open":
        raise Refusal("Only open invoices can be marked uncollectible.")
    body |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
    body["status_transitions"]["marked_uncollectible_at"] = drawer.now
    invoice.due = None
    drawer.emit("invoice.marked_uncollectible", body)


def payment_of(drawer: Drawer, key: str) -> Entry:
    """The payment an invoice waits for, or got."""
    found = drawer.all("invoice_payment", key)
    if not found:
        raise Refusal("Invoice is already paid.", code="invoice_already_paid")
    return found[0]


def net(one: Body) -> int:
    """What a line comes to, discounts taken off."""
    return int(one["amount"] - sum(part["amount"] for part in one["discount_amounts"] or []))


def _parent(subscription: Entry, prorated_at: int | None) -> Body:
    details: Body = {
        "metadata": dict(subscription.body["metadata"]),
        "subscription": subscription.key,
    }
    if prorated_at:
        details["subscription_proration_date"] = prorated_at
    return {
        "type": "subscription_details",
        "quote_details": None,
        "subscription_details": details,
    }


def _sum_up(drawer: Drawer, invoice: Entry, discounts: list[Entry]) -> None:
    body = invoice.body
    lines = body["lines"]["data"]
    subtotal = sum(one["amount"] for one in lines)
    body["total_discount_amounts"] = [
        {"amount": amount, "discount": one.key}
        for one in discounts
        if (amount := _take_off(drawer, one, lines, body["currency"]))
    ]
    total = subtotal - sum(part["amount"] for part in body["total_discount_amounts"])
    body |= {"subtotal": subtotal, "subtotal_excluding_tax": subtotal}
    body |= {"total": total, "total_excluding_tax": total, "amount_paid": 0}
    body["amount_due"], _ = _owed(body)
    body["amount_remaining"] = body["amount_due"]


def _take_off(drawer: Drawer, discount: Entry, lines: list[Body], currency: str) -> int:
    """Share a discount out over the lines it applies to; the sum of it."""
    coupon = drawer.entry(discount.body["source"]["coupon"])
    terms, products = catalogue.terms_of(coupon), coupon.own["products"]
    fitting = [
        one
        for one in lines
        if one["discountable"]
        and (not products or one["pricing"]["price_details"]["product"] in products)
    ]
    left = sum(net(one) for one in fitting)
    if terms["percent_off"] is not None:
        whole = periods.percent(left, terms["percent_off"])
    else:
        whole = min(terms["amount_off"], left) if terms["currency"] == currency else 0
    rest = whole
    for number, one in enumerate(fitting):
        is_last = number == len(fitting) - 1
        part = rest if is_last else min(rest, periods.part(whole, net(one), left))
        rest -= part
        if part:
            one["discount_amounts"].append({"amount": part, "discount": discount.key})
    return whole


def _owed(body: Body) -> tuple[int, int]:
    """What is to be paid, and the balance that is left.

    Stripe, “Customer balance”: a negative balance is credit. “Minimum and maximum charge
    amounts”: what is too little to charge goes onto the balance instead.
    """
    owed = body["starting_balance"] + body["total"]
    return (owed, 0) if owed >= catalogue.least(body["currency"]) else (0, owed)


def _expect_payment(drawer: Drawer, invoice: Entry) -> None:
    body = invoice.body
    intent = payments.intend(
        drawer,
        body["amount_due"],
        body["currency"],
        customer=body["customer"],
        method=None,
        description=f"Payment for invoice {body['number']}",
    )
    drawer.add(
        "invoice_payment",
        owner=invoice.key,
        amount_requested=body["amount_due"],
        currency=body["currency"],
        invoice=invoice.key,
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": intent.key},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )


def _close_payment(drawer: Drawer, invoice: Entry) -> None:
    for payment in drawer.all("invoice_payment", invoice.key):
        payments.cancel(drawer, drawer.entry(payment.body["payment"]["payment_intent"]))
        payment.body["status"] = "canceled"
        payment.body["status_transitions"]["canceled_at"] = drawer.now


def _settle(drawer: Drawer, invoice: Entry) -> None:
    body = invoice.body
    body |= {"status": "paid", "attempted": True, "amount_remaining": 0, "auto_advance": False}
    body |= {"amount_paid": body["amount_due"], "next_payment_attempt": None}
    body["status_transitions"]["paid_at"] = drawer.now
    invoice.due = None
    drawer.emit("invoice.paid", body)
    drawer.emit("invoice.payment_succeeded", body)


def _verdict(
    drawer: Drawer, method: str | None, *, is_present: bool, is_authenticated: bool
) -> Result:
    card = customers.behaviour(drawer, method)
    if card in (None, "declined"):
        return "declined"
    if is_present:
        return "needs its holder" if card == "3ds" and not is_authenticated else "paid"
    if card == "later" or drawer.fault("declined renewal"):
        return "declined"
    return "needs its holder" if drawer.fault("3ds renewal") else "paid"
