"""What a request may change in a subscription: price, quantity, trial, end, pause; and its preview.

A change that would not be paid can be refused or wait, as asked; nothing is half done.
"""

from connector.till import catalogue, invoices, subscriptions
from connector.till import form as forms
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.invoices import Reason
from connector.till.refusal import Refusal, declined, missing
from connector.till.shapes import Body, page
from connector.till.subscriptions import UPDATE_EXPIRES, UPDATED

PRORATIONS = ("always_invoice", "create_prorations", "none")
PAYMENTS = (
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)
FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
# Stripe, “Pending updates”: only these go together with pending_if_incomplete.
MAY_WAIT = frozenset(
    [
        "add_invoice_items",
        "billing_cycle_anchor",
        "expand",
        "items",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "trial_end",
        "trial_from_plan",
    ]
)
NOT_PLAYED = (
    "add_invoice_items",
    "billing_schedules",
    "billing_thresholds",
    "default_tax_rates",
    "transfer_data",
)
AFTER_THE_END = frozenset({"cancellation_details", "metadata", "expand"})


def update(drawer: Drawer, form: Form, key: str) -> Body:
    subscription = drawer.entry(key, "subscription")
    _check(subscription, form)
    behavior = forms.one_of(form, "payment_behavior", PAYMENTS, "allow_incomplete")
    if behavior in ("error_if_incomplete", "pending_if_incomplete"):
        attempt = drawer.preview()
        copy = attempt.entry(key)
        invoice = change(attempt, copy, form)
        if invoice and not _is_paid(attempt, invoice):
            if behavior == "error_if_incomplete":
                if _asks_its_holder(attempt, invoice):
                    raise declined(
                        "Payment for this subscription requires additional user action.",
                        code="subscription_payment_intent_requires_action",
                    )
                drawer.use_up(attempt)
                raise declined()
            _let_wait(drawer, subscription, form, copy, invoice)
            return subscription.body
    with drawer.changing(key, UPDATED):
        invoice = change(drawer, subscription, form)
        if invoice:
            subscriptions.finish(drawer, invoice)
    subscriptions.plan(subscription)
    return subscription.body


def change(drawer: Drawer, subscription: Entry, form: Form) -> Entry | None:
    """Do all a form asks for; the invoice that has to be paid now, as a draft, if there is one."""
    body = subscription.body
    _describe(drawer, subscription, form)
    _leave(subscription, form, drawer.now)
    before = subscriptions.current_end(body)
    at = forms.whole(form, "proration_date", drawer.now) or drawer.now
    start = subscriptions.current_start(body)
    if not start <= at <= before:
        raise Refusal(
            "Invalid proration_date: it must be within the current period.", param="proration_date"
        )
    behavior = forms.one_of(form, "proration_behavior", PRORATIONS, "create_prorations")
    was_trialing = body["status"] == "trialing"
    old = [dict(item) for item in body["items"]["data"]]
    changed = _exchange(drawer, subscription, form.get("items", []))
    ends_trial = _end_trial(subscription, form, drawer.now)
    if _begins_anew(old, body["items"]["data"], form) or ends_trial:
        given_back = [] if behavior == "none" else _credits(drawer, subscription, old, at)
        return _begin_anew(drawer, subscription, given_back, at)
    if not changed or behavior == "none" or was_trialing:
        return None
    lines = _prorate(drawer, subscription, old, changed, at)
    if behavior == "create_prorations":
        subscriptions.put_off(subscription, lines)
        return None
    reason = Reason("subscription_update", start, drawer.now)
    return subscriptions.bill(drawer, subscription, lines, reason, prorated_at=at)


def cancel(drawer: Drawer, form: Form, key: str) -> Body:
    """At once; with `prorate` and `invoice_now` what was paid ahead becomes credit."""
    subscription = drawer.entry(key, "subscription")
    if subscription.body["status"] == "canceled":
        raise missing("subscription", key)
    _say_why(subscription, form)
    if forms.yes(form, "prorate"):
        lines = _credits(drawer, subscription, subscription.body["items"]["data"], drawer.now)
        subscriptions.put_off(subscription, lines)
    if subscription.own.get("pending") and forms.yes(form, "invoice_now"):
        start = subscriptions.current_start(subscription.body)
        reason = Reason("subscription_update", start, drawer.now)
        invoice = subscriptions.bill(drawer, subscription, [], reason)
        subscriptions.finish(drawer, invoice)
    subscriptions.end(drawer, subscription, "cancellation_requested")
    return subscription.body


