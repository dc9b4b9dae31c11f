"""Joining: what one can choose, the way to the checkout, and the thanks when it is done.

A checkout is made by a post alone, for somebody whose address is proved; nothing of a payment is
believed before Stripe says so.
"""

import re
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from connector import clock
from connector.delivery import links
from connector.errors import NotFound, PaymentsUnavailable
from connector.membership import gifts, plan, projection, stripe_api, tiers
from connector.membership.billing import Checkout, Subscription
from connector.publishing import store as issues
from connector.readers import signup
from connector.readers.subscriber import Subscriber
from connector.settings import FREE
from connector.web import choosing, forms, session
from connector.web.choosing import ChoiceForm
from connector.web.forms import SubscribeForm
from connector.web.plan import name_of, price_of, shown, stands
from connector.web.site import PUBLIC, Site, client_of, page, see, site_of

SESSION = re.compile(r"cs_\w{1,200}", re.ASCII)
AWAY = (
    "Payments are away for a moment. Nothing was charged, and nothing is lost: "
    "the letters come all the same."
)


# Choosing


def subscribe(request: Request) -> Response:
    """Anyone: what there is, free first, on a page of its own."""
    return _choosing(request, headers=PUBLIC)


async def ask_to_subscribe(request: Request) -> Response:
    """Anyone: ask to be put on the list, with what they chose; the answer never says who is on it.

    Who is signed in goes on to the checkout at once.
    """
    sent = await forms.read(request)
    reader = await run_in_threadpool(session.reader, request)
    choice = choosing.read(sent, site_of(request).settings)
    form = SubscribeForm.parse(sent, referrer=request.headers.get("referer", ""))
    if (refused := await run_in_threadpool(_beside_offer, request, form, choice)) is not None:
        return refused
    if reader is not None and not form.email and not choice.errors:
        return await onward(request, reader, choice) if choice.choice else see("/account")
    if choice.errors or form.errors:
        return await run_in_threadpool(_again, request, form, choice)
    if not form.is_trapped:
        query = _query(forms.text(sent, "gift"), choice)
        await run_in_threadpool(ask, request, form, query)
    return see("/subscribe/sent")


def sent(request: Request) -> Response:
    """Anyone who just asked: what to do next."""
    return page(request, "pages/sent.html", headers=PUBLIC)


def offer(request: Request) -> Response:
    """Anyone with the link of an offer: what it is, and the same form with the offer in it."""
    site, code = site_of(request), request.path_params["name"]
    found, is_away = None, False
    try:
        found = stripe_api.promotion(site.payments(), code)
    except PaymentsUnavailable:
        is_away = True
    return _choosing(
        request,
        "pages/offer.html",
        choice=ChoiceForm(offer=code if found or is_away else ""),
        only=found.tiers if found else (),
        told=choosing.told_of_offer(site.settings, found) if found else "",
        is_away=is_away,
        status_code=503 if is_away else 200,
    )


# Going to the checkout


def join(request: Request) -> Response:
    """Who is signed in: what they chose, once more, and the button that leads to the payment."""
    reader = session.require(request)
    site = site_of(request)
    if _has_plan(request, reader):
        return see("/account")
    choice = choosing.wished(request.query_params.get("join", ""), site.settings)
    if choice.choice is None:
        return _choosing(request, choice=choice, status_code=422 if choice.errors else 200)
    return _chosen(request, reader, choice, is_back="back" in request.query_params)


async def go(request: Request) -> Response:
    """Who is signed in: on to the checkout. Who pays already is shown their plan."""
    choice = choosing.read(await forms.read(request), site_of(request).settings)
    reader = await run_in_threadpool(session.reader, request)
    again = SubscribeForm()
    if (refused := await run_in_threadpool(_beside_offer, request, again, choice)) is not None:
        return refused
    if reader is None:
        return see(f"/signin?next={quote(_path(choice), safe='/')}")
    if choice.errors:
        return await run_in_threadpool(_again, request, again, choice)
    return await onward(request, reader, choice) if choice.choice else see("/account")


