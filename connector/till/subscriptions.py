"""A subscription from its start to its end: periods, trials, renewals, retries, pauses.

Which request changes what stands in `changes`; here is what time and payments do to one.
"""

from typing import Any

from connector.till import catalogue, customers, invoices, periods
from connector.till.drawer import Drawer, Entry
from connector.till.invoices import DRAFT_SECONDS, Reason, Result
from connector.till.refusal import Refusal
from connector.till.shapes import Body, make, page

DAY = 86_400
# Stripe, “Automate payment retries”: eight tries within two weeks, by default. Stripe picks
# the moments; the Till takes these days after the first failure.
RETRY_DAYS = (1, 3, 5, 7, 9, 11, 13, 14)
TRIAL_WARNING = 3 * DAY  # Stripe, “customer.subscription.trial_will_end”: three days before
RENEWAL_WARNING = 7 * DAY  # Stripe, “invoice.upcoming”: a number of days one can set
UPDATE_EXPIRES = 23 * 3_600  # Stripe, “Pending updates”: 23 hours
LIVE = ("active", "trialing", "past_due", "unpaid", "paused")
OVER = ("canceled", "incomplete_expired")
UPDATED = "customer.subscription.updated"


# Starting


def start(
    drawer: Drawer,
    customer: str,
    prices: list[tuple[Body, int]],
    *,
    method: str | None,
    discounts: list[tuple[Entry, str | None]],
    trial_end: int | None = None,
    **known: Any,
) -> Entry:
    """A new subscription with its first invoice; a trial's is of nothing."""
    now, trialing = drawer.now, trial_end is not None
    subscription = drawer.add(
        "subscription",
        owner=customer,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=trial_end or now,
        # Stripe, “Billing mode”: flexible is what new subscriptions get since API clover.
        billing_mode={"type": "flexible", "flexible": {"proration_discounts": "included"}},
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details=_no_cancellation(),
        collection_method="charge_automatically",
        currency=prices[0][0]["currency"],
        customer=customer,
        default_payment_method=method,
        default_tax_rates=[],
        discounts=[],
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        start_date=now,
        status="trialing" if trialing else "active",
        trial_start=now if trialing else None,
        trial_end=trial_end,
        **known,
    )
    items = [_item(drawer, subscription, price, quantity) for price, quantity in prices]
    subscription.body["items"] = page(
        items, f"/v1/subscription_items?subscription={subscription.key}"
    )
    for item in items:
        _run(subscription.body, item, now, trial_end)
    for coupon, code in discounts:
        discount(drawer, subscription, coupon, code)
    lines = period_lines(drawer, subscription, is_free=trialing)
    reason = Reason("subscription_create", now, now)
    invoice = bill(drawer, subscription, lines, reason)
    drawer.emit("customer.subscription.created", subscription.body)
    invoices.finalize(drawer, invoice)
    if invoice.body["status"] == "open":
        collect(drawer, invoice, is_present=True, is_authenticated=True)
    plan(subscription)
    return subscription


def add_item(drawer: Drawer, subscription: Entry, price: Body, quantity: int) -> Body:
    """One more item, in the period the others are in."""
    first = subscription.body["items"]["data"][0]
    item = _item(drawer, subscription, price, quantity)
    item |= {name: first[name] for name in ("current_period_start", "current_period_end")}
    subscription.body["items"]["data"].append(item)
    return item


def discount(drawer: Drawer, subscription: Entry, coupon: Entry, code: str | None) -> Entry:
    """Give a subscription a discount, and count it."""
    terms = coupon.body
    months = terms["duration_in_months"]
    ends = periods.after(drawer.now, "month", months) if terms["duration"] == "repeating" else None
    given = drawer.add(
        "discount",
        owner=subscription.key,
        customer=subscription.owner,
        end=ends,
        promotion_code=code,
        source={"type": "coupon", "coupon": coupon.key},
        start=drawer.now,
        subscription=subscription.key,
    )
    catalogue.redeem(drawer, coupon, code)
    subscription.body["discounts"].append(given.key)
    drawer.emit("customer.discount.created", given.body)
    return given


def take_discount(drawer: Drawer, subscription: Entry, key: str) -> None:
    subscription.body["discounts"] = [one for one in subscription.body["discounts"] if one != key]
    drawer.emit("customer.discount.deleted", drawer.body(key))