def pause(drawer: Drawer, form: Form, key: str) -> Body:
    """No periods and no invoices until it is resumed; unused time is credited unless told not to."""
    subscription = drawer.entry(key, "subscription")
    if subscription.body["status"] not in ("active", "trialing", "past_due"):
        raise Refusal(f"You cannot pause a subscription that is {subscription.body['status']}.")
    since = form.get("bill_for", {}).get("unused_time_from", {}).get("type", "now")
    if since != "none":
        start = subscriptions.current_start(subscription.body)
        at = start if since == "item_current_period_start" else drawer.now
        lines = _credits(drawer, subscription, subscription.body["items"]["data"], at)
        subscriptions.put_off(subscription, lines)
        subscription.own["billed"] = {}
    if form.get("invoicing_behavior") == "invoice" and subscription.own.get("pending"):
        reason = Reason("subscription_update", drawer.now, drawer.now)
        subscriptions.finish(drawer, subscriptions.bill(drawer, subscription, [], reason))
    subscriptions.pause(drawer, subscription, "pause_requested")
    return subscription.body


def resume(drawer: Drawer, form: Form, key: str) -> Body:
    subscription = drawer.entry(key, "subscription")
    if subscription.body["status"] != "paused":
        raise Refusal("You can only resume a subscription that is paused.")
    invoice = _resumption(drawer, subscription, form)
    if invoice is None:
        subscriptions.resumed(drawer, subscription)
        return subscription.body
    waits = form.get("payment_behavior") == "resume_on_payment_success"
    subscription.own["resumes_on"] = invoice.key
    subscriptions.finish(drawer, invoice)
    if subscription.body["status"] == "paused" and not waits:
        subscriptions.resumed(drawer, subscription)
        with drawer.changing(key, UPDATED):
            subscription.body["status"] = "past_due"
    return subscription.body


def preview(drawer: Drawer, form: Form) -> Body:
    """What would be billed: at once if the change asks for it, else at the next renewal."""
    if "subscription" not in form:
        raise Refusal("The Till previews the invoices of a subscription.", param="subscription")
    attempt = drawer.preview()
    subscription = attempt.entry(form["subscription"], "subscription", param="subscription")
    asked = form.get("subscription_details", {})
    nothing = Refusal("No upcoming invoices for customer", code="invoice_upcoming_none", status=404)
    if subscription.body["status"] == "canceled":
        raise nothing
    if forms.yes(asked, "cancel_now"):
        return _preview_of_end(attempt, subscription, asked)
    if asked.get("resume_at") == "now":
        invoice = _resumption(attempt, subscription, {})
    else:
        _check(subscription, asked)
        invoice = change(attempt, subscription, asked)
    if invoice:
        return subscriptions.as_preview(invoice.body)
    if _will_end(subscription.body) or subscription.body["status"] == "paused":
        raise nothing
    return subscriptions.upcoming(attempt, subscription)


# The parts of a change


def _check(subscription: Entry, form: Form) -> None:
    if subscription.body["status"] == "canceled" and set(form) - AFTER_THE_END:
        raise Refusal(
            "A canceled subscription can only update its cancellation_details and metadata.",
            param="subscription",
        )
    if form.get("payment_behavior") == "pending_if_incomplete" and set(form) - MAY_WAIT:
        name = min(set(form) - MAY_WAIT)
        raise Refusal(
            f"When `payment_behavior` is set to `pending_if_incomplete`, `{name}` cannot be changed.",
            param=name,
        )
    forms.apart(form, "cancel_at", "cancel_at_period_end")
    forms.not_played(form, *NOT_PLAYED)


