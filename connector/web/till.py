"""The Till's pages: a checkout, a portal, invoices and a bank, all of them play.

They exist only while there is no key of Stripe (app.py says so), and whoever has the unguessable
address of one may use it. What happens here is told to the site by signed events, which go the
way Stripe's go; no card number is asked for.
"""

import asyncio
import logging
from functools import partial
from typing import Any, cast, get_args

import anyio.from_thread
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector import clock
from connector.errors import ConnectorError, DatabaseUnavailable, NotFound, Refused
from connector.membership import money
from connector.membership.money import Amount
from connector.readers.subscriber import LONGEST_NAME
from connector.till import desk, events
from connector.till.customers import Card
from connector.till.desk import Outcome, Payer
from connector.till.events import Delivered
from connector.web import forms, guard
from connector.web.site import Site, page, see, site_of

log = logging.getLogger(__name__)

HOOK = "/hooks/stripe"
DECLINED, DONE = "declined", "done"
LONGEST = 255


# Checkout


def checkout(request: Request) -> Response:
    """Whoever has the session's address: what is bought, and how to pay it with play money."""
    return _checkout(request)


async def pay(request: Request) -> Response:
    """Whoever has the session's address: pay, or have the card declined. Twice pays once."""
    site, key = site_of(request), request.path_params["session"]
    sent = await forms.read(request)
    visit = await run_in_threadpool(_visit, request)
    if visit.session["status"] != "open":
        return see(f"/till/{key}")
    try:
        payer = _payer(sent, visit)
        ask = partial(desk.pay, site.db, site.settings, key, payer=payer, now=clock.now())
        outcome = await run_in_threadpool(ask)
    except Refused as error:
        return await run_in_threadpool(_checkout, request, sent=sent, error=str(error))
    return _go(outcome, f"/till/{key}")


async def abandon(request: Request) -> Response:
    """Whoever has the session's address: go back to where they came from, without paying."""
    site, key = site_of(request), request.path_params["session"]
    leave = partial(desk.abandon, site.db, site.settings, key, now=clock.now())
    return RedirectResponse(await run_in_threadpool(leave), status_code=303)


def bank(request: Request) -> Response:
    """Whoever has the session's address: the bank asks whether it is them."""
    visit, key = _visit(request), request.path_params["session"]
    if visit.session["status"] != "open":
        return see(f"/till/{key}")
    due = _show(request)(visit.session["amount_total"], visit.session["currency"])
    return _page(request, "till/bank.html", due=due)


async def answer(request: Request) -> Response:
    """Whoever has the session's address: what they told the bank."""
    site, key = site_of(request), request.path_params["session"]
    if (await run_in_threadpool(_visit, request)).session["status"] != "open":
        return see(f"/till/{key}")
    is_them = (await forms.read(request)).get("answer") == "yes"
    ask = partial(desk.authenticate, site.db, site.settings, key, is_them=is_them, now=clock.now())
    return _go(await run_in_threadpool(ask), f"/till/{key}")


# Portal


def portal(request: Request) -> Response:
    """Whoever has the portal's address: their plans, card and invoices."""
    found = _portal(request)
    return _page(
        request,
        "till/portal.html",
        **found,
        key=request.path_params["portal"],
        said=_said(request),
    )


async def change_card(request: Request) -> Response:
    """Whoever has the portal's address: another card, which may be declined."""
    card = _card(await forms.read(request))
    return await _in_portal(request, partial(desk.update_card, card=card))


async def cancel(request: Request) -> Response:
    """Whoever has the portal's address: let a plan run out."""
    plan = forms.text(await forms.read(request), "plan")
    return await _in_portal(request, partial(desk.cancel, subscription=plan))


async def resume(request: Request) -> Response:
    """Whoever has the portal's address: keep a plan that was to run out."""
    plan = forms.text(await forms.read(request), "plan")
    return await _in_portal(request, partial(desk.resume, subscription=plan))


# Invoices, receipts, and the bank at a renewal


def invoice(request: Request) -> Response:
    """Whoever has the invoice's address: what it is for, and a way to pay it while it is open."""
    return _invoice(request, is_pdf=False)


def printed(request: Request) -> Response:
    """Whoever has the invoice's address: the same, where Stripe would have a PDF."""
    return _invoice(request, is_pdf=True)


