"""The Till in words: how it stands, and what has happened there, one sentence for each thing.

It changes nothing.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.membership import money
from connector.membership.money import Amount
from connector.settings import Settings
from connector.till import store, turning
from connector.till.drawer import Drawer
from connector.till.shapes import Body
from connector.till.subscriptions import OVER

NEWEST = 10
GONE = "customer.subscription.deleted"


@dataclass(frozen=True)
class Plan:
    """Somebody's plan, in words."""

    who: str
    what: str
    status: str
    next: str


@dataclass(frozen=True)
class Payment:
    """Something that was paid, in words; `id` is what refunds and disputes ask for."""

    id: str
    who: str
    what: str
    when: str
    state: str


@dataclass(frozen=True)
class Standing:
    """What is in the Till; times in milliseconds."""

    now: int
    ahead: int
    plans: list[Plan] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)  # the newest
    ended: int = 0
    sessions: int = 0  # open, nobody has paid yet
    disputes: list[str] = field(default_factory=list)
    waiting: int = 0  # events nobody has taken yet
    faults: dict[str, int] = field(default_factory=dict)


def standing(db: Database, settings: Settings, *, now: int) -> Standing:
    """How the Till stands."""
    with turning.opened(db, settings, now=now) as drawer:
        subscriptions = [one.body for one in drawer.all("subscription")]
        running = [one for one in subscriptions if one["status"] not in OVER]
        paid = [one.body for one in drawer.all("charge") if one.body["paid"]]
        sessions = [one.body["status"] for one in drawer.all("checkout.session")]
        disputes = [one.body for one in drawer.all("dispute")]
        return Standing(
            now=drawer.now * SECOND,
            ahead=store.clock(drawer.connection).ahead,
            plans=[_plan(drawer, one) for one in running],
            payments=[_payment(drawer, one) for one in reversed(paid[-NEWEST:])],
            ended=len(subscriptions) - len(running),
            sessions=sessions.count("open"),
            disputes=[one["id"] for one in disputes if one["status"] == "needs_response"],
            waiting=len(store.waiting(drawer.connection)),
            faults=store.faults(drawer.connection),
        )


def newest(db: Database) -> int:
    """The number of the newest event, to tell later what came after it."""
    with db.read() as connection:
        return store.last_event(connection)


def told(db: Database, settings: Settings, *, after: int, now: int) -> list[str]:
    """What happened after an event: a day and a sentence each, in order."""
    with turning.opened(db, settings, now=now) as drawer:
        # What was tried in vain comes before what that led to, in the same second.
        events = sorted(
            store.events_after(drawer.connection, after), key=lambda one: (one.at, one.type == GONE)
        )
        return list(_sentences(drawer, events))


def day(settings: Settings, at: int) -> str:
    """“1 October 2026”, of a time in milliseconds."""
    when = clock.moment(at, settings.publication.zone)
    return f"{when.day} {when:%B %Y}"


def _sentences(drawer: Drawer, events: list[store.Event]) -> Iterator[str]:
    asked: set[str] = set()  # invoices that the bank asked about: that is why they failed
    for event in events:
        body = json.loads(event.body)
        found: Body = body["data"]["object"]
        if event.type == "invoice.payment_action_required":
            asked.add(found["id"])
        elif event.type == "invoice.payment_failed" and found["id"] in asked:
            continue
        if sentence := _sentence(drawer, event.type, found):
            yield f"{day(drawer.settings, event.at)}: {sentence}"


def _sentence(drawer: Drawer, kind: str, found: Body) -> str:
    """What an event says; empty for what nobody needs to hear."""
    who = _who(drawer, found)
    if say := SENTENCES.get(kind):
        return say(drawer, who, found)
    return PLAIN.get(kind, "").format(who=who)


def _paid(drawer: Drawer, who: str, invoice: Body) -> str:
    return f"{who} paid {_sum(drawer, invoice, 'amount_paid')}." if invoice["amount_paid"] else ""