def _describe(drawer: Drawer, subscription: Entry, form: Form) -> None:
    body = subscription.body
    body["metadata"] = forms.metadata(form, body["metadata"])
    if "description" in form:
        body["description"] = forms.text(form, "description")
    if "trial_settings" in form:
        body["trial_settings"] = trial_settings(form)
    if "default_payment_method" in form:
        method = forms.text(form, "default_payment_method")
        if method:
            drawer.entry(method, "payment_method", param="default_payment_method")
        body["default_payment_method"] = method
    if "pause_collection" in form:
        asked = form["pause_collection"]
        body["pause_collection"] = (
            asked
            and {
                "behavior": asked["behavior"],
                "resumes_at": forms.whole(asked, "resumes_at"),
            }
        ) or None
    if "discounts" in form:
        _discount(drawer, subscription, form["discounts"] or [])


def _discount(drawer: Drawer, subscription: Entry, asked: list[Form]) -> None:
    kept = {one["discount"] for one in asked if "discount" in one}
    for key in list(subscription.body["discounts"]):
        if key not in kept:
            subscriptions.take_discount(drawer, subscription, key)
    for one in asked:
        if "discount" not in one:
            coupon, code = catalogue.coupon_for(drawer, one, param="discounts[0]")
            subscriptions.discount(drawer, subscription, coupon, code)


def trial_settings(form: Form) -> Body:
    behavior = form["trial_settings"]["end_behavior"]
    return {
        "end_behavior": {
            "billing_cycle_anchor": behavior.get("billing_cycle_anchor"),
            "missing_payment_method": behavior["missing_payment_method"],
        }
    }


def _leave(subscription: Entry, form: Form, now: int) -> None:
    """Whether and when it is to end."""
    body = subscription.body
    _say_why(subscription, form)
    if "cancel_at_period_end" in form:
        body["cancel_at_period_end"] = forms.yes(form, "cancel_at_period_end")
        body["cancel_at"] = None
        if body["cancel_at_period_end"]:
            body["cancel_at"] = subscriptions.current_end(body)
    if "cancel_at" in form:
        body["cancel_at_period_end"] = False
        if form["cancel_at"] in ("min_period_end", "max_period_end"):
            body["cancel_at"] = subscriptions.current_end(body)
        else:
            body["cancel_at"] = forms.whole(form, "cancel_at") if form["cancel_at"] else None
    is_leaving = body["cancel_at"] is not None
    if not is_leaving and body["status"] != "canceled":
        body["canceled_at"] = None
        body["cancellation_details"]["reason"] = None
        return
    if "cancel_at_period_end" in form or "cancel_at" in form:
        body["canceled_at"] = body["canceled_at"] or now
        body["cancellation_details"]["reason"] = "cancellation_requested"


def _say_why(subscription: Entry, form: Form) -> None:
    asked = form.get("cancellation_details", {})
    details = subscription.body["cancellation_details"]
    if "comment" in asked:
        details["comment"] = forms.text(asked, "comment")
    if "feedback" in asked:
        details["feedback"] = forms.one_of(asked, "feedback", FEEDBACK) or None


def _exchange(drawer: Drawer, subscription: Entry, asked: list[Form]) -> list[str]:
    """Give items another price or quantity, take some away, add some; the ids that changed."""
    items = subscription.body["items"]["data"]
    changed = []
    for number, one in enumerate(asked):
        price = _new_price(drawer, subscription, one, number)
        quantity = forms.whole(one, "quantity")
        if "id" not in one:
            if price is None:
                raise Refusal("Missing required param: items[0][price].", param="items")
            changed.append(subscriptions.add_item(drawer, subscription, price, quantity or 1)["id"])
            continue
        item = next((item for item in items if item["id"] == one["id"]), None)
        if item is None:
            raise missing("subscription item", one["id"], param=f"items[{number}][id]")
        if forms.yes(one, "deleted"):
            items.remove(item)
            changed.append(item["id"])
            continue
        if _put(item, price, quantity):
            changed.append(item["id"])
    if not items:
        raise Refusal("A subscription must have at least one item.", param="items")
    if len({_rhythm(item) for item in items}) > 1:
        raise Refusal("The Till bills all items of a subscription in one rhythm.", param="items")
    return changed


