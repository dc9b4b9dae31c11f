"""Checkout: a session from the request that makes it to the payment that completes it.

A declined card leaves the session open, as it does at Stripe; nobody is ever charged.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from connector.till import asking, catalogue, changes, customers, payments, periods, subscriptions
from connector.till import form as forms
from connector.till.customers import Card
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import Refusal, declined, missing
from connector.till.shapes import Body, make, nulls, page
from connector.till.subscriptions import DAY

MODES = ("payment", "setup", "subscription")
SHORTEST, LONGEST = 30 * 60, DAY  # Stripe, “Create a Checkout Session”: expires_at
LONGEST_TRIAL = 730  # days; the same page
BELONGS = {
    "subscription_data": "subscription",
    "payment_method_collection": "subscription",
    "payment_intent_data": "payment",
    "invoice_creation": "payment",
    "customer_creation": "payment",
    "submit_type": "payment",
    "setup_intent_data": "setup",
}
NOT_PLAYED = ("after_expiration", "optional_items", "shipping_options")
NOT_PLAYED_IN_PLANS = ("billing_cycle_anchor", "default_tax_rates", "invoice_settings")
KEPT_AS_SENT = (
    "billing_address_collection",
    "branding_settings",
    "customer_creation",
    "locale",
    "origin_context",
    "submit_type",
)


@dataclass(frozen=True)
class Payer:
    """What somebody fills in on the page of a session."""

    card: Card = "ok"
    is_authenticated: bool = False
    email: str = ""
    name: str = ""
    amount: int | None = None  # where the payer chooses
    promotion_code: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)  # by key
    consents: tuple[str, ...] = ()  # terms_of_service, promotions


# Making one


def create(drawer: Drawer, form: Form) -> Body:
    mode = _check(form)
    items = [
        _line(drawer, one, mode, number) for number, one in enumerate(form.get("line_items", []))
    ]
    currency = _currency(items, form)
    customer = forms.text(form, "customer")
    if customer:
        customers.alive(drawer, customer, param="customer")
        _refuse_mixture(drawer, customer, currency, mode)
    expiry = _expiry(form, drawer.now)
    session = drawer.add(
        "checkout.session",
        owner=customer or "",
        due=expiry,
        adaptive_pricing={"enabled": False} if mode != "setup" else None,
        allow_promotion_codes=forms.yes(form, "allow_promotion_codes") or None,
        automatic_tax=_automatic_tax(form),
        cancel_url=forms.text(form, "cancel_url"),
        client_reference_id=forms.text(form, "client_reference_id"),
        collected_information=nulls("business_name individual_name shipping_details"),
        currency=currency,
        consent_collection=asking.consents(form),
        custom_fields=asking.fields(form),
        custom_text=nulls("after_submit shipping_address submit terms_of_service_acceptance"),
        customer=customer,
        customer_email=forms.text(form, "customer_email"),
        customer_details=_details(drawer, customer, form.get("customer_email")),
        discounts=[],
        expires_at=expiry,
        metadata=forms.metadata(form),
        mode=mode,
        payment_method_collection=_collection(form, mode),
        payment_method_options={},
        payment_method_types=["card"],
        payment_status="no_payment_required" if mode == "setup" else "unpaid",
        shipping_options=[],
        status="open",
        success_url=form["success_url"],
        ui_mode="hosted_page",
        tax_id_collection=_tax_ids(form),
        wallet_options=None,
        **{name: form[name] for name in KEPT_AS_SENT if name in form},
    )
    session.body["url"] = drawer.url(session.key)
    if mode == "payment":
        session.body["customer_creation"] = form.get("customer_creation", "if_required")
        session.body["invoice_creation"] = _invoice_creation(form)
    session.own |= {"items": items, "form": {name: form.get(name, {}) for name in BELONGS}}
    for one in form.get("discounts", []):
        _take_code(drawer, session, one)
    _add_up(drawer, session)
    _refuse_too_little(session)
    return session.body


def update(drawer: Drawer, form: Form, key: str) -> Body:
    session = drawer.entry(key, "checkout.session")
    session.body["metadata"] = forms.metadata(form, session.body["metadata"])
    return session.body


def expire(drawer: Drawer, _: Form, key: str) -> Body:
    session = drawer.entry(key, "checkout.session")
    if session.body["status"] != "open":
        raise Refusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session.body['status']}."
        )
    over(drawer, session)
    return session.body


def over(drawer: Drawer, session: Entry) -> None:
    """Nobody came back in time."""
    session.due = None
    if session.body["status"] == "open":
        session.body |= {"status": "expired", "url": None}
        drawer.emit("checkout.session.expired", session.body)


def line_items(drawer: Drawer, _: Form, key: str) -> Body:
    session = drawer.entry(key, "checkout.session")
    return page(lines_of(session), f"/v1/checkout/sessions/{key}/line_items")


def lines_of(session: Entry) -> list[Body]:
    return [one["line"] for one in session.own["items"]]


# Paying


def pay(drawer: Drawer, key: str, payer: Payer) -> Body:
    """Complete an open session; raises Refusal when the card says no or asks for its holder."""
    session = drawer.entry(key, "checkout.session")
    if session.body["status"] != "open":
        raise Refusal(f"This session is {session.body['status']}.", code="session_not_open")
    asking.answer(session.body, payer.fields, payer.consents)
    if payer.promotion_code:
        _type_code(drawer, session, payer.promotion_code)
    if payer.amount is not None:
        _choose_amount(session, payer.amount)
    _add_up(drawer, session)
    _refuse_too_little(session)
    if payer.card == "declined":
        raise declined()
    if payer.card == "3ds" and not payer.is_authenticated:
        raise declined("The bank wants to hear from you first.", code="authentication_required")
    _complete(drawer, session, payer)
    return session.body


def note(session: Entry, payer: Payer) -> None:
    """Keep what was filled in until it is paid, so that nobody has to fill it in twice."""
    typed = asdict(payer) | {"is_authenticated": False}
    session.own["typed"] = typed


def noted(session: Entry) -> Payer:
    """What was filled in before."""
    typed = session.own.get("typed", {})
    return Payer(**typed | {"consents": tuple(typed.get("consents", ()))})


def _complete(drawer: Drawer, session: Entry, payer: Payer) -> None:
    session.own.pop("typed", None)
    body = session.body
    mode = body["mode"]
    customer = _customer(drawer, session, payer)
    method = None
    if _wants_card(session):
        method = customers.add_card(drawer, payer.card, customer, name=payer.name or None).key
    if mode == "subscription":
        _subscribe(drawer, session, customer or "", method)
    elif mode == "payment":
        _take(drawer, session, customer, method, payer)
    else:
        _set_up(drawer, session, customer, method)
    body |= {"status": "complete", "url": None}
    body["customer_details"] = _details(drawer, customer, payer.email or body["customer_email"])
    if payer.name:
        body["customer_details"]["name"] = payer.name
    session.due = None
    drawer.emit("checkout.session.completed", body)


def _customer(drawer: Drawer, session: Entry, payer: Payer) -> str | None:
    body = session.body
    if body["customer"] or (body["mode"] == "payment" and body["customer_creation"] != "always"):
        key: str | None = body["customer"]
        return key
    email = body["customer_email"] or payer.email or "reader@example.org"
    made = customers.create(drawer, {"email": email} | ({"name": payer.name} if payer.name else {}))
    body["customer"] = session.owner = made["id"]
    return str(made["id"])


def _subscribe(drawer: Drawer, session: Entry, customer: str, method: str | None) -> None:
    asked = session.own["form"]["subscription_data"]
    found = [
        (drawer.entry(one["coupon"]), one["promotion_code"])
        for one in session.own.get("discounts", [])
    ]
    known: dict[str, Any] = {
        "metadata": forms.metadata(asked),
        "description": forms.text(asked, "description"),
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "trial_settings": changes.trial_settings(asked)
        if "trial_settings" in asked
        else {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }
    subscription = subscriptions.start(
        drawer,
        customer,
        [(drawer.body(one["price"]), one["line"]["quantity"]) for one in session.own["items"]],
        method=method,
        discounts=found,
        trial_end=_trial_end(asked, drawer.now),
        **known,
    )
    for key in subscription.body["discounts"]:
        drawer.body(key)["checkout_session"] = session.key
    invoice = drawer.body(subscription.body["latest_invoice"])
    is_free = not invoice["amount_paid"]
    session.body |= {
        "subscription": subscription.key,
        "invoice": invoice["id"],
        "payment_status": "no_payment_required" if is_free else "paid",
    }


def _take(
    drawer: Drawer, session: Entry, customer: str | None, method: str | None, payer: Payer
) -> None:
    body = session.body
    if not body["amount_total"]:
        body["payment_status"] = "no_payment_required"
        return
    asked = session.own["form"]["payment_intent_data"]
    intent = payments.intend(
        drawer,
        body["amount_total"],
        body["currency"],
        customer=customer,
        method=method,
        description=forms.text(asked, "description"),
        metadata=forms.metadata(asked),
    )
    if method:
        payments.charge(drawer, intent, method, works=True, authenticated=payer.is_authenticated)
    for one in session.own.get("discounts", []):
        catalogue.redeem(drawer, drawer.entry(one["coupon"]), one["promotion_code"])
    body |= {"payment_intent": intent.key, "payment_status": "paid"}


def _set_up(drawer: Drawer, session: Entry, customer: str | None, method: str | None) -> None:
    asked = session.own["form"]["setup_intent_data"]
    setup = drawer.add(
        "setup_intent",
        owner=customer or "",
        customer=customer,
        description=forms.text(asked, "description"),
        metadata=forms.metadata(asked),
        payment_method=method,
        payment_method_types=["card"],
        status="succeeded",
        usage="off_session",
    )
    drawer.emit("setup_intent.created", setup.body)
    drawer.emit("setup_intent.succeeded", setup.body)
    session.body["setup_intent"] = setup.key


def _wants_card(session: Entry) -> bool:
    if session.body["mode"] == "setup" or session.body["amount_total"]:
        return True
    return bool(session.body["payment_method_collection"] == "always")


# What may be asked


def _check(form: Form) -> str:
    forms.required(form, "mode")
    mode = forms.one_of(form, "mode", MODES)
    forms.required(form, "success_url")
    forms.not_played(form, *NOT_PLAYED)
    forms.not_played(form.get("subscription_data", {}), *NOT_PLAYED_IN_PLANS)
    if form.get("ui_mode", "hosted_page") != "hosted_page":
        raise Refusal("The Till shows hosted pages only.", param="ui_mode")
    forms.apart(form, "customer", "customer_email")
    if forms.yes(form, "allow_promotion_codes") or "allow_promotion_codes" in form:
        forms.apart(form, "allow_promotion_codes", "discounts")
    if len(form.get("discounts", [])) > 1:
        raise Refusal("You can only specify one discount.", param="discounts")
    for name, owner in BELONGS.items():
        if name in form and owner != mode:
            raise Refusal(f"`{name}` can only be used in `{owner}` mode.", param=name)
    forms.apart(form, "customer", "customer_creation")
    if mode == "setup" and form.get("line_items"):
        raise Refusal("`line_items` cannot be used in `setup` mode.", param="line_items")
    if mode != "setup" and not form.get("line_items"):
        raise Refusal(
            "Missing required param: line_items.", param="line_items", code="parameter_missing"
        )
    if "subscription_data" in form:
        _trial_end(form["subscription_data"], 0)
    return mode


def _line(drawer: Drawer, one: Form, mode: str, number: int) -> dict[str, Any]:
    param = f"line_items[{number}]"
    price = catalogue.price_for(drawer, one, param=param)
    if mode == "payment" and price["recurring"]:
        raise Refusal(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param=f"{param}[price]",
        )
    if mode == "subscription" and not price["recurring"]:
        raise Refusal(
            "The Till takes recurring prices in `subscription` mode.", param=f"{param}[price]"
        )
    quantity = forms.whole(one, "quantity")
    if quantity is None or quantity < 1:
        raise Refusal("Quantity is required and must be at least 1.", param=f"{param}[quantity]")
    chosen = (price["custom_unit_amount"] or {}).get("preset") or 0
    unit = price["unit_amount"] if price["unit_amount"] is not None else chosen
    line = make(
        "item",
        created=drawer.now,
        amount_discount=0,
        amount_subtotal=unit * quantity,
        amount_tax=0,
        amount_total=unit * quantity,
        currency=price["currency"],
        description=drawer.body(price["product"])["name"],
        price=price,
        quantity=quantity,
    )
    return {"price": price["id"], "line": line}


def _currency(items: list[dict[str, Any]], form: Form) -> str | None:
    currencies = {one["line"]["currency"] for one in items}
    if len(currencies) > 1:
        raise Refusal("All prices of a session must have one currency.", param="line_items")
    asked = forms.text(form, "currency")
    return next(iter(currencies), asked and asked.lower())


def _refuse_mixture(drawer: Drawer, customer: str, currency: str | None, mode: str) -> None:
    """Stripe, “Customers”: one currency for all that is running."""
    if mode != "subscription":
        return
    for other in drawer.all("subscription", customer):
        if other.body["status"] != "canceled" and other.body["currency"] != currency:
            raise Refusal(
                "You cannot combine currencies on a single customer. This customer has an active "
                f"subscription with currency {other.body['currency']}.",
                param="customer",
            )


def _expiry(form: Form, now: int) -> int:
    at = forms.whole(form, "expires_at", now + LONGEST) or 0
    if not now + SHORTEST <= at <= now + LONGEST:
        raise Refusal(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from "
            "Checkout Session creation.",
            param="expires_at",
        )
    return at


def _trial_end(asked: Form, now: int) -> int | None:
    forms.apart(asked, "trial_end", "trial_period_days")
    if "trial_end" in asked:
        return forms.whole(asked, "trial_end")
    days = forms.whole(asked, "trial_period_days")
    if days is not None and not 1 <= days <= LONGEST_TRIAL:
        raise Refusal(
            "A trial lasts from 1 to 730 days.", param="subscription_data[trial_period_days]"
        )
    return None if days is None else now + days * DAY


def _collection(form: Form, mode: str) -> str | None:
    if mode != "subscription":
        return None
    return forms.one_of(form, "payment_method_collection", ("always", "if_required"), "always")


def _invoice_creation(form: Form) -> Body:
    asked = form.get("invoice_creation", {})
    if forms.yes(asked, "enabled"):
        raise Refusal("The Till makes no invoices for one-off payments.", param="invoice_creation")
    data = nulls("account_tax_ids custom_fields description footer issuer rendering_options")
    return {"enabled": False, "invoice_data": data | {"metadata": {}}}


def _automatic_tax(form: Form) -> Body:
    enabled = forms.yes(form.get("automatic_tax", {}), "enabled")
    status = "complete" if enabled else None  # the Till finds no tax anywhere
    return {"enabled": enabled, "liability": None, "provider": None, "status": status}


def _tax_ids(form: Form) -> Body | None:
    asked = form.get("tax_id_collection")
    if not asked:
        return None
    required = forms.one_of(asked, "required", ("if_supported", "never"), "never")
    return {"enabled": forms.yes(asked, "enabled"), "required": required}


def _details(drawer: Drawer, customer: str | None, email: str | None) -> Body | None:
    known = drawer.body(customer) if customer else {}
    if not known and not email:
        return None
    return {
        "address": None,
        "business_name": None,
        "email": known.get("email") or email,
        "individual_name": None,
        "name": known.get("name"),
        "phone": known.get("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    }


# Sums


def _take_code(drawer: Drawer, session: Entry, asked: Form) -> None:
    coupon, code = catalogue.coupon_for(drawer, asked, param="discounts[0]")
    if code:
        _check_code(drawer, session, code)
    session.own["discounts"] = [{"coupon": coupon.key, "promotion_code": code}]
    session.body["discounts"] = [{"coupon": None if code else coupon.key, "promotion_code": code}]


def _type_code(drawer: Drawer, session: Entry, word: str) -> None:
    found = catalogue.code_named(drawer, word)
    if not session.body["allow_promotion_codes"] or found is None:
        raise missing("promotion code", word, param="promotion_code")
    _take_code(drawer, session, {"promotion_code": found.key})


def _check_code(drawer: Drawer, session: Entry, key: str) -> None:
    code = drawer.body(key)
    if code["customer"] and code["customer"] != session.body["customer"]:
        raise Refusal("This promotion code belongs to somebody else.", param="discounts[0]")
    limits = code["restrictions"]
    subtotal = sum(one["line"]["amount_subtotal"] for one in session.own["items"])
    if limits["minimum_amount"] and subtotal < limits["minimum_amount"]:
        raise Refusal("This promotion code asks for a larger amount.", param="discounts[0]")
    customer = session.body["customer"]
    has_paid = customer and any(
        charge.body["customer"] == customer and charge.body["paid"]
        for charge in drawer.all("charge")
    )
    if limits["first_time_transaction"] and has_paid:
        raise Refusal("This promotion code is for a first payment.", param="discounts[0]")


def _choose_amount(session: Entry, amount: int) -> None:
    for one in session.own["items"]:
        limits = one["line"]["price"]["custom_unit_amount"]
        if limits is None:
            continue
        if amount < (limits["minimum"] or 0) or amount > (limits["maximum"] or amount):
            raise Refusal("Please choose another amount.", param="amount", code="amount_too_small")
        one["line"]["amount_subtotal"] = amount


def _add_up(drawer: Drawer, session: Entry) -> None:
    body = session.body
    if body["mode"] == "setup":
        return
    lines = lines_of(session)
    is_trial = _trial_end(session.own["form"]["subscription_data"], drawer.now) is not None
    for line in lines:
        line["amount_subtotal"] = 0 if is_trial else line["amount_subtotal"]
        line["amount_discount"] = _discount_on(drawer, session, line)
        line["amount_total"] = line["amount_subtotal"] - line["amount_discount"]
    body["amount_subtotal"] = sum(line["amount_subtotal"] for line in lines)
    body["amount_total"] = sum(line["amount_total"] for line in lines)
    off = body["amount_subtotal"] - body["amount_total"]
    body["total_details"] = {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0}


def _discount_on(drawer: Drawer, session: Entry, line: Body) -> int:
    subtotal = sum(one["amount_subtotal"] for one in lines_of(session))
    for one in session.own.get("discounts", []):
        coupon = drawer.entry(one["coupon"])
        terms, products = catalogue.terms_of(coupon), coupon.own["products"]
        if products and line["price"]["product"] not in products:
            return 0
        if terms["percent_off"] is not None:
            return periods.percent(line["amount_subtotal"], terms["percent_off"])
        if terms["currency"] == session.body["currency"]:
            off = min(terms["amount_off"], subtotal)
            return periods.part(off, line["amount_subtotal"], subtotal)
    return 0


def _refuse_too_little(session: Entry) -> None:
    """Stripe, “Minimum and maximum charge amounts”."""
    body = session.body
    total = body["amount_total"]
    least = catalogue.least(body["currency"] or "usd")
    if total and total < least:
        raise Refusal(
            f"The Checkout Session's total amount due must add up to at least {least} "
            f"{body['currency']} in its smallest unit.",
            param="line_items",
            code="amount_too_small",
        )
