"""What a person does at the Till: pay or walk away, turn the clock, refund, dispute, break things.

These are the verbs of its pages and commands; `now` is the real time in milliseconds
throughout. With a live key none of it exists.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from connector.database import Database
from connector.errors import Misconfigured, NotFound, Refused
from connector.settings import Settings
from connector.till import checkout, payments, portal, store, subscriptions, turning
from connector.till.checkout import Payer
from connector.till.customers import Card
from connector.till.drawer import Drawer, Entry, time_of
from connector.till.refusal import DECLINED, Refusal
from connector.till.shapes import Body

__all__ = ["Card", "Fault", "Outcome", "Payer", "Visit"]

NOTHING = "There is nothing at this address of the Till."
LIVE_KEYS = ("sk_live_", "rk_live_", "pk_live_")
Fault = Literal[
    "api error", "timeout", "lost answer", "rate limit", "declined renewal", "3ds renewal"
]
AtLast = Literal["cancel", "unpaid", "past_due"]
# What the portal offers until somebody sets it up.
PORTAL = {
    name: {"enabled": "true"}
    for name in ("invoice_history", "payment_method_update", "subscription_cancel")
}


@dataclass(frozen=True)
class Outcome:
    """How trying to pay ended: `paid`, `declined` or `3ds`; where to go next, or what to say."""

    what: Literal["paid", "declined", "3ds"]
    url: str = ""
    message: str = ""


@dataclass(frozen=True)
class Visit:
    """A session, what is bought there, and what its payer has filled in so far."""

    session: Body
    lines: list[Body]
    typed: Payer


def refuse_live(key: str) -> None:
    """Raise Misconfigured beside a live key: play money and real money never meet."""
    if key.strip().startswith(LIVE_KEYS):
        raise Misconfigured(
            "The Till plays with money that is not there, and this site has a live Stripe key. "
            "Take the key away to use the Till, or leave the Till alone."
        )


def time(db: Database, *, now: int) -> int:
    """What time it is at the Till, in milliseconds."""
    with db.read() as connection:
        return time_of(connection, now=now)


def furnish(db: Database, settings: Settings, *, now: int) -> None:
    """See that there is a portal; one that somebody has set up stays as it is."""
    with db.read() as connection:
        if store.of_kind(connection, "billing_portal.configuration"):
            return
    with turning.opened(db, settings, now=now) as drawer:
        if not drawer.all("billing_portal.configuration"):
            portal.configure(drawer, {"features": PORTAL})


# Checkout


def session(db: Database, settings: Settings, key: str, *, now: int) -> tuple[Body, list[Body]]:
    """A Checkout session and its lines; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        entry = _find(drawer, key, "checkout.session")
        return entry.body, checkout.lines_of(entry)


def pay(
    db: Database,
    settings: Settings,
    key: str,
    *,
    card: Card = "ok",
    payer: Payer | None = None,
    now: int,
) -> Outcome:
    """Press “Pay” on the page of a session.

    `paid` carries the success URL. A declined card leaves the session open; one that asks for
    3-D Secure does too, until the payer comes back with `is_authenticated`. Raises NotFound,
    and Refused when the session is over.
    """
    payer = payer or Payer(card=card)
    with turning.opened(db, settings, now=now) as drawer:
        _find(drawer, key, "checkout.session")
        try:
            body = checkout.pay(drawer, key, payer)
        except Refusal as refusal:
            drawer.forget()
            outcome = _not_paid(drawer, key, refusal)
            checkout.note(drawer.entry(key), payer)
            return outcome
        return Outcome("paid", body["success_url"].replace("{CHECKOUT_SESSION_ID}", key))