async def pay_invoice(request: Request) -> Response:
    """Whoever has the invoice's address: pay it, or have the card declined. Twice pays once."""
    site, key = site_of(request), request.path_params["invoice"]
    card = _card(await forms.read(request))
    ask = partial(desk.pay_invoice, site.db, site.settings, key, card=card, now=clock.now())
    found, _ = await run_in_threadpool(_invoice_of, request)
    if found["status"] != "open":
        return see(f"/till/invoices/{key}")
    return _go(await run_in_threadpool(ask), f"/till/invoices/{key}")


def receipt(request: Request) -> Response:
    """Whoever has the receipt's address: what was paid, when, and what came back."""
    site, key = site_of(request), request.path_params["charge"]
    charge = desk.receipt(site.db, site.settings, key, now=clock.now())
    return _page(request, "till/receipt.html", charge=charge)


def bank_at_renewal(request: Request) -> Response:
    """Whoever has the payment's address: the bank asks about a renewal."""
    site, key = site_of(request), request.path_params["intent"]
    intent, bill = desk.intent(site.db, site.settings, key, now=clock.now())
    if intent["status"] != "requires_action":
        if not bill:
            raise NotFound(desk.NOTHING)
        return see(f"/till/invoices/{bill}")
    due = _show(request)(intent["amount"], intent["currency"])
    return _page(request, "till/bank.html", due=due)


async def answer_at_renewal(request: Request) -> Response:
    """Whoever has the payment's address: what they told the bank about a renewal."""
    site, key = site_of(request), request.path_params["intent"]
    is_them = (await forms.read(request)).get("answer") == "yes"
    look = partial(desk.intent, site.db, site.settings, key, now=clock.now())
    intent, bill = await run_in_threadpool(look)
    if intent["status"] != "requires_action":
        return see(f"/till/3ds/{key}")
    ask = partial(desk.answer_bank, site.db, site.settings, key, is_them=is_them, now=clock.now())
    return _go(await run_in_threadpool(ask), f"/till/invoices/{bill}")


# Events on their way to the site


class Bell:
    """ASGI middleware of the Till: after each post, what happened is told to the site.

    The answer has gone out by then, and a bell that fails changes nothing: what was not
    taken waits for the next post.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        if is_post and not scope["path"].startswith(guard.HOOKS):
            try:
                await ring(scope["app"])
            except DatabaseUnavailable:
                pass  # the page that was asked for has said so
            except ConnectorError as error:
                log.warning("The Till's events wait: %s", error)


async def ring(app: ASGIApp, **how: Any) -> Delivered:
    """Hand every waiting event to the app's own hook, as `events.deliver` says."""
    site: Site = cast("Any", app).state.site

    def post(body: bytes, signature: str) -> int:
        return anyio.from_thread.run(_post, app, site.settings.host, body, signature)

    return await run_in_threadpool(events.deliver, site.db, site.settings, post, **how)