def _failed(drawer: Drawer, who: str, invoice: Body) -> str:
    again = invoice["next_payment_attempt"]
    then = f"It is tried again on {_day(drawer, again)}." if again else "It is not tried again."
    return f"{_sum(drawer, invoice, 'amount_due')} from {who} was declined. {then}"


def _asked(drawer: Drawer, who: str, invoice: Body) -> str:
    amount, page = _sum(drawer, invoice, "amount_due"), invoice["hosted_invoice_url"]
    return f"The bank of {who} asks about {amount} first; it can be paid at {page}"


def _completed(drawer: Drawer, who: str, session: Body) -> str:
    is_once = session["mode"] == "payment"
    return f"{who} paid {_sum(drawer, session, 'amount_total')} once." if is_once else ""


def _trial(drawer: Drawer, who: str, plan: Body) -> str:
    return f"The free days of {who} end on {_day(drawer, plan['trial_end'])}."


def _refunded(drawer: Drawer, who: str, refund: Body) -> str:
    return f"{who} got {_sum(drawer, refund, 'amount')} back."


def _disputed(drawer: Drawer, who: str, dispute: Body) -> str:
    return f"{who} asked the bank for {_sum(drawer, dispute, 'amount')} back ({dispute['id']})."


def _decided(_: Drawer, who: str, dispute: Body) -> str:
    return f"The bank has decided about {who}: the dispute is {dispute['status']}."


SENTENCES: dict[str, Callable[[Drawer, str, Body], str]] = {
    "charge.dispute.closed": _decided,
    "charge.dispute.created": _disputed,
    "checkout.session.completed": _completed,
    "customer.subscription.trial_will_end": _trial,
    "invoice.paid": _paid,
    "invoice.payment_action_required": _asked,
    "invoice.payment_failed": _failed,
    "refund.created": _refunded,
}
PLAIN = {
    "checkout.session.expired": "A checkout that nobody finished was closed.",
    "customer.subscription.created": "{who} joined.",
    GONE: "The plan of {who} ended.",
    "customer.subscription.paused": "The plan of {who} is paused.",
    "customer.subscription.resumed": "The plan of {who} goes on.",
    "radar.early_fraud_warning.created": "A payment of {who} may be a fraud, says the bank.",
}


def _plan(drawer: Drawer, one: Body) -> Plan:
    item = one["items"]["data"][0]
    price = item["price"]
    amount = _sum(drawer, one | price, "unit_amount")
    end = _day(drawer, item["current_period_end"])
    return Plan(
        who=_who(drawer, one),
        what=f"{amount} every {price['recurring']['interval']}",
        status=one["status"].replace("_", " "),
        next=f"ends {end}" if one["cancel_at_period_end"] else end,
    )


def _payment(drawer: Drawer, charge: Body) -> Payment:
    state = "paid"
    if charge["amount_refunded"]:
        state = f"{_sum(drawer, charge, 'amount_refunded')} given back"
    if charge["disputed"]:
        state = "disputed"
    return Payment(
        id=charge["id"],
        who=_who(drawer, charge),
        what=_sum(drawer, charge, "amount"),
        when=_day(drawer, charge["created"]),
        state=state,
    )


def _who(drawer: Drawer, found: Body) -> str:
    """The address of whoever it is about."""
    charge = drawer.look(found["charge"]) if found.get("charge") else None
    about = charge.body if charge else found
    payer = drawer.look(about["customer"]) if about.get("customer") else None
    details = about.get("billing_details") or about.get("customer_details") or {}
    known = (payer.body.get("email") if payer else None) or details.get("email")
    return str(known or "somebody")


def _sum(drawer: Drawer, found: Body, name: str) -> str:
    language = drawer.settings.publication.language
    return money.show(Amount(found[name] or 0, found["currency"]), language)


def _day(drawer: Drawer, at: int) -> str:
    return day(drawer.settings, at * SECOND)