# Billing


def bill(
    drawer: Drawer,
    subscription: Entry,
    lines: list[Body],
    reason: Reason,
    *,
    prorated_at: int | None = None,
) -> Entry:
    """The next invoice of a subscription, with whatever waits to be billed; a draft."""
    lines = [*subscription.own.pop("pending", []), *lines]
    has_money = any(one["amount"] > 0 for one in lines)
    discounts = _discounts(drawer, subscription) if has_money else []
    invoice = invoices.draft(
        drawer,
        subscription,
        lines,
        reason,
        discounts=discounts,
        prorated_at=prorated_at,
    )
    subscription.body["latest_invoice"] = invoice.key
    remember(subscription, lines)
    for given in discounts:
        coupon = drawer.entry(given.body["source"]["coupon"])
        if catalogue.terms_of(coupon)["duration"] == "once":
            take_discount(drawer, subscription, given.key)
    return invoice


def period_lines(drawer: Drawer, subscription: Entry, *, is_free: bool = False) -> list[Body]:
    """A line for each item and its whole current period."""
    return [
        invoices.line(
            drawer,
            subscription.body,
            item,
            0 if is_free else _price_of(item),
            start=item["current_period_start"],
            end=item["current_period_end"],
        )
        for item in subscription.body["items"]["data"]
    ]


def put_off(subscription: Entry, lines: list[Body]) -> None:
    """Let lines wait for the next invoice."""
    subscription.own.setdefault("pending", []).extend(lines)
    remember(subscription, lines)


def credit(drawer: Drawer, subscription: Entry, item: Body, at: int) -> list[Body]:
    """What was billed for the rest of an item's period, given back."""
    billed = subscription.own.get("billed", {}).get(item["id"])
    if not billed:
        return []
    unused = periods.share(billed["amount"], billed["start"], billed["end"], at)
    if not unused:
        return []
    return [_proration(drawer, subscription, item, -unused, start=at, end=billed["end"])]


def debit(drawer: Drawer, subscription: Entry, item: Body, at: int) -> Body:
    """The rest of an item's period at its present price."""
    start, end = item["current_period_start"], item["current_period_end"]
    amount = periods.share(_price_of(item), start, end, at)
    return _proration(drawer, subscription, item, amount, start=at, end=end)


def collect(
    drawer: Drawer,
    invoice: Entry,
    *,
    method: str | None = None,
    is_present: bool = False,
    is_authenticated: bool = False,
) -> Result:
    """Try to be paid, and let the subscription feel how it went."""
    subscription = drawer.entry(invoice.owner)
    card = method or _card_of(drawer, subscription)
    with drawer.changing(invoice.key, "invoice.updated"):
        result = invoices.collect(
            drawer, invoice, card, is_present=is_present, is_authenticated=is_authenticated
        )
    if result == "paid":
        paid(drawer, subscription, invoice)
    else:
        _unpaid(drawer, subscription, invoice)
        drawer.emit("invoice.payment_failed", invoice.body)
    return result


def paid(drawer: Drawer, subscription: Entry, invoice: Entry) -> None:
    """A payment arrived: what was overdue is well again, what waited for it happens."""
    is_latest = subscription.body["latest_invoice"] == invoice.key
    if is_latest and subscription.body["status"] in ("past_due", "unpaid"):
        with drawer.changing(subscription.key, UPDATED):
            subscription.body["status"] = "active"
    if subscription.own.get("resumes_on") == invoice.key:
        resumed(drawer, subscription)
    if subscription.own.get("update", {}).get("invoice") == invoice.key:
        _apply_update(drawer, subscription)
    if not _owes(drawer, subscription.owner):
        _set_delinquent(drawer, subscription.owner, is_delinquent=False)
    plan(subscription)


def resumed(drawer: Drawer, subscription: Entry) -> None:
    """No longer paused."""
    subscription.own.pop("resumes_on", None)
    with drawer.changing(subscription.key, UPDATED):
        subscription.body |= {"status": "active", "status_details": None}
    drawer.emit("customer.subscription.resumed", subscription.body)
    plan(subscription)


