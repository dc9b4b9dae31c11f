"""The web application: every address there is, in one table, and what stands before it.

It starts nothing and opens nothing; whoever serves it brings the settings and the database.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Route

from connector.database import Database
from connector.errors import ConnectorError
from connector.inbound import sns
from connector.inbound.sns import Fetch, Topic
from connector.settings import Settings
from connector.web import (
    account,
    changing,
    entry,
    giving,
    hooks,
    joining,
    own,
    public,
    refusals,
    site,
    stripe_hook,
    till,
    tray,
)
from connector.web.cache import PageMemory
from connector.web.guard import Guard
from connector.web.site import has_till, has_tray

PUBLIC: list[BaseRoute] = [
    Route("/", public.home, name="home"),
    Route("/archive", public.archive, name="archive"),
    Route("/p/{slug}", public.issue, name="issue"),
    Route("/about", public.about, name="about"),
    Route("/feed", public.feed, name="feed"),
    Route("/feed.xml", public.feed, name="feed:xml"),
    Route("/sitemap.xml", public.sitemap, name="sitemap"),
    Route("/robots.txt", public.robots, name="robots"),
    Route("/images/{digest}.{extension}", public.image, name="image"),
    Route("/static/{name:path}", public.asset, name="asset"),
    Route("/healthz", public.health, name="health"),
]
ACCOUNT: list[BaseRoute] = [
    Route("/subscribe", joining.subscribe, name="subscribe"),
    Route("/subscribe", joining.ask_to_subscribe, methods=["POST"], name="subscribe:ask"),
    Route("/subscribe/sent", joining.sent, name="subscribe:sent"),
    Route("/subscribe/{currency}", joining.subscribe, name="subscribe:currency"),
    Route("/confirm/{token}", account.confirmation, name="confirm"),
    Route("/confirm/{token}", account.confirm, methods=["POST"], name="confirm:act"),
    Route("/confirm/{token}/resend", account.resend, methods=["POST"], name="confirm:resend"),
    Route("/welcome", account.welcome, name="welcome"),
    Route("/unsubscribe/{token}", account.leaving, name="unsubscribe"),
    Route("/unsubscribe/{token}", account.unsubscribe, methods=["POST"], name="unsubscribe:act"),
    Route("/unsubscribe/{token}/undo", account.undo, methods=["POST"], name="unsubscribe:undo"),
    Route(
        "/unsubscribe/{token}/plan",
        account.settle_plan,
        methods=["POST"],
        name="unsubscribe:plan",
    ),
    Route("/preferences/{token}", account.overview, name="preferences"),
    Route("/preferences/{token}/name", account.rename, methods=["POST"], name="preferences:name"),
    Route("/preferences/{token}/pause", account.pause, methods=["POST"], name="preferences:pause"),
    Route(
        "/preferences/{token}/resume", account.resume, methods=["POST"], name="preferences:resume"
    ),
    Route(
        "/preferences/{token}/unsubscribe",
        account.leave,
        methods=["POST"],
        name="preferences:unsubscribe",
    ),
    Route(
        "/preferences/{token}/resubscribe",
        account.come_back,
        methods=["POST"],
        name="preferences:resubscribe",
    ),
    Route(
        "/preferences/{token}/plan",
        account.settle_own_plan,
        methods=["POST"],
        name="preferences:plan",
    ),
    Route("/preferences/{token}/data", account.download, name="preferences:data"),
    Route("/preferences/{token}/erase", account.erasing, name="preferences:erase"),
    Route(
        "/preferences/{token}/erase", account.erase, methods=["POST"], name="preferences:erase-act"
    ),
    Route("/goodbye", account.goodbye, name="goodbye"),
    Route("/signin", entry.door, name="signin"),
    Route("/signin", entry.ask, methods=["POST"], name="signin:ask"),
    Route("/signin/code", entry.waiting, name="signin:code"),
    Route("/signin/code", entry.enter, methods=["POST"], name="signin:enter"),
    Route("/signin/{token}", entry.button, name="signin:link"),
    Route("/signin/{token}", entry.follow, methods=["POST"], name="signin:follow"),
    Route("/signout", entry.leave, methods=["POST"], name="signout"),
    Route(
        "/signout/everywhere", entry.leave_everywhere, methods=["POST"], name="signout:everywhere"
    ),
    Route("/account", own.overview, name="own"),
    Route("/account/letters", own.start_letters, methods=["POST"], name="own:letters"),
    Route("/account/email", own.ask_to_move, methods=["POST"], name="own:email"),
    Route("/account/email/stay", own.stay, methods=["POST"], name="own:email-stay"),
    Route("/account/email/{token}", own.moving_page, name="own:moving"),
    Route("/account/email/{token}", own.decide, methods=["POST"], name="own:decide"),
]
PLAN: list[BaseRoute] = [
    Route("/account/plan", changing.choosing, name="plan"),
    Route("/account/plan", changing.change, methods=["POST"], name="plan:change"),
    Route("/account/cancel", changing.cancelling, name="plan:ending"),
    Route("/account/cancel", changing.cancel, methods=["POST"], name="plan:cancel"),
    Route("/account/stay", changing.stay, methods=["POST"], name="plan:stay"),
    Route("/account/pause", changing.pausing, name="plan:pausing"),
    Route("/account/pause", changing.pause, methods=["POST"], name="plan:pause"),
    Route("/account/go-on", changing.go_on, methods=["POST"], name="plan:go-on"),
    Route("/account/portal", changing.portal, methods=["POST"], name="plan:portal"),
    Route("/account/receipts/{payment}", changing.receipt, name="plan:receipt"),
]
JOINING: list[BaseRoute] = [
    Route("/offer/{name}", joining.offer, name="offer"),
    Route("/join", joining.join, name="join"),
    Route("/join", joining.go, methods=["POST"], name="join:go"),
    Route("/join/thanks", joining.thanks, name="join:thanks"),
    Route("/tip", giving.tip, name="tip"),
    Route("/tip", giving.give_tip, methods=["POST"], name="tip:give"),
    Route("/gift", giving.gift, name="gift"),
    Route("/gift", giving.give, methods=["POST"], name="gift:give"),
    Route("/gift/{code}", giving.parcel, name="gift:parcel"),
    Route("/gift/{code}", giving.take, methods=["POST"], name="gift:take"),
    Route("/gift/{code}/card", giving.card, name="gift:card"),
]
HOOKS: list[BaseRoute] = [
    Route("/hooks/stripe", stripe_hook.receive, methods=["POST"], name="hook:stripe"),
    Route("/hooks/{provider}", hooks.receive, methods=["POST"], name="hook"),
]
TRAY: list[BaseRoute] = [
    Route("/tray", tray.letters, name="tray"),
    Route("/tray/{letter:int}", tray.letter, name="tray:letter"),
    Route("/tray/{letter:int}/text", tray.text, name="tray:text"),
    Route("/tray/{letter:int}/source", tray.source, name="tray:source"),
    Route("/tray/{letter:int}/letter", tray.frame, name="tray:frame"),
]
TILL: list[BaseRoute] = [
    Route("/till/portal/{portal}", till.portal, name="till:portal"),
    Route(
        "/till/portal/{portal}/card", till.change_card, methods=["POST"], name="till:portal-card"
    ),
    Route("/till/portal/{portal}/cancel", till.cancel, methods=["POST"], name="till:portal-cancel"),
    Route("/till/portal/{portal}/resume", till.resume, methods=["POST"], name="till:portal-resume"),
    Route("/till/invoices/{invoice}.pdf", till.printed, name="till:invoice-pdf"),
    Route("/till/invoices/{invoice}", till.invoice, name="till:invoice"),
    Route("/till/invoices/{invoice}", till.pay_invoice, methods=["POST"], name="till:invoice-pay"),
    Route("/till/receipts/{charge}", till.receipt, name="till:receipt"),
    Route("/till/3ds/{intent}", till.bank_at_renewal, name="till:3ds"),
    Route("/till/3ds/{intent}", till.answer_at_renewal, methods=["POST"], name="till:3ds-answer"),
    Route("/till/{session}", till.checkout, name="till"),
    Route("/till/{session}", till.pay, methods=["POST"], name="till:pay"),
    Route("/till/{session}/abandon", till.abandon, methods=["POST"], name="till:abandon"),
    Route("/till/{session}/3ds", till.bank, name="till:bank"),
    Route("/till/{session}/3ds", till.answer, methods=["POST"], name="till:bank-answer"),
]


def create_app(
    settings: Settings, db: Database, *, fetch: Fetch = sns.fetch, remembers: bool = True
) -> Starlette:
    """The site of one publication. `db` stays its owner's to close.

    `fetch` asks Amazon for the certificates that prove its reports. Unless it `remembers`,
    every page is made anew, however soon it is asked for again.
    """
    hosts = trusted_hosts(settings)
    memory = (
        [
            Middleware(
                PageMemory, db=db, hosts=frozenset(hosts), session=site.session_cookie(settings)
            )
        ]
        if remembers
        else []
    )
    app = Starlette(
        routes=[
            *PUBLIC,
            *ACCOUNT,
            *PLAN,
            *JOINING,
            *HOOKS,
            *(TRAY if has_tray(settings) else []),
            *(TILL if has_till(settings) else []),
        ],
        middleware=[
            *memory,
            Middleware(Guard, settings=settings, refuse=refusals.answer),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            *([Middleware(till.Bell)] if has_till(settings) else []),
        ],
        exception_handlers={
            ConnectorError: refusals.answer,
            HTTPException: refusals.answer,
            Exception: refusals.crash,
        },
    )
    # Starlette would send people to the host they named; refusals.py sends them to a path.
    app.router.redirect_slashes = False
    app.state.site = site.build(settings, db)
    app.state.topic = Topic(settings.hooks.ses_topic, fetch)
    return app


def trusted_hosts(settings: Settings) -> list[str]:
    """The names this site answers to: its own, and on this machine every one of the machine's."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return [host, "127.0.0.1", "localhost", "[::1]"] if settings.is_local else [host]
