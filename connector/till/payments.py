"""Money that moves: payment intents, charges, refunds, disputes.

Every sum is a whole number of the currency's smallest unit. Nothing is taken from anybody.
"""

from connector.till import customers
from connector.till import form as forms
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import DECLINED, Refusal
from connector.till.shapes import CARD_OF_CHARGE, EVIDENCE, Body, nulls

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
# A dispute is answered within this time (Stripe, “Respond to disputes”: 7 to 21 days, by network).
ANSWER_WITHIN = 9 * 86_400


def intend(
    drawer: Drawer,
    amount: int,
    currency: str,
    *,
    customer: str | None,
    method: str | None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Entry:
    """An intent to take money, before it is tried."""
    intent = drawer.add(
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency=currency,
        customer=customer,
        description=description,
        metadata=metadata or {},
        payment_method=method,
        payment_method_types=["card"],
        status="requires_confirmation" if method else "requires_payment_method",
    )
    drawer.emit("payment_intent.created", intent.body)
    return intent


def charge(
    drawer: Drawer, intent: Entry, method: str, *, works: bool, authenticated: bool = False
) -> Entry:
    """Try to take the money of an intent from a card; the charge says how it ended."""
    intent.body["payment_method"] = method
    body = intent.body
    attempt = drawer.add(
        "charge",
        owner=intent.key,
        amount=body["amount"],
        amount_captured=body["amount"] if works else 0,
        amount_refunded=0,
        billing_details=customers.billing_details(drawer, body["customer"]),
        calculated_statement_descriptor="TILL",
        captured=works,
        currency=body["currency"],
        customer=body["customer"],
        description=body["description"],
        disputed=False,
        failure_code=None if works else "card_declined",
        failure_message=None if works else DECLINED,
        fraud_details={},
        metadata=body["metadata"],
        outcome=_outcome(works=works),
        paid=works,
        payment_intent=intent.key,
        payment_method=method,
        payment_method_details=_details(drawer, method, authenticated=authenticated),
        refunded=False,
        status="succeeded" if works else "failed",
    )
    if works:
        attempt.body["receipt_url"] = drawer.url(f"receipts/{attempt.key}")
    body["latest_charge"] = attempt.key
    body["next_action"] = None
    body["status"] = "succeeded" if works else "requires_payment_method"
    body["amount_received"] = body["amount"] if works else 0
    body["last_payment_error"] = None if works else _error(drawer, attempt, method)
    if not works:
        body["payment_method"] = None
    drawer.emit("charge.succeeded" if works else "charge.failed", attempt.body)
    drawer.emit("payment_intent.succeeded" if works else "payment_intent.payment_failed", body)
    return attempt


def ask_holder(drawer: Drawer, intent: Entry, method: str) -> None:
    """3-D Secure: the bank wants to hear from the holder of the card."""
    url = drawer.url(f"3ds/{intent.key}")
    intent.body |= {
        "payment_method": method,
        "status": "requires_action",
        "next_action": {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": None, "url": url},
        },
    }
    drawer.emit("payment_intent.requires_action", intent.body)


def cancel(drawer: Drawer, intent: Entry) -> None:
    if intent.body["status"] not in ("succeeded", "canceled"):
        intent.body |= {
            "status": "canceled",
            "canceled_at": drawer.now,
            "cancellation_reason": "void_invoice",
            "next_action": None,
        }
        drawer.emit("payment_intent.canceled", intent.body)


# Refunds


def create_refund(drawer: Drawer, form: Form) -> Body:
    charged = _charged(drawer, form)
    left = charged.body["amount_captured"] - charged.body["amount_refunded"]
    amount = forms.amount(form, "amount") if "amount" in form else left
    if charged.body["disputed"] and not charged.own.get("won"):
        raise Refusal(f"Charge {charged.key} has been charged back.", code="charge_disputed")
    if left <= 0:
        raise Refusal(
            f"Charge {charged.key} has already been refunded.", code="charge_already_refunded"
        )
    if not amount or amount > left:
        raise Refusal(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
        )
    return give_back(drawer, charged, amount, form)


def give_back(drawer: Drawer, charged: Entry, amount: int, form: Form) -> Body:
    refund = drawer.add(
        "refund",
        owner=charged.key,
        amount=amount,
        charge=charged.key,
        currency=charged.body["currency"],
        customer=charged.body["customer"],
        metadata=forms.metadata(form),
        payment_intent=charged.body["payment_intent"],
        payment_method=charged.body["payment_method"],
        reason=forms.one_of(form, "reason", REASONS) or None,
        status="succeeded",
        destination_details={
            "type": "card",
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
        },
    )
    drawer.emit("refund.created", refund.body)
    with drawer.changing(charged.key, "charge.refunded"):
        charged.body["amount_refunded"] += amount
        charged.body["refunded"] = charged.body["amount_refunded"] == charged.body["amount"]
    drawer.emit("refund.updated", refund.body)
    return refund.body


def update_refund(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "refund")
    with drawer.changing(key, "refund.updated") as refund:
        refund.body["metadata"] = forms.metadata(form, refund.body["metadata"])
    return refund.body


# Disputes


def dispute(drawer: Drawer, charged: Entry, *, reason: str = "fraudulent") -> Body:
    """The holder of the card asks their bank for the money back; it is taken at once."""
    if not charged.body["paid"] or charged.body["disputed"]:
        raise Refusal(f"Charge {charged.key} cannot be disputed.")
    charged.body["disputed"] = True
    amount = charged.body["amount"] - charged.body["amount_refunded"]
    opened = drawer.add(
        "dispute",
        owner=charged.key,
        amount=amount,
        balance_transactions=[],
        charge=charged.key,
        currency=charged.body["currency"],
        enhanced_eligibility_types=[],
        evidence=nulls(EVIDENCE) | {"enhanced_evidence": {}},
        evidence_details={
            "due_by": drawer.now + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        is_charge_refundable=False,
        metadata={},
        network_reason_code="10.4",
        payment_intent=charged.body["payment_intent"],
        payment_method_details={
            "card": {
                "brand": "visa",
                "case_type": "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        reason=reason,
        status="needs_response",
    )
    drawer.emit("charge.dispute.created", opened.body)
    drawer.emit("charge.dispute.funds_withdrawn", opened.body)
    return opened.body


def decide(drawer: Drawer, key: str, *, won: bool) -> Body:
    """The bank has decided; what is won comes back."""
    opened = drawer.entry(key, "dispute")
    if opened.body["status"] in ("won", "lost"):
        raise Refusal(f"Dispute {key} is closed.", code="dispute_closed")
    with drawer.changing(key, "charge.dispute.closed"):
        opened.body["status"] = "won" if won else "lost"
    if won:
        drawer.entry(opened.owner).own["won"] = True
        drawer.emit("charge.dispute.funds_reinstated", opened.body)
    return opened.body


def close_dispute(drawer: Drawer, _: Form, key: str) -> Body:
    """Stripe, “Close a dispute”: not answering it is losing it."""
    return decide(drawer, key, won=False)


def warn(drawer: Drawer, charged: Entry) -> Body:
    """The network believes that a charge was fraud, and has not taken it back yet."""
    warning = drawer.add(
        "radar.early_fraud_warning",
        owner=charged.key,
        actionable=not charged.body["refunded"] and not charged.body["disputed"],
        charge=charged.key,
        fraud_type="made_with_stolen_card",
        payment_intent=charged.body["payment_intent"],
    )
    drawer.emit("radar.early_fraud_warning.created", warning.body)
    return warning.body


def _charged(drawer: Drawer, form: Form) -> Entry:
    forms.apart(form, "charge", "payment_intent")
    if "charge" in form:
        return drawer.entry(form["charge"], "charge", param="charge")
    forms.required(form, "payment_intent")
    intent = drawer.entry(form["payment_intent"], "payment_intent", param="payment_intent")
    if intent.body["status"] != "succeeded":
        raise Refusal(
            f"This PaymentIntent ({intent.key}) does not have a successful charge to refund."
        )
    return drawer.entry(intent.body["latest_charge"])


def _details(drawer: Drawer, method: str, *, authenticated: bool) -> Body:
    shown = drawer.body(method)["card"]
    known = ("brand", "country", "exp_month", "exp_year", "funding", "last4")
    card = nulls(CARD_OF_CHARGE) | {name: shown[name] for name in known} | {"network": "visa"}
    if authenticated:
        card["three_d_secure"] = {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": None,
            "version": "2.2.0",
        }
    return {"type": "card", "card": card}


def _outcome(*, works: bool) -> Body:
    return {
        "advice_code": None if works else "try_again_later",
        "network_advice_code": None,
        "network_decline_code": None if works else "05",
        "network_status": "approved_by_network" if works else "declined_by_network",
        "reason": None if works else "generic_decline",
        "risk_level": "normal",
        "seller_message": "Payment complete."
        if works
        else "The bank did not return any further details with this decline.",
        "type": "authorized" if works else "issuer_declined",
    }


def _error(drawer: Drawer, attempt: Entry, method: str) -> Body:
    return {
        "advice_code": "try_again_later",
        "charge": attempt.key,
        "code": "card_declined",
        "decline_code": "generic_decline",
        "doc_url": "https://docs.stripe.com/error-codes/card-declined",
        "message": DECLINED,
        "payment_method": drawer.body(method),
        "type": "card_error",
    }