def _new_price(drawer: Drawer, subscription: Entry, one: Form, number: int) -> Body | None:
    if "price" not in one and "price_data" not in one:
        return None
    if "product_data" in one.get("price_data", {}):
        raise Refusal(
            "Received unknown parameter: items[0][price_data][product_data]", param="items"
        )
    currency = subscription.body["currency"]
    price = catalogue.price_for(drawer, one, param=f"items[{number}]", currency=currency)
    if not price["recurring"]:
        raise Refusal(
            "The price specified is set to `type=one_time` but this field only accepts prices with "
            "`type=recurring`.",
            param=f"items[{number}][price]",
        )
    return price


def _put(item: Body, price: Body | None, quantity: int | None) -> bool:
    """Stripe, “Update a subscription”: another price makes the quantity one again."""
    before = (item["price"]["id"], item["quantity"])
    if price and price["id"] != item["price"]["id"]:
        item["price"], item["plan"] = price, catalogue.plan_of(price)
        item["quantity"] = 1
    if quantity is not None:
        item["quantity"] = quantity
    return before != (item["price"]["id"], item["quantity"])


def _end_trial(subscription: Entry, form: Form, now: int) -> bool:
    """Whether a trial ends now; a new end is noted."""
    if "trial_end" not in form or subscription.body["status"] == "canceled":
        return False
    if form["trial_end"] == "now":
        was_trialing: bool = subscription.body["status"] == "trialing"
        if was_trialing:
            subscription.body |= {"status": "active", "trial_end": now}
        return was_trialing
    until = forms.whole(form, "trial_end") or 0
    if until <= now:
        raise Refusal(
            "Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end"
        )
    subscription.body |= {"status": "trialing", "trial_end": until, "billing_cycle_anchor": until}
    subscription.body["trial_start"] = subscription.body["trial_start"] or now
    subscription.own["warned"] = False
    for item in subscription.body["items"]["data"]:
        item["current_period_end"] = until
    return False


def _begins_anew(old: list[Body], new: list[Body], form: Form) -> bool:
    """Stripe, “Update a subscription”: another interval, or from free to paid, or when asked."""
    if form.get("billing_cycle_anchor", {}).get("type") == "now":
        return True
    was_free = not any(item["price"]["unit_amount"] for item in old)
    is_free = not any(item["price"]["unit_amount"] for item in new)
    return _rhythm(old[0]) != _rhythm(new[0]) or (was_free and not is_free)


def _begin_anew(drawer: Drawer, subscription: Entry, given_back: list[Body], at: int) -> Entry:
    start = subscriptions.current_start(subscription.body)
    if subscription.body["status"] == "trialing":
        subscription.body |= {"status": "active", "trial_end": drawer.now}
    subscriptions.restart(subscription, drawer.now)
    lines = [*given_back, *subscriptions.period_lines(drawer, subscription)]
    reason = Reason("subscription_update", start, drawer.now)
    return subscriptions.bill(drawer, subscription, lines, reason, prorated_at=at)


def _credits(drawer: Drawer, subscription: Entry, items: list[Body], at: int) -> list[Body]:
    return [line for item in items for line in subscriptions.credit(drawer, subscription, item, at)]


def _prorate(
    drawer: Drawer, subscription: Entry, old: list[Body], changed: list[str], at: int
) -> list[Body]:
    gone = [item for item in old if item["id"] in changed]
    come = [item for item in subscription.body["items"]["data"] if item["id"] in changed]
    return [
        *_credits(drawer, subscription, gone, at),
        *(subscriptions.debit(drawer, subscription, item, at) for item in come),
    ]


def _rhythm(item: Body) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


# Waiting for a payment


def _is_paid(attempt: Drawer, invoice: Entry) -> bool:
    subscriptions.finish(attempt, invoice)
    return bool(invoice.body["status"] == "paid")


def _asks_its_holder(attempt: Drawer, invoice: Entry) -> bool:
    """Whether the card would pay, once its holder has said yes to the bank."""
    payment = invoices.payment_of(attempt, invoice.key).body["payment"]
    return bool(attempt.body(payment["payment_intent"])["status"] == "requires_action")


