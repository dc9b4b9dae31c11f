"""Giving: once as a tip, or some months of membership to somebody else, and taking such a gift.

Giving needs no membership and no sign-in; taking needs to know who takes it.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from connector import clock
from connector.errors import NotFound, PaymentsUnavailable, Refused
from connector.membership import gifts, haste, stripe_api, tiers
from connector.membership.gift import Gift
from connector.membership.stripe_api import LONGEST_WORDS
from connector.readers.subscriber import Subscriber
from connector.settings import Settings
from connector.web import choosing, forms, joining, session
from connector.web.choosing import ChoiceForm
from connector.web.plan import name_of, plan_of
from connector.web.site import Site, client_of, page, see, site_of

AHEAD = 365  # days
NO_ADDRESS = "An email address goes here."
HOUR = 9  # when a gift arrives on its day, by the publication's clock


@dataclass(frozen=True)
class GiftForm:
    """For whom a gift is, and who gives it; `send_at` is None for a code to hand on."""

    email: str = ""
    way: str = "code"
    address: str = ""
    day: str = ""
    words: str = ""
    send_at: int | None = None
    is_trapped: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData, settings: Settings, *, is_known: bool, now: int) -> "GiftForm":
        email, way = forms.text(sent, "email"), forms.text(sent, "way")
        to, day = forms.text(sent, "address"), forms.text(sent, "day")
        words = forms.lines(sent, "words")
        errors = {} if is_known else forms.problem_with(email, empty=NO_ADDRESS)
        if len(words) > LONGEST_WORDS:
            errors["words"] = f"That is longer than {LONGEST_WORDS} letters; please say it shorter."
        send_at = None
        if way == "address":
            errors |= forms.problem_with(to, name="address", empty=NO_ADDRESS)
            try:
                send_at = _morning(day, settings.publication.zone, now=now)
            except Refused as error:
                errors["day"] = str(error)
        is_trapped = bool(forms.text(sent, "website"))
        return cls(email, way, to, day, words, send_at, is_trapped, errors)


# Tips


def tip(request: Request) -> Response:
    """Anyone: give once. Raises NotFound where there is no tip."""
    return _tip(request, ChoiceForm())


async def give_tip(request: Request) -> Response:
    """Anyone: on to the checkout, with no sign-in."""
    site = site_of(request)
    choice = choosing.read_tip(await forms.read(request), site.settings)
    if choice.errors:
        return await run_in_threadpool(_tip, request, choice, status_code=422)
    try:
        return see(await run_in_threadpool(_begin_tip, request, choice))
    except PaymentsUnavailable:
        return await run_in_threadpool(_tip, request, choice, problem=joining.AWAY, status_code=503)


def _begin_tip(request: Request, choice: ChoiceForm) -> str:
    site, giver = site_of(request), session.reader(request)
    if choice.choice is None:
        return "/tip"
    _count(request, giver)
    checkout = stripe_api.create_tip(
        site.payments(),
        site.settings,
        choice=choice.choice,
        giver=giver,
        email=giver.email if giver else "",
        success_url=f"{joining.home(site)}/join/thanks",
        cancel_url=f"{joining.home(site)}/tip?back=1",
    )
    return joining.local(site, checkout.url)


def _tip(
    request: Request, choice: ChoiceForm, *, problem: str = "", status_code: int = 200
) -> Response:
    settings = site_of(request).settings
    wanted = _currency(request, choice)
    shelf = choosing.tips(settings, wanted)
    if shelf is None:
        raise NotFound("Nothing can be given here once; but every letter is free to read.")
    known = choosing.currencies(settings, tip=True)
    return page(
        request,
        "pages/tip.html",
        status_code=status_code,
        choice=choice,
        tip=shelf,
        currencies=known,
        currency=wanted or known[0],
        problem=problem,
        is_back="back" in request.query_params,
    )


# Gifts


def gift(request: Request) -> Response:
    """Anyone: give some months away; or, with a code in hand, on to taking it."""
    if code := request.query_params.get("code"):
        return see(f"/gift/{gifts.read_code(code)}")
    return _gift(request, GiftForm(), ChoiceForm())


async def give(request: Request) -> Response:
    """Anyone: on to the checkout of a gift, with no sign-in."""
    site, sent = site_of(request), await forms.read(request)
    buyer = await run_in_threadpool(session.reader, request)
    choice = choosing.read_present(sent, site.settings)
    form = GiftForm.parse(sent, site.settings, is_known=buyer is not None, now=clock.now())
    if choice.errors or form.errors:
        return await run_in_threadpool(_gift, request, form, choice, status_code=422)
    if form.is_trapped:
        return see("/gift")
    try:
        return see(await run_in_threadpool(_begin_gift, request, form, choice))
    except PaymentsUnavailable:
        return await run_in_threadpool(
            _gift, request, form, choice, problem=joining.AWAY, status_code=503
        )


def _begin_gift(request: Request, form: GiftForm, choice: ChoiceForm) -> str:
    site, buyer = site_of(request), session.reader(request)
    if choice.choice is None:
        return "/gift"
    _count(request, buyer)
    checkout = stripe_api.create_gift(
        site.payments(),
        site.settings,
        choice=choice.choice,
        months=choice.months,
        buyer=buyer,
        email=buyer.email if buyer else form.email,
        address=form.address if form.way == "address" else "",
        send_at=form.send_at,
        words=form.words,
        success_url=f"{joining.home(site)}/join/thanks",
        cancel_url=f"{joining.home(site)}/gift?back=1",
    )
    return joining.local(site, checkout.url)


def _gift(
    request: Request,
    form: GiftForm,
    choice: ChoiceForm,
    *,
    problem: str = "",
    status_code: int = 200,
) -> Response:
    settings = site_of(request).settings
    if not tiers.has_paid(settings):
        raise NotFound("Every letter is free to read, so there is nothing to give away.")
    wanted, known = _currency(request, choice), choosing.currencies(settings)
    today = clock.moment(clock.now(), settings.publication.zone).date()
    return page(
        request,
        "pages/gift.html",
        status_code=status_code,
        form=form,
        choice=choice,
        reader=session.reader(request),
        shelves=choosing.presents(settings, wanted),
        currencies=known,
        currency=wanted or known[0],
        problem=problem,
        is_back="back" in request.query_params,
        today=today.isoformat(),
        last=(today + timedelta(days=AHEAD)).isoformat(),
    )


# Taking one


def parcel(request: Request) -> Response:
    """Whoever holds the code: what it is worth; who is signed in has a button to take it."""
    site, found, reader = site_of(request), _found(request), session.reader(request)
    if reader is not None and found.taken_by == reader.id and found.ended_at is None:
        presents = plan_of(request, reader).presents
        until = next((one.until for one in presents if one.kind == "gift"), None)
        return page(
            request,
            "pages/gift_taken.html",
            reader=reader,
            tier=name_of(site.settings, found.tier),
            ends_at=until,
        )
    return page(
        request,
        "pages/parcel.html",
        reader=reader,
        is_taken=found.taken_by is not None,
        is_over=found.ended_at is not None,
        **_words(site, found),
    )


async def take(request: Request) -> Response:
    """Who is signed in and holds the code: be a member by it, once; again is harmless."""
    return await run_in_threadpool(_take, request)


def card(request: Request) -> Response:
    """Whoever holds the code: the gift on a page to print and to fold."""
    site, found = site_of(request), _found(request)
    return page(request, "pages/gift_card.html", **_words(site, found))


def _take(request: Request) -> Response:
    site, code = site_of(request), gifts.read_code(request.path_params["code"])
    reader = session.reader(request)
    if reader is None:
        return see(f"/signin?next=/gift/{code}")
    gifts.take(site.db, site.settings, code, subscriber_id=reader.id, now=site.payments.now())
    return see(f"/gift/{code}")


def _found(request: Request) -> Gift:
    site = site_of(request)
    return gifts.find(site.db, site.settings, request.path_params["code"])


def _words(site: Site, found: Gift) -> dict[str, Any]:
    return {
        "code": found.code,
        "tier": name_of(site.settings, found.tier),
        "months": choosing.for_months(found.months),
        "words": found.words,
    }


# What they share


def _count(request: Request, reader: Subscriber | None) -> None:
    """Refuse a client in haste, unless somebody is signed in there. Raises TooManyRequests."""
    if reader is None:
        site = site_of(request)
        haste.count(site.db, site.settings, client=client_of(request), now=clock.now())


def _currency(request: Request, choice: ChoiceForm) -> str:
    """The one that was asked for, or that was chosen in; empty for the first of each tier."""
    return (choice.currency or request.query_params.get("in", "")).lower()


def _morning(day: str, zone: str, *, now: int) -> int:
    """When a gift of a day is sent; now for today, and for no day at all. Raises Refused."""
    if not day:
        return now
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise Refused("Write the day like 2026-12-24, or leave it empty for today.") from None
    today = clock.moment(now, zone).date()
    if wanted < today:
        raise Refused("That day is over. Choose today or a later one.")
    if wanted > today + timedelta(days=AHEAD):
        raise Refused("That is more than a year ahead. Choose an earlier day.")
    at = clock.parse(f"{wanted} {HOUR:02}:00", now=now, zone=zone)
    return max(now, at)