def visit(db: Database, settings: Settings, key: str, *, now: int) -> Visit:
    """What the page of a session shows; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        entry = _find(drawer, key, "checkout.session")
        return Visit(entry.body, checkout.lines_of(entry), checkout.noted(entry))


def authenticate(db: Database, settings: Settings, key: str, *, is_them: bool, now: int) -> Outcome:
    """The bank has asked who pays a session: go on with what was filled in, or be declined."""
    typed = visit(db, settings, key, now=now).typed
    card: Card = "3ds" if is_them else "declined"
    return pay(
        db, settings, key, payer=replace(typed, card=card, is_authenticated=is_them), now=now
    )


def abandon(db: Database, settings: Settings, key: str, *, now: int) -> str:
    """Go back without paying: the session stays open until it expires; the URL to go to."""
    with turning.opened(db, settings, now=now) as drawer:
        body = _find(drawer, key, "checkout.session").body
        return str(body["cancel_url"] or drawer.settings.publication.url)


def expire(db: Database, settings: Settings, key: str, *, now: int) -> None:
    """Let a session expire now."""
    with _asking(db, settings, now) as drawer:
        checkout.expire(drawer, {}, key)


# Portal


def portal_of(db: Database, settings: Settings, key: str, *, now: int) -> dict[str, Any]:
    """What the portal shows: `session`, `customer`, `features`, `subscriptions`, `invoices`."""
    with turning.opened(db, settings, now=now) as drawer:
        opened = _find(drawer, key, "billing_portal.session")
        plans = drawer.all("subscription", opened.owner)
        return {
            "session": opened.body,
            "customer": drawer.body(opened.owner),
            "features": drawer.body(opened.body["configuration"])["features"],
            "subscriptions": [plan.body for plan in reversed(plans)],
            "invoices": [
                one.body for plan in plans for one in reversed(drawer.all("invoice", plan.key))
            ],
        }


def cancel(
    db: Database,
    settings: Settings,
    portal_session: str,
    subscription: str,
    *,
    feedback: str = "",
    comment: str = "",
    now: int,
) -> Body:
    """Cancel a plan in the portal; raises Refused where it is not offered."""
    with _asking(db, settings, now) as drawer:
        return portal.cancel(
            drawer, portal_session, subscription, feedback=feedback, comment=comment
        )


def resume(
    db: Database, settings: Settings, portal_session: str, subscription: str, *, now: int
) -> Body:
    """Take a cancellation back in the portal."""
    with _asking(db, settings, now) as drawer:
        return portal.resume(drawer, portal_session, subscription)


def update_card(
    db: Database, settings: Settings, portal_session: str, *, card: Card = "ok", now: int
) -> Body:
    """Another card in the portal; raises Refused when it is declined."""
    with _asking(db, settings, now) as drawer:
        return portal.update_card(drawer, portal_session, card)


def replace_card(
    db: Database, settings: Settings, customer: str, *, card: Card = "ok", now: int
) -> Body:
    """The card of a customer behaves differently from now on."""
    with _asking(db, settings, now) as drawer:
        return portal.replace_card(drawer, customer, card)


def pay_invoice(
    db: Database, settings: Settings, invoice: str, *, card: Card = "ok", now: int
) -> Outcome:
    """Pay an open invoice on its own page, with a card at hand."""
    with _asking(db, settings, now) as drawer:
        entry = drawer.entry(invoice, "invoice")
        if entry.body["status"] != "open":
            raise Refused("This invoice is not open.")
        portal.replace_card(drawer, entry.body["customer"], card)
        result = subscriptions.collect(drawer, entry, is_present=True, is_authenticated=True)
        return Outcome("paid" if result == "paid" else "declined")


def invoice(db: Database, settings: Settings, key: str, *, now: int) -> tuple[Body, list[Body]]:
    """An invoice and the charges that paid it, or tried to; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        entry = _find(drawer, key, "invoice")
        payments_ = drawer.all("invoice_payment", key)
        intents = [one.body["payment"]["payment_intent"] for one in payments_]
        return entry.body, [one.body for key in intents for one in drawer.all("charge", key)]


def receipt(db: Database, settings: Settings, key: str, *, now: int) -> Body:
    """A charge that was paid; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        charge = _find(drawer, key, "charge").body
        if not charge["paid"]:
            raise NotFound(NOTHING)
        return charge


def intent(db: Database, settings: Settings, key: str, *, now: int) -> tuple[Body, str]:
    """An intent and the invoice it is to pay, which may be none; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        return _find(drawer, key, "payment_intent").body, _invoice_of(drawer, key)


def answer_bank(db: Database, settings: Settings, key: str, *, is_them: bool, now: int) -> Outcome:
    """The bank has asked who pays an intent of a renewal.

    Raises NotFound, and Refused when the bank asks nothing any more.
    """
    with _asking(db, settings, now) as drawer:
        asked = _find(drawer, key, "payment_intent")
        invoice = _invoice_of(drawer, key)
        if asked.body["status"] != "requires_action" or not invoice:
            raise Refused("The bank asks nothing about this payment any more.")
        if not is_them:
            payments.charge(drawer, asked, asked.body["payment_method"], works=False)
            return Outcome("declined", message=DECLINED)
        result = subscriptions.collect(
            drawer, drawer.entry(invoice), is_present=True, is_authenticated=True
        )
        return Outcome("paid" if result == "paid" else "declined")


# The world outside


def advance(db: Database, settings: Settings, seconds: int, *, now: int) -> int:
    """Turn the clock ahead and do what falls due; the Till's new time in milliseconds."""
    if seconds < 0:
        raise Refused("The Till’s clock only turns forward.")
    return turning.turn(db, settings, seconds, now=now)


def next_due(db: Database, *, by: int) -> int | None:
    """The Till's time at which something falls due, if anything does by then; in milliseconds."""
    with db.read() as connection:
        row = store.next_due(connection, now=by)
        return row.due_at if row else None


def paid_by(db: Database, settings: Settings, word: str, *, now: int) -> Body:
    """The charge that a word means: the id of a payment, or whose newest one; raises NotFound."""
    with _asking(db, settings, now) as drawer:
        if drawer.look(word) is not None:
            return _charge_of(drawer, word).body
        for charge in reversed(drawer.all("charge")):
            if charge.body["paid"] and _is_of(drawer, charge.body, word):
                return charge.body
    raise NotFound(f"Nothing was paid at the Till by “{word}”. Who paid: connector till show")


