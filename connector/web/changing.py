"""A member changes their plan: another amount, an end, a pause, the card.

Money moves only on a post, at the price that the page before it showed; nothing here knows
anybody's card.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector import clock
from connector.clock import MINUTE
from connector.errors import ExpiredLink, InvalidAmount, InvalidLink, NotFound, Refused
from connector.membership import money, plan, store, stripe_api, tiers
from connector.membership.billing import Every, Preview, Subscription
from connector.membership.stripe_api import Choice
from connector.membership.tiers import Offer
from connector.readers.subscriber import Subscriber
from connector.settings import FREE, TIP, Settings
from connector.web import forms, session
from connector.web.plan import (
    State,
    name_of,
    plan_of,
    price_of,
    priced,
    shown,
    stands,
    state_of,
)
from connector.web.site import Site, page, see, site_of

ACCOUNT = "/account"
AGREED = "change of plan"
HOLDS = 30 * MINUTE  # how long a price that was shown may be agreed to
LONGEST_REASON = 500
DECLINED = (
    "Your card was declined. Nothing was changed and nothing was charged; another card may do."
)
Verb = Callable[..., Subscription]


@dataclass(frozen=True)
class PlanForm:
    """A plan as `tier:every`, an amount as typed, and what was agreed to, if anything was."""

    plan: str = ""
    amount: str = ""
    agreed: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "PlanForm":
        return cls(forms.text(sent, "plan"), forms.text(sent, "amount"), forms.text(sent, "agreed"))

    def but(self, error: Exception) -> "PlanForm":
        """The same, with what was wrong at its field."""
        name = "amount" if isinstance(error, InvalidAmount) else "plan"
        return replace(self, errors={name: str(error)})


@dataclass(frozen=True, slots=True)
class Way:
    """A plan one can change to; without a `price` its payer fills in the amount."""

    plan: str
    name: str
    every: Every
    price: str
    suggested: tuple[str, ...]
    least: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change somebody wants. Another change or a renewal in between makes it another one."""

    subscriber_id: int
    one: Subscription
    choice: Choice

    @property
    def is_there(self) -> bool:
        one, choice = self.one, self.choice
        return (one.tier, one.every, one.amount) == (choice.tier, choice.every, choice.amount)

    def __str__(self) -> str:
        one, choice = self.one, self.choice
        before = f"{self.subscriber_id}:{one.id}:{one.price_id}:{one.period_start}"
        after = f"{choice.tier}:{choice.every}:{choice.amount.cents}:{choice.amount.currency}"
        return f"{before}:{after}"


class Agreed(NamedTuple):
    """When the price that was agreed to was shown, and the key by which it happens once."""

    at: int
    key: str


# Another plan


def choosing(request: Request) -> Response:
    """A member: the plans there are, and the amount they pay."""
    one = _changeable(request, session.require(request))
    if one is None:
        return see(ACCOUNT)
    return _choosing(request, one, PlanForm(f"{one.tier}:{one.every}", money.plain(one.amount)))


async def change(request: Request) -> Response:
    """A member: first what another plan would cost, then, with that agreed to, the plan."""
    form = PlanForm.parse(await forms.read(request))
    return await run_in_threadpool(_change, request, form)


def _change(request: Request, form: PlanForm) -> Response:
    subscriber = session.require(request)
    one = _changeable(request, subscriber)
    if one is None:
        return see(ACCOUNT)
    try:
        choice = _choice(site_of(request).settings, one, form)
    except (NotFound, Refused) as error:
        return _choosing(request, one, form.but(error), status_code=422)
    wanted = Wanted(subscriber.id, one, choice)
    if wanted.is_there:
        return _told("changed" if form.agreed else "")
    agreed = _agreed(request, wanted, form.agreed)
    if agreed is None:
        return _preview(request, wanted, form)
    return _do_change(request, wanted, form, agreed)