def pause(drawer: Drawer, subscription: Entry, why: str) -> None:
    with drawer.changing(subscription.key, UPDATED):
        subscription.body["status"] = "paused"
        subscription.body["status_details"] = {
            "paused": {
                "type": "subscription",
                "subscription": {"type": why},
                "transitioned_at": drawer.now,
            }
        }
    drawer.emit("customer.subscription.paused", subscription.body)
    plan(subscription)


def end(drawer: Drawer, subscription: Entry, why: str) -> None:
    """It is over; what is still owed is not asked for any more."""
    body = subscription.body
    body |= {"status": "canceled", "ended_at": drawer.now, "status_details": None}
    body["canceled_at"] = body["canceled_at"] or drawer.now
    body["cancellation_details"]["reason"] = body["cancellation_details"]["reason"] or why
    subscription.own.pop("pending", None)
    for invoice in drawer.all("invoice", subscription.key):
        if invoice.body["status"] in ("draft", "open"):
            invoice.due = None
            with drawer.changing(invoice.key, "invoice.updated"):
                invoice.body |= {"auto_advance": False, "next_payment_attempt": None}
    plan(subscription)
    drawer.emit("customer.subscription.deleted", body)


# Time


def plan(subscription: Entry) -> None:
    """Note when this subscription wants attention next."""
    if subscription.body["cancel_at_period_end"] and subscription.body["status"] != "canceled":
        subscription.body["cancel_at"] = current_end(subscription.body)
    subscription.due = min(_moments(subscription), default=None)


def due(drawer: Drawer, subscription: Entry) -> None:
    """Do the one thing a subscription is due for."""
    body, now = subscription.body, drawer.now
    if body["cancel_at"] is not None and body["cancel_at"] <= now:
        end(drawer, subscription, "cancellation_requested")
    elif body["pending_update"] and body["pending_update"]["expires_at"] <= now:
        expire_update(drawer, subscription)
    elif _pause_collection_is_over(body, now):
        with drawer.changing(subscription.key, UPDATED):
            body["pause_collection"] = None
    elif current_end(body) <= now:
        _renew(drawer, subscription)
    elif body["status"] == "trialing" and not subscription.own.get("warned"):
        subscription.own["warned"] = True
        drawer.emit("customer.subscription.trial_will_end", body)
    else:
        subscription.own["reminded"] = current_end(body)
        drawer.emit("invoice.upcoming", upcoming(drawer, subscription))
    plan(subscription)


def due_invoice(drawer: Drawer, invoice: Entry) -> None:
    """A draft is made final and tried, an open one is tried again."""
    invoice.due = None
    if invoice.body["status"] == "draft":
        finish(drawer, invoice)
    elif invoice.body["status"] == "open":
        collect(drawer, invoice)


def finish(drawer: Drawer, invoice: Entry, *, is_present: bool = False) -> None:
    """Make a draft final and try to be paid, unless collecting is paused."""
    subscription = drawer.entry(invoice.owner)
    held = (subscription.body["pause_collection"] or {}).get("behavior")
    if held == "keep_as_draft":
        invoice.body["auto_advance"] = False
        return
    invoices.finalize(drawer, invoice)
    if invoice.body["status"] == "paid":
        paid(drawer, subscription, invoice)
    elif held == "void":
        invoices.void(drawer, invoice)
    elif held == "mark_uncollectible":
        invoices.give_up(drawer, invoice)
    else:
        collect(drawer, invoice, is_present=is_present)


def upcoming(drawer: Drawer, subscription: Entry) -> Body:
    """The invoice of the next period, as far as it is known now; nothing is kept of it."""
    attempt = drawer.preview()
    attempt.at(current_end(subscription.body))
    copy = attempt.entry(subscription.key)
    reason = _advance(copy)
    invoice = bill(attempt, copy, period_lines(attempt, copy), reason)
    return as_preview(invoice.body)


def as_preview(body: Body) -> Body:
    """Stripe, “Create a preview invoice”: an id of its own, and no payment to come."""
    key = f"upcoming_{body['id']}"
    for one in body["lines"]["data"]:
        one["invoice"] = key
    return body | {"id": key, "lines": body["lines"] | {"url": f"/v1/invoices/{key}/lines"}}