def customer_with(db: Database, settings: Settings, address: str, *, now: int) -> str:
    """The id of whoever has this address at the Till; raises NotFound."""
    with turning.opened(db, settings, now=now) as drawer:
        for one in reversed(drawer.all("customer")):
            if (one.body.get("email") or "").lower() == address.lower():
                return one.key
    raise NotFound(f"“{address}” never came to the Till. Who did: connector till show")


def open_dispute(db: Database, settings: Settings, *, now: int) -> str:
    """The one dispute the bank has to decide; raises Refused when there is none, or several."""
    with turning.opened(db, settings, now=now) as drawer:
        found = [one for one in drawer.all("dispute") if one.body["status"] == "needs_response"]
    if len(found) == 1:
        return found[0].key
    if not found:
        raise Refused("No dispute is open. Begin one with: connector till dispute ADDRESS")
    names = ", ".join(one.key for one in found)
    raise Refused(f"Several disputes are open; say which: {names}.")


def refund(
    db: Database, settings: Settings, paid: str, *, amount: int | None = None, now: int
) -> Body:
    """Give back a charge, an intent or an invoice, or a part of it."""
    with _asking(db, settings, now) as drawer:
        charge = _charge_of(drawer, paid)
        part = {} if amount is None else {"amount": str(amount)}
        return payments.create_refund(drawer, {"charge": charge.key} | part)


def dispute(
    db: Database, settings: Settings, paid: str, *, reason: str = "fraudulent", now: int
) -> Body:
    """The bank takes back a charge, an intent's or an invoice's."""
    with _asking(db, settings, now) as drawer:
        return payments.dispute(drawer, _charge_of(drawer, paid), reason=reason)


def decide(db: Database, settings: Settings, dispute: str, *, won: bool, now: int) -> Body:
    """The bank's last word on a dispute."""
    with _asking(db, settings, now) as drawer:
        return payments.decide(drawer, dispute, won=won)


def warn(db: Database, settings: Settings, paid: str, *, now: int) -> Body:
    """An early fraud warning about a payment."""
    with _asking(db, settings, now) as drawer:
        return payments.warn(drawer, _charge_of(drawer, paid))


def fail_next(db: Database, kind: Fault, *, times: int = 1) -> None:
    """The next request, or the next renewal, goes wrong; raises Refused for an unknown kind."""
    if kind not in get_args(Fault):
        raise Refused(f"The Till can fail with: {', '.join(get_args(Fault))}.")
    with db.write() as tx:
        store.add_fault(tx, kind, times)


def mend(db: Database) -> None:
    """No more failures are to come."""
    with db.write() as tx:
        store.clear_faults(tx)


def after_the_last_try(db: Database, what: AtLast) -> None:
    """What follows the last failed retry: the plan is cancelled, unpaid, or stays past due."""
    with db.write() as tx:
        clock = store.clock(tx)
        clock.at_last = what
        store.set_clock(tx, clock)


# Small things


@contextmanager
def _asking(db: Database, settings: Settings, now: int) -> Iterator[Drawer]:
    """The drawer, with refusals in the words of a person."""
    try:
        with turning.opened(db, settings, now=now) as drawer:
            yield drawer
    except Refusal as refusal:
        said = str(refusal)
        raise (NotFound(said) if refusal.status == 404 else Refused(said)) from None  # noqa: PLR2004


def _find(drawer: Drawer, key: str, kind: str) -> Entry:
    found = drawer.look(key)
    if found is None or found.kind != kind:
        raise NotFound(NOTHING)
    return found


def _not_paid(drawer: Drawer, key: str, refusal: Refusal) -> Outcome:
    code = refusal.error.get("code", "")
    if code == "authentication_required":
        return Outcome("3ds", drawer.url(f"{key}/3ds"), str(refusal))
    if refusal.kind == "card_error":
        return Outcome("declined", drawer.url(key), str(refusal))
    raise Refused(str(refusal)) from None


def _is_of(drawer: Drawer, charge: Body, address: str) -> bool:
    payer = drawer.look(charge["customer"]) if charge["customer"] else None
    known = {charge["billing_details"]["email"], payer.body.get("email") if payer else None}
    return address.lower() in {one.lower() for one in known if one}


def _invoice_of(drawer: Drawer, intent: str) -> str:
    found = (
        one.owner
        for one in drawer.all("invoice_payment")
        if one.body["payment"]["payment_intent"] == intent
    )
    return next(found, "")


def _charge_of(drawer: Drawer, paid: str) -> Entry:
    entry = drawer.entry(paid)
    if entry.kind == "invoice":
        payment = next(iter(drawer.all("invoice_payment", paid)), None)
        if payment is None:
            raise Refused("Nothing was paid for this invoice.")
        entry = drawer.entry(payment.body["payment"]["payment_intent"])
    if entry.kind == "payment_intent":
        if not entry.body["latest_charge"]:
            raise Refused("Nothing was paid here.")
        entry = drawer.entry(entry.body["latest_charge"])
    if entry.kind != "charge":
        raise Refused("Only a payment can be given back or disputed.")
    return entry
