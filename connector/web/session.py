"""Who is signed in: a word in a cookie that only the server reads, and its row in the database.

Signing in, out and everywhere out happen here; who may sign in is for `readers.signin` to say.
"""

from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from connector import clock
from connector.errors import SignInNeeded
from connector.readers import sessions
from connector.readers.subscriber import LONGEST_PAGE, Subscriber
from connector.web.guard import SAFE
from connector.web.site import PRIVATE, is_secure, see, site_of

# Browsers keep a cookie for 400 days at most. The row decides, and it ends much sooner.
KEPT = 400 * 24 * 60 * 60  # seconds
HOME = "/account"


def reader(request: Request) -> Subscriber | None:
    """Whoever is signed in, looked up once for each request; it reads the database."""
    if not hasattr(request.state, "reader"):
        site = site_of(request)
        word = request.cookies.get(site.session)
        request.state.reader = sessions.find(site.db, word, now=clock.now()) if word else None
    found: Subscriber | None = request.state.reader
    return found


def require(request: Request) -> Subscriber:
    """Whoever is signed in; raises SignInNeeded, which is answered with the way to do so."""
    found = reader(request)
    if found is None:
        raise SignInNeeded(_address(request) if request.method in SAFE else HOME)
    return found


def begin(response: Response, request: Request, subscriber: Subscriber) -> None:
    """Sign somebody in with this response, in place of whoever was; it writes to the database.

    A browser that they are signed in with already keeps its session.
    """
    site = site_of(request)
    if known := reader(request):
        if known.id == subscriber.id:
            return
        sessions.end(site.db, request.cookies[site.session])
    request.state.reader = subscriber
    word = sessions.begin(site.db, subscriber.id, now=clock.now())
    _set(response, request, site.session, word, seconds=KEPT)


def end(response: Response, request: Request) -> None:
    """Sign this browser out with this response; it writes to the database."""
    site = site_of(request)
    if word := request.cookies.get(site.session):
        sessions.end(site.db, word)
        _set(response, request, site.session, "", seconds=0)
    request.state.reader = None


def tidy(response: Response, request: Request) -> None:
    """Take away a cookie that opens nothing any more, as after erasing."""
    if reader(request) is None:
        end(response, request)


def keep(response: Response, request: Request, name: str, value: str, *, seconds: int) -> None:
    """Let this browser keep a word of ours for a while; an empty one takes it away."""
    _set(response, request, named(request, name), value, seconds=seconds)


def named(request: Request, name: str) -> str:
    """The full name of one of our cookies."""
    return f"__Host-{name}" if is_secure(site_of(request).settings) else name


def to_signin(request: Request, error: SignInNeeded) -> Response:
    """The way to sign in, and back to where they wanted to go; a word that opens nothing goes."""
    response = see(f"/signin?next={quote(local(error.next_path), safe='/')}")
    site = site_of(request)
    if site.session in request.cookies:
        _set(response, request, site.session, "", seconds=0)
    response.headers.update(PRIVATE)
    return response


def local(path: str) -> str:
    """A path on this site, with its query, to go on to after signing in; else the account."""
    if not path.isascii() or not path.isprintable() or len(path) > LONGEST_PAGE:
        return HOME
    # Browsers read a backslash as a slash, and two slashes as the beginning of another host.
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        return HOME
    parts = urlsplit(path)
    return HOME if parts.scheme or parts.netloc or path.startswith("/signin") else path


def _address(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _set(response: Response, request: Request, name: str, value: str, *, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(site_of(request).settings),
        httponly=True,
        samesite="lax",
    )