def current_start(body: Body) -> int:
    """When the period that is running began."""
    return int(body["items"]["data"][0]["current_period_start"])


def current_end(body: Body) -> int:
    """When the period that is running ends."""
    return min(int(item["current_period_end"]) for item in body["items"]["data"])


def restart(subscription: Entry, at: int) -> None:
    """Begin a new period now, and count all later ones from it."""
    subscription.body["billing_cycle_anchor"] = at
    for item in subscription.body["items"]["data"]:
        _run(subscription.body, item, at, None)


def expire_update(drawer: Drawer, subscription: Entry) -> None:
    """Stripe, “Pending updates”: what was not paid in time does not happen."""
    invoice = drawer.entry(subscription.own.pop("update")["invoice"])
    subscription.own["billed"] = subscription.own.pop("billed_before")
    with drawer.changing(subscription.key, UPDATED):
        subscription.body["pending_update"] = None
    drawer.emit("customer.subscription.pending_update_expired", subscription.body)
    if invoice.body["status"] == "open":
        invoices.void(drawer, invoice)


def catch_up_periods(subscription: Entry, now: int) -> None:
    """Put the items into the period that is running now, after a pause."""
    body = subscription.body
    for item in body["items"]["data"]:
        _run(body, item, periods.start_of(*_turn(body, item), now), None)


def _apply_update(drawer: Drawer, subscription: Entry) -> None:
    update = subscription.own.pop("update")
    subscription.own.pop("billed_before", None)
    with drawer.changing(subscription.key, UPDATED):
        subscription.body["items"]["data"] = update["items"]
        subscription.body["billing_cycle_anchor"] = update["anchor"]
        subscription.body["pending_update"] = None
    drawer.emit("customer.subscription.pending_update_applied", subscription.body)


def _renew(drawer: Drawer, subscription: Entry) -> None:
    body = subscription.body
    if body["cancel_at_period_end"]:
        end(drawer, subscription, "cancellation_requested")
        return
    was_trialing = body["status"] == "trialing"
    if was_trialing and not _card_of(drawer, subscription):
        missing = (body["trial_settings"] or {}).get("end_behavior", {})
        match missing.get("missing_payment_method", "create_invoice"):
            case "cancel":
                end(drawer, subscription, "payment_failed")
                return
            case "pause":
                pause(drawer, subscription, "trial_end_without_payment_method")
                return
    with drawer.changing(subscription.key, UPDATED):
        reason = _advance(subscription)
        invoice = bill(drawer, subscription, period_lines(drawer, subscription), reason)
        if was_trialing:
            body["status"] = "active"
    invoice.due = drawer.now + DRAFT_SECONDS
    invoice.body["automatically_finalizes_at"] = invoice.due
    # Stripe, “Unpaid subscriptions”: invoices stay drafts until somebody makes them final.
    if body["status"] == "unpaid":
        invoice.due = None
        invoice.body |= {"auto_advance": False, "automatically_finalizes_at": None}


def _advance(subscription: Entry) -> Reason:
    """Move to the next period."""
    body = subscription.body
    start, finish = current_start(body), current_end(body)
    for item in body["items"]["data"]:
        _run(body, item, finish, None)
    return Reason("subscription_cycle", start, finish)


def _run(body: Body, item: Body, start: int, trial_end: int | None) -> None:
    item["current_period_start"] = start
    item["current_period_end"] = trial_end or periods.end_of(*_turn(body, item), start)


def _turn(body: Body, item: Body) -> tuple[int, str, int]:
    """What the periods of an item are counted from, and how long each is."""
    recurring = item["price"]["recurring"]
    return body["billing_cycle_anchor"], recurring["interval"], recurring["interval_count"]


def _moments(subscription: Entry) -> list[int]:
    body = subscription.body
    if body["status"] == "canceled":
        return []
    moments = [body["cancel_at"]] if body["cancel_at"] is not None else []
    if body["pending_update"]:
        moments.append(body["pending_update"]["expires_at"])
    if body["status"] == "paused":
        return moments
    over = current_end(body)
    moments.append(over)
    if (body["pause_collection"] or {}).get("resumes_at"):
        moments.append(body["pause_collection"]["resumes_at"])
    if body["status"] == "trialing" and not subscription.own.get("warned"):
        moments.append(max(over - TRIAL_WARNING, body["created"]))
    is_told = subscription.own.get("reminded") == over or body["cancel_at_period_end"]
    if body["status"] == "active" and not is_told:
        moments.append(max(over - RENEWAL_WARNING, current_start(body) + 1))
    return moments