def _do_change(request: Request, wanted: Wanted, form: PlanForm, agreed: Agreed) -> Response:
    site = site_of(request)
    try:
        changed = plan.change(
            site.db,
            site.settings,
            site.payments(),
            wanted.subscriber_id,
            wanted.choice,
            previewed_at=agreed.at,
            now=site.payments.now(),
            key=agreed.key,
        )
    except NotFound:
        return _told(_moved_on(request, wanted.subscriber_id))
    except Refused:
        declined = replace(form, errors={"card": DECLINED})
        return _choosing(request, wanted.one, declined, status_code=409)
    return _told("waits" if changed.to_agree else "changed")


def _preview(request: Request, wanted: Wanted, form: PlanForm) -> Response:
    site, choice = site_of(request), wanted.choice
    settings = site.settings
    try:
        found = plan.preview(
            site.db,
            settings,
            site.payments(),
            wanted.subscriber_id,
            choice,
            now=site.payments.now(),
        )
    except NotFound:
        return _told(_moved_on(request, wanted.subscriber_id))
    return page(
        request,
        "pages/change_preview.html",
        form=form,
        agreed=_to_agree(site, wanted, found),
        is_stale=bool(form.agreed),
        before=f"{name_of(settings, wanted.one.tier)}, {price_of(settings, wanted.one)}",
        name=choice.name,
        price=priced(settings, choice.amount, choice.every),
        now=shown(settings, found.now) if found.now.cents else "",
        credit=shown(settings, found.credit) if found.credit and found.credit.cents else "",
        next_at=found.next_at,
    )


def _choosing(
    request: Request, one: Subscription, form: PlanForm, *, status_code: int = 200
) -> Response:
    settings = site_of(request).settings
    return page(
        request,
        "pages/change.html",
        status_code=status_code,
        form=form,
        ways=_ways(settings, one),
        name=name_of(settings, one.tier),
        price=price_of(settings, one),
        next_at=one.period_end,
    )


def _changeable(request: Request, subscriber: Subscriber) -> Subscription | None:
    """The plan that can be changed now: one that runs, is paid, and is not about to end."""
    site = site_of(request)
    one = plan.current(site.db, site.settings, subscriber.id)
    return one if one is not None and state_of(one) in ("trial", "active") else None


def _ways(settings: Settings, one: Subscription) -> list[Way]:
    """Every plan there is, in the currency that somebody pays in."""
    offers = [
        offer
        for tier in settings.tiers
        if tier.key not in (FREE, TIP)
        for offer in tiers.offers(settings, tier.key)
        if offer.currency == one.currency
    ]
    return [_way(settings, offer) for offer in offers]


def _way(settings: Settings, offer: Offer) -> Way:
    return Way(
        plan=f"{offer.tier}:{offer.every}",
        name=offer.name,
        every=offer.every,
        price=priced(settings, offer.amount, offer.every) if offer.amount else "",
        suggested=tuple(shown(settings, each) for each in offer.suggested),
        least=shown(settings, offer.least),
    )


def _choice(settings: Settings, one: Subscription, form: PlanForm) -> Choice:
    tier, _, every = form.plan.partition(":")
    if tier in (FREE, TIP):
        raise NotFound("There is no such membership here.")
    return tiers.choose(settings, tier, every=every, currency=one.currency, amount=form.amount)


def _to_agree(site: Site, wanted: Wanted, found: Preview) -> str:
    """What travels with the button: which change of which plan was shown, and when."""
    value = f"{secrets.token_urlsafe(9)}:{found.at}:{wanted}"
    return site.settings.keys.sign_at(AGREED, value, now=clock.now())


def _agreed(request: Request, wanted: Wanted, text: str) -> Agreed | None:
    """What was agreed to; None when the price of just this change has to be shown first."""
    keys = site_of(request).settings.keys
    try:
        value = keys.verify_within(AGREED, text, age=HOLDS, now=clock.now())
    except (InvalidLink, ExpiredLink):
        return None
    key, at, what = value.split(":", 2)
    return Agreed(int(at), key) if what == str(wanted) else None


# Ending, staying, pausing


def cancelling(request: Request) -> Response:
    """A member: until when it lasts if they end it, and whether they are sure."""
    view = plan_of(request, session.require(request))
    if view.state in ("none", "leaving"):
        return see(ACCOUNT)
    return page(request, "pages/cancel.html", plan=view)