async def onward(request: Request, reader: Subscriber, choice: ChoiceForm) -> Response:
    """From a choice to the checkout; when payments are away, to a page that says so kindly."""
    try:
        return see(await run_in_threadpool(_begin, request, reader, choice))
    except PaymentsUnavailable:
        again = partial(_chosen, problem=AWAY, status_code=503)
        return await run_in_threadpool(again, request, reader, choice)


async def go_on(request: Request, reader: Subscriber) -> Response:
    """From a confirmed address, signed in, to what was chosen before; else to the welcome."""
    response = await _onward(request, reader) or see("/welcome")
    await run_in_threadpool(session.begin, response, request, reader)
    return response


async def _onward(request: Request, reader: Subscriber) -> Response | None:
    if code := request.query_params.get("gift"):
        return see(f"/gift/{gifts.read_code(code)}")
    choice = _wished(request)
    return await onward(request, reader, choice) if choice.choice else None


def chosen(request: Request) -> str:
    """In words, the membership that the link of a letter goes on to."""
    settings = site_of(request).settings
    choice = _wished(request).choice
    return f"{choice.name}, {choosing.told(settings, choice)}" if choice else ""


def carried(request: Request) -> str:
    """The query that the link of a letter carried, for the next one; only what is ours."""
    query = _query(request.query_params.get("gift", ""), _wished(request))
    return f"?{query}" if query else ""


def _wished(request: Request) -> ChoiceForm:
    return choosing.wished(request.query_params.get("join", ""), site_of(request).settings)


# Thanks


def thanks(request: Request) -> Response:
    """Whoever comes back from the checkout: what became of it, as Stripe says this moment.

    Only who paid sees what was paid, and a reload shows the same.
    """
    site, key = site_of(request), request.query_params.get("checkout", "")
    if not SESSION.fullmatch(key):
        raise NotFound("There is no such payment here.")
    try:
        found = projection.project_checkout(
            site.db, site.settings, site.payments(), key, now=site.payments.now()
        )
    except PaymentsUnavailable:
        return page(request, "pages/thanks.html", status_code=503, state="away", mine=False)
    reader = session.reader(request)
    mine = found.subscriber_id is None or (reader is not None and reader.id == found.subscriber_id)
    return page(
        request,
        "pages/thanks.html",
        state=_state(found),
        kind=found.kind,
        mine=mine,
        reader=reader if mine else None,
        **(_paid(site, found) if mine else {}),
    )


# What they share


def ask(request: Request, form: SubscribeForm, onward: str) -> None:
    """Write to an address, with the way on in the letter."""
    site = site_of(request)
    signup.subscribe(
        site.db,
        site.settings,
        site.environment,
        email=form.email,
        name=form.name,
        page=form.page,
        client=client_of(request),
        now=clock.now(),
        onward=onward,
    )


def local(site: Site, url: str) -> str:
    """A page of our own without its host, so that it opens where the reader is."""
    for root in (home(site), site.settings.publication.url.rstrip("/")):
        if url.startswith(f"{root}/"):
            return url.removeprefix(root)
    return url


def home(site: Site) -> str:
    """The root of the site as Stripe takes it: an international host in its ASCII form."""
    return links.site(site.settings).rstrip("/")


def _begin(request: Request, reader: Subscriber, choice: ChoiceForm) -> str:
    """Where they pay; where they see their plan when they pay already."""
    site = site_of(request)
    if choice.choice is None:
        return "/subscribe"
    if _has_plan(request, reader):
        return "/account"
    checkout = plan.begin(
        site.db,
        site.settings,
        site.payments(),
        reader,
        choice.choice,
        success_url=f"{home(site)}/join/thanks",
        cancel_url=f"{home(site)}{_path(choice)}&back=1",
        now=site.payments.now(),
        promotion=choice.offer,
    )
    return local(site, checkout.url)


def _has_plan(request: Request, reader: Subscriber) -> bool:
    """Whether they pay, or have one that pauses or waits for a payment: it is theirs to go on."""
    return stands(request, reader) != "none"


def _path(choice: ChoiceForm) -> str:
    query = _query("", choice)
    return f"/join?{query}" if query else "/join"


def _query(gift: str, choice: ChoiceForm) -> str:
    if gift:
        return urlencode({"gift": gifts.read_code(gift)})
    return urlencode({"join": str(choice.wish)}) if choice.wish else ""