def _let_wait(
    drawer: Drawer, subscription: Entry, form: Form, copy: Entry, attempted: Entry
) -> None:
    """Ask for the money of a change first; it happens when the invoice is paid."""
    subscription.own["billed_before"] = dict(subscription.own.get("billed", {}))
    lines = [one | {"discount_amounts": []} for one in attempted.body["lines"]["data"]]
    subscription.own.pop("pending", None)
    start = subscriptions.current_start(subscription.body)
    reason = Reason("subscription_update", start, drawer.now)
    invoice = subscriptions.bill(drawer, subscription, lines, reason, prorated_at=drawer.now)
    subscription.own["update"] = {"invoice": invoice.key, "items": copy.body["items"]["data"]}
    subscription.own["update"]["anchor"] = copy.body["billing_cycle_anchor"]
    with drawer.changing(subscription.key, UPDATED):
        subscription.body["pending_update"] = {
            "billing_cycle_anchor": None,
            "expires_at": drawer.now + UPDATE_EXPIRES,
            "subscription_items": copy.body["items"]["data"],
            "trial_end": forms.whole(form, "trial_end") if form.get("trial_end") != "now" else None,
            "trial_from_plan": None,
        }
    subscriptions.finish(drawer, invoice)
    subscriptions.plan(subscription)


# Ending and resuming, looked at beforehand


def _preview_of_end(attempt: Drawer, subscription: Entry, asked: Form) -> Body:
    lines = []
    if asked.get("proration_behavior") != "none":
        lines = _credits(attempt, subscription, subscription.body["items"]["data"], attempt.now)
    reason = Reason("subscription_update", attempt.now, attempt.now)
    return subscriptions.as_preview(subscriptions.bill(attempt, subscription, lines, reason).body)


def _resumption(drawer: Drawer, subscription: Entry, form: Form) -> Entry | None:
    """Stripe, “Resume a subscription”: by default a new period begins, and is billed."""
    body = subscription.body
    anchor = form.get("billing_cycle_anchor", {}).get("type", "now")
    start = drawer.now
    if anchor == "now":
        subscriptions.restart(subscription, drawer.now)
        lines = subscriptions.period_lines(drawer, subscription)
        reason = Reason("subscription_update", start, start)
        return subscriptions.bill(drawer, subscription, lines, reason)
    behavior = forms.one_of(form, "proration_behavior", PRORATIONS, "create_prorations")
    subscriptions.catch_up_periods(subscription, drawer.now)
    if behavior == "none":
        return None
    lines = [
        subscriptions.debit(drawer, subscription, item, drawer.now)
        for item in body["items"]["data"]
    ]
    if behavior == "create_prorations":
        subscriptions.put_off(subscription, lines)
        return None
    reason = Reason("subscription_update", start, start)
    return subscriptions.bill(drawer, subscription, lines, reason)


def _will_end(body: Body) -> bool:
    leaves: int | None = body["cancel_at"]
    return leaves is not None and leaves <= subscriptions.current_end(body)


# Invoices a request may touch


def pay_invoice(drawer: Drawer, form: Form, key: str) -> Body:
    """Try once more, now; raises Refusal when the card says no, and that attempt counts."""
    invoice = drawer.entry(key, "invoice")
    if invoice.body["status"] == "paid":
        raise Refusal("Invoice is already paid", code="invoice_already_paid")
    if invoice.body["status"] == "draft":
        invoices.finalize(drawer, invoice)
    if invoice.body["status"] not in ("open", "uncollectible", "paid"):
        raise Refusal("This invoice can no longer be paid")
    if invoice.body["status"] == "paid":
        subscriptions.paid(drawer, drawer.entry(invoice.owner), invoice)
        return invoice.body
    result = subscriptions.collect(drawer, invoice, method=forms.text(form, "payment_method"))
    if result != "paid":
        code = {"declined": "card_declined"}.get(result, "invoice_payment_intent_requires_action")
        raise declined(code=code, keeps=True)
    return invoice.body


def invoice_lines(drawer: Drawer, _: Form, key: str) -> Body:
    lines: Body = drawer.entry(key, "invoice").body["lines"]
    return page(lines["data"], f"/v1/invoices/{key}/lines")