async def cancel(request: Request) -> Response:
    """A member: end it when what was paid for is over; at once where nothing is paid for."""
    sent = await forms.read(request)
    return await run_in_threadpool(_cancel, request, forms.text(sent, "reason")[:LONGEST_REASON])


def _cancel(request: Request, reason: str) -> Response:
    return _told(end(request, session.require(request), reason=reason))


def end(request: Request, subscriber: Subscriber, *, reason: str = "") -> str:
    """End somebody's plan as it stands; what to tell them: `leaving`, `ended`, or how it moved on."""
    site, state = site_of(request), stands(request, subscriber)
    asked = (site.db, site.settings, site.payments(), subscriber.id)
    if state in ("active", "trial"):
        try:
            plan.leave(*asked, comment=reason, now=site.payments.now())
        except NotFound:
            return _moved_on(request, subscriber.id)
        return "leaving"
    if state in ("failing", "paused", "unpaid"):
        plan.end(*asked, now=site.payments.now())
        return "ended"
    return ""


def settle_unread(request: Request, subscriber: Subscriber, what: str) -> str:
    """What becomes of the plan of somebody who wants no letters: `end` it, or `keep` paying."""
    if what == "keep":
        site = site_of(request)
        plan.go_on_unread(site.db, site.settings, subscriber, now=site.payments.now())
        return "kept"
    return end(request, subscriber) if what == "end" else ""


def stay(request: Request) -> Response:
    """A member who is leaving: take it back."""
    return _act(request, "stayed", plan.stay, "leaving")


def pausing(request: Request) -> Response:
    """A member: what a pause means, and whether they are sure."""
    view = plan_of(request, session.require(request))
    if not view.may_change:
        return see(ACCOUNT)
    return page(request, "pages/pause_plan.html", plan=view)


def pause(request: Request) -> Response:
    """A member: charge nothing until they go on."""
    return _act(request, "paused", plan.pause, "active", "trial")


def go_on(request: Request) -> Response:
    """A member who paused: go on, and pay from now."""
    return _act(request, "going", plan.go_on, "paused")


def portal(request: Request) -> Response:
    """Anyone who has paid: on to Stripe, for the card and the invoices."""
    site, subscriber = site_of(request), session.require(request)
    with site.db.read() as connection:
        customer = store.customer_of(connection, subscriber.id, mode=site.settings.stripe.mode)
    if customer is None:
        return see(ACCOUNT)
    back = f"{site.settings.publication.url.rstrip('/')}{ACCOUNT}"
    opened = stripe_api.portal(site.payments(), site.settings, customer, return_url=back)
    return RedirectResponse(opened, status_code=303)


def receipt(request: Request) -> Response:
    """Who paid once: on to the receipt of their tip or gift."""
    site, subscriber = site_of(request), session.require(request)
    with site.db.read() as connection:
        known = store.payments_of(connection, subscriber.id, mode=site.settings.stripe.mode)
    wanted = request.path_params["payment"]
    intent = next((one.intent_id for one in known if one.id == wanted), "")
    if not intent:
        raise NotFound("There is no such receipt here.")
    return RedirectResponse(stripe_api.receipt(site.payments(), intent), status_code=303)


def _act(request: Request, what: str, verb: Verb, *states: State) -> Response:
    """One verb where it has something to do; a second click finds it done."""
    site, subscriber = site_of(request), session.require(request)
    if stands(request, subscriber) not in states:
        return see(ACCOUNT)
    try:
        done = verb(site.db, site.settings, site.payments(), subscriber.id, now=site.payments.now())
    except NotFound:
        return _told(_moved_on(request, subscriber.id))
    except Refused:
        return _told("refused")
    return _told("" if state_of(done) == "failing" else what)


def _moved_on(request: Request, subscriber_id: int) -> str:
    """What to tell somebody whose plan is not what their page showed: it is `over`, or another."""
    site = site_of(request)
    running = plan.current(site.db, site.settings, subscriber_id)
    return "over" if running is None else "anew"


def _told(what: str) -> Response:
    return see(f"{ACCOUNT}?plan={what}" if what else ACCOUNT)