def _choosing(
    request: Request,
    template: str = "pages/subscribe.html",
    *,
    form: SubscribeForm | None = None,
    choice: ChoiceForm | None = None,
    only: tuple[str, ...] = (),
    **more: Any,
) -> Response:
    settings = site_of(request).settings
    currency = request.path_params.get("currency", "")
    known = choosing.currencies(settings)
    if currency and currency not in known:
        raise NotFound("There is nothing to be had in this currency.")
    reader = session.reader(request)
    choice = choice or ChoiceForm()
    if not currency and choice.currency in known:
        currency = choice.currency
    shelves = [one for one in choosing.shelves(settings, currency) if not only or one.key in only]
    if any(one.trial_days for one in shelves) and _has_had_one(request, reader):
        shelves = [replace(one, trial_days=0) for one in shelves]
    return page(
        request,
        template,
        form=form or SubscribeForm(),
        choice=choice,
        reader=reader,
        shelves=shelves,
        currency=currency or (known[0] if known else ""),
        currencies=known,
        free=tiers.find(settings, FREE),
        has_tip=tiers.has_tip(settings),
        **more,
    )


def _beside_offer(request: Request, form: SubscribeForm, choice: ChoiceForm) -> Response | None:
    """The page of the offer, when what was chosen is none of it; None where all is well.

    While nobody can be asked about it, all is well: it is seen at the payment.
    """
    site = site_of(request)
    if choice.choice is None or not choice.offer or form.is_trapped:
        return None
    try:
        found = stripe_api.promotion(site.payments(), choice.offer)
    except PaymentsUnavailable:
        return None
    beside = choosing.against(choice, site.settings, found) if found else choice
    if found is None or not beside.errors:
        return None
    return _choosing(
        request,
        "pages/offer.html",
        form=form,
        choice=beside,
        only=found.tiers,
        told=choosing.told_of_offer(site.settings, found),
        is_away=False,
        status_code=422,
    )


def _has_had_one(request: Request, reader: Subscriber | None) -> bool:
    """Whether they paid before: days of trial are for who never did."""
    site = site_of(request)
    return reader is not None and plan.has_had_one(site.db, site.settings, reader.id)


def _again(request: Request, form: SubscribeForm, choice: ChoiceForm) -> Response:
    return _choosing(request, form=form, choice=choice, status_code=422)


def _chosen(
    request: Request,
    reader: Subscriber,
    choice: ChoiceForm,
    *,
    is_back: bool = False,
    problem: str = "",
    status_code: int = 200,
) -> Response:
    settings = site_of(request).settings
    days = choice.choice.trial_days if choice.choice else 0
    return page(
        request,
        "pages/join.html",
        status_code=status_code,
        choice=choice,
        chosen=choice.choice,
        trial_days=0 if days and _has_had_one(request, reader) else days,
        told=choosing.told(settings, choice.choice) if choice.choice else "",
        is_back=is_back,
        problem=problem,
    )


def _state(found: Checkout) -> str:
    """`paid`, `coming` for what a bank has yet to send, `open`, or `expired`."""
    if found.status == "complete":
        return "paid" if found.is_paid else "coming"
    return "expired" if found.status == "expired" else "open"


def _paid(site: Site, found: Checkout) -> dict[str, Any]:
    """What whoever paid may see of it, and what to read next."""
    now_is = _subscription(site, found)
    with site.db.read() as connection:
        latest = issues.latest(connection, clock.now())
    settings = site.settings
    return {
        "tier": name_of(settings, found.tier),
        "amount": shown(settings, found.amount),
        "way_back": local(site, found.url) if found.status == "open" else "",
        "plan": now_is,
        "price": price_of(settings, now_is) if now_is else "",
        "is_second": bool(found.subscription_id) and now_is is None,
        "gift": gifts.bought(site.db, found) if found.kind == "gift" else None,
        "months": choosing.for_months(found.months),
        "latest": latest,
    }


def _subscription(site: Site, found: Checkout) -> Subscription | None:
    """The membership that a visit began, if it is the one that counts."""
    if found.subscriber_id is None or not found.subscription_id:
        return None
    known = plan.current(site.db, site.settings, found.subscriber_id)
    return known if known is not None and known.id == found.subscription_id else None
