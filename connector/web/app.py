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
from connector.web import account, hooks, public, refusals, site, stripe_hook, tray
from connector.web.cache import PageMemory
from connector.web.guard import Guard
from connector.web.site import has_tray

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
    Route("/subscribe", account.subscribe, name="subscribe"),
    Route("/subscribe", account.ask_to_subscribe, methods=["POST"], name="subscribe:ask"),
    Route("/subscribe/sent", account.sent, name="subscribe:sent"),
    Route("/confirm/{token}", account.confirmation, name="confirm"),
    Route("/confirm/{token}", account.confirm, methods=["POST"], name="confirm:act"),
    Route("/confirm/{token}/resend", account.resend, methods=["POST"], name="confirm:resend"),
    Route("/welcome", account.welcome, name="welcome"),
    Route("/unsubscribe/{token}", account.leaving, name="unsubscribe"),
    Route("/unsubscribe/{token}", account.unsubscribe, methods=["POST"], name="unsubscribe:act"),
    Route("/unsubscribe/{token}/undo", account.undo, methods=["POST"], name="unsubscribe:undo"),
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
    Route("/preferences/{token}/data", account.download, name="preferences:data"),
    Route("/preferences/{token}/erase", account.erasing, name="preferences:erase"),
    Route(
        "/preferences/{token}/erase", account.erase, methods=["POST"], name="preferences:erase-act"
    ),
    Route("/goodbye", account.goodbye, name="goodbye"),
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


def create_app(
    settings: Settings, db: Database, *, fetch: Fetch = sns.fetch, remembers: bool = True
) -> Starlette:
    """The site of one publication. `db` stays its owner's to close.

    `fetch` asks Amazon for the certificates that prove its reports. Unless it `remembers`,
    every page is made anew, however soon it is asked for again.
    """
    hosts = trusted_hosts(settings)
    memory = [Middleware(PageMemory, db=db, hosts=frozenset(hosts))] if remembers else []
    app = Starlette(
        routes=[*PUBLIC, *ACCOUNT, *HOOKS, *(TRAY if has_tray(settings) else [])],
        middleware=[
            *memory,
            Middleware(Guard, settings=settings, refuse=refusals.answer),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
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