def _pause_collection_is_over(body: Body, now: int) -> bool:
    resumes = (body["pause_collection"] or {}).get("resumes_at")
    return resumes is not None and resumes <= now


# Failing


def _unpaid(drawer: Drawer, subscription: Entry, invoice: Entry) -> None:
    body = subscription.body
    if "update" in subscription.own or "resumes_on" in subscription.own:
        return
    _set_delinquent(drawer, subscription.owner, is_delinquent=True)
    tried = invoice.own.get("tried", 0)
    invoice.own["tried"] = tried + 1
    if tried < len(RETRY_DAYS):
        first = invoice.own.setdefault("failed_at", drawer.now)
        invoice.due = max(first + RETRY_DAYS[tried] * DAY, drawer.now + 1)
        invoice.body["next_payment_attempt"] = invoice.due
        invoice.body["auto_advance"] = True
        if body["status"] in ("active", "trialing"):
            with drawer.changing(subscription.key, UPDATED):
                body["status"] = "past_due"
    elif body["status"] in LIVE:
        _after_the_last_try(drawer, subscription, invoice)
    plan(subscription)


def _after_the_last_try(drawer: Drawer, subscription: Entry, invoice: Entry) -> None:
    invoice.due = None
    invoice.body |= {"next_payment_attempt": None, "auto_advance": False}
    if drawer.at_last == "cancel":
        end(drawer, subscription, "payment_failed")
    elif drawer.at_last == "unpaid" and subscription.body["status"] != "unpaid":
        with drawer.changing(subscription.key, UPDATED):
            subscription.body["status"] = "unpaid"


def _owes(drawer: Drawer, customer: str) -> bool:
    return any(
        invoice.body["status"] == "open" and invoice.body["attempted"]
        for subscription in drawer.all("subscription", customer)
        for invoice in drawer.all("invoice", subscription.key)
    )


def _set_delinquent(drawer: Drawer, customer: str, *, is_delinquent: bool) -> None:
    with drawer.changing(customer, "customer.updated") as payer:
        if not payer.body.get("deleted"):
            payer.body["delinquent"] = is_delinquent


def _card_of(drawer: Drawer, subscription: Entry) -> str | None:
    own: str | None = subscription.body["default_payment_method"]
    return own or customers.default_card(drawer, subscription.owner)


# Small things


def _item(drawer: Drawer, subscription: Entry, price: Body, quantity: int) -> Body:
    if not price["recurring"]:
        raise Refusal(f"The price {price['id']} is not recurring.", param="items")
    return make(
        "subscription_item",
        created=drawer.now,
        current_period_start=drawer.now,
        current_period_end=drawer.now,
        discounts=[],
        metadata={},
        plan=catalogue.plan_of(price),
        price=price,
        quantity=quantity,
        subscription=subscription.key,
        tax_rates=[],
    )


def _price_of(item: Body) -> int:
    return int(item["price"]["unit_amount"] or 0) * int(item["quantity"])


def _proration(
    drawer: Drawer, subscription: Entry, item: Body, amount: int, *, start: int, end: int
) -> Body:
    return invoices.line(
        drawer, subscription.body, item, amount, start=start, end=end, is_proration=True
    )


def remember(subscription: Entry, lines: list[Body]) -> None:
    """A later credit gives back what was asked for a time, discounts taken off."""
    billed = subscription.own.setdefault("billed", {})
    for one in lines:
        if one["amount"] >= 0:
            item = one["parent"]["subscription_item_details"]["subscription_item"]
            billed[item] = {"amount": invoices.net(one), **one["period"]}


def _discounts(drawer: Drawer, subscription: Entry) -> list[Entry]:
    given = [drawer.entry(key) for key in subscription.body["discounts"]]
    return [one for one in given if one.body["end"] is None or one.body["end"] > drawer.now]


def _no_cancellation() -> Body:
    return {"comment": None, "feedback": None, "feedback_option": None, "reason": None}