async def _post(app: ASGIApp, host: str, body: bytes, signature: str) -> int:
    """The status that a post to the hook is answered with, through everything before it."""
    headers = {
        "host": host,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "stripe-signature": signature,
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": HOOK,
        "raw_path": HOOK.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": (host, 80),
        "state": {},
    }
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])
    said: list[int] = []

    async def receive() -> Message:
        found: Message | None = next(asked, None)
        if found is None:
            await asyncio.Event().wait()
        return found or {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            said.append(message["status"])

    try:
        await app(scope, receive, send)
    except Exception:
        log.exception("The site could not take an event of the Till's.")
    return said[0] if said else 500


# What they share


def _checkout(request: Request, *, sent: FormData | None = None, error: str = "") -> Response:
    visit = _visit(request)
    typed = visit.typed if sent is None else _typed(sent, visit)
    limits = next(
        (one["price"]["custom_unit_amount"] for one in visit.lines if _is_open(one)), None
    )
    return _page(
        request,
        "till/checkout.html",
        status_code=422 if error else 200,
        session=visit.session,
        lines=visit.lines,
        typed=typed,
        limits=limits,
        amount=forms.text(sent, "amount") if sent else _written(visit, typed),
        back=visit.session["success_url"].replace("{CHECKOUT_SESSION_ID}", visit.session["id"]),
        email=_known(visit) or typed.email,
        is_known=bool(_known(visit)),
        error=error,
        said=_said(request),
    )


def _visit(request: Request) -> desk.Visit:
    site, key = site_of(request), request.path_params["session"]
    return desk.visit(site.db, site.settings, key, now=clock.now())


def _payer(sent: FormData, visit: desk.Visit) -> Payer:
    """What was filled in; raises InvalidAmount for an amount that is none."""
    typed = _typed(sent, visit)
    if not any(_is_open(one) for one in visit.lines):
        return typed
    chosen = money.read(forms.text(sent, "amount"), visit.session["currency"])
    return Payer(**vars(typed) | {"amount": chosen.cents})


def _typed(sent: FormData, visit: desk.Visit) -> Payer:
    asked = [one["key"] for one in visit.session["custom_fields"]]
    return Payer(
        card=_card(sent),
        email=forms.text(sent, "email")[:LONGEST],
        name=forms.text(sent, "name")[:LONGEST_NAME],
        promotion_code=forms.text(sent, "promotion_code")[:LONGEST],
        fields={key: forms.text(sent, f"field-{key}")[:LONGEST] for key in asked},
        consents=tuple(name for name in ("terms_of_service", "promotions") if sent.get(name)),
    )


def _is_open(line: dict[str, Any]) -> bool:
    """Whether the payer says how much."""
    return line["price"]["custom_unit_amount"] is not None


def _known(visit: desk.Visit) -> str:
    """The address that is settled before: Stripe shows it, and does not let it be changed."""
    details = visit.session["customer_details"] or {}
    return str(details.get("email") or visit.session["customer_email"] or "")


def _written(visit: desk.Visit, typed: Payer) -> str:
    cents = typed.amount or visit.session["amount_total"]
    return money.plain(Amount(cents, visit.session["currency"])) if cents else ""


def _portal(request: Request) -> dict[str, Any]:
    site, key = site_of(request), request.path_params["portal"]
    return desk.portal_of(site.db, site.settings, key, now=clock.now())


async def _in_portal(request: Request, ask: "partial[Any]") -> Response:
    """Do something in the portal, and show it there; a declined card is told in kind words."""
    site, key = site_of(request), request.path_params["portal"]
    await run_in_threadpool(_portal, request)
    try:
        await run_in_threadpool(ask, site.db, site.settings, key, now=clock.now())
    except Refused as error:
        if ask.func is not desk.update_card:
            raise
        log.info("A card was not taken at the Till: %s", error)
        return see(f"/till/portal/{key}?said={DECLINED}")
    return see(f"/till/portal/{key}?said={DONE}")


def _invoice(request: Request, *, is_pdf: bool) -> Response:
    found, charges = _invoice_of(request)
    return _page(
        request,
        "till/invoice.html",
        invoice=found,
        charges=charges,
        is_pdf=is_pdf,
        said=_said(request),
    )


def _invoice_of(request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    site, key = site_of(request), request.path_params["invoice"]
    return desk.invoice(site.db, site.settings, key, now=clock.now())


def _go(outcome: Outcome, here: str) -> Response:
    """Where to after trying to pay: on, to the bank, or back to where it can be tried again."""
    if outcome.what == "declined":
        return see(f"{here}?said={DECLINED}")
    if outcome.what == "3ds":
        return see(f"{here}/3ds")
    return RedirectResponse(outcome.url, status_code=303) if outcome.url else see(here)


def _page(request: Request, template: str, *, status_code: int = 200, **known: Any) -> Response:
    # Paying leads on to the site under its own name, which need not be the one in the address bar.
    policy = guard.policy(form_action=f"'self' {site_of(request).settings.publication.url}")
    return page(
        request,
        template,
        status_code=status_code,
        headers={"Content-Security-Policy": policy},
        money=_show(request),
        **known,
    )


def _show(request: Request) -> Any:
    language = site_of(request).settings.publication.language

    def show(cents: int, currency: str) -> str:
        return money.show(Amount(cents or 0, currency), language)

    return show


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in (DECLINED, DONE) else ""


def _card(sent: FormData) -> Card:
    word = forms.text(sent, "card") or "ok"
    if word not in get_args(Card):
        raise Refused("The Till knows no such card.")
    return cast("Card", word)
