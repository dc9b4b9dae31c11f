"""Public pages in memory: bytes, ETag and a gzip copy, answered before anything else runs.

A page is kept under its path alone, so whoever declares an answer public promises that it
depends on nothing else: no header, no query. Who is signed in is never answered from here, and
their pages are never kept. A page is never older than a second.
"""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector import clock
from connector.database import Database
from connector.errors import DatabaseUnavailable
from connector.publishing import store

CHECK_EVERY = 500  # milliseconds
LARGEST = 1 << 20
MEMORY = 64 << 20
PLAIN = b"identity"
GZIP = b"gzip"
# The same for everybody, signed in or not.
IMPERSONAL = ("/static/", "/images/", "/feed", "/sitemap.xml", "/robots.txt")
COMPRESSIBLE = (b"text/", b"application/atom+xml", b"application/xml", b"image/svg+xml")

Headers = list[tuple[bytes, bytes]]
State = tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """One representation of a page, as the messages that send it."""

    etag: bytes
    start: Message
    body: Message
    unchanged: Message
    size: int


@dataclass(frozen=True)
class Page:
    plain: Answer
    packed: Answer

    @property
    def size(self) -> int:
        return self.plain.size + (self.packed.size if self.packed is not self.plain else 0)


class PageMemory:
    """ASGI middleware, outermost: remembers what the app inside it declares public."""

    def __init__(self, app: ASGIApp, db: Database, hosts: frozenset[str], session: str) -> None:
        self._app = app
        self._db = db
        self._hosts = hosts
        self._session = session.encode() + b"="
        self._pages: dict[str, Page] = {}
        self._size = 0
        self._state: State | None = None
        self._checked_at = -CHECK_EVERY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if not 0 <= clock.now() - self._checked_at < CHECK_EVERY:
            await self._check()
        asked = _asked(scope["headers"])
        if not _is_ours(asked.host, self._hosts) or self._is_personal(scope, asked):
            await self._app(scope, receive, send)
            return
        page = self._pages.get(scope["path"])
        if page is None:
            page = await self._ask(scope, receive, send)
        if page is not None:
            await _answer(page, asked, send, head=scope["method"] == "HEAD")

    def _is_personal(self, scope: Scope, asked: "Asked") -> bool:
        return self._session in asked.cookies and not scope["path"].startswith(IMPERSONAL)

    async def _check(self) -> None:
        # Marked first: while one request looks, the others are answered with what we have.
        self._checked_at = clock.now()
        try:
            state = await run_in_threadpool(_state, self._db, clock.now())
        except DatabaseUnavailable:
            return  # a page a minute old is better than none
        if state != self._state:
            self._pages.clear()
            self._size = 0
            self._state = state

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Page | None:
        """The app's answer, remembered if it is public; None if it was sent on as it came."""
        state = self._state
        recorder = Recorder(send)
        await self._app(scope, receive, recorder.send)
        if recorder.start is None:
            return None
        page = _page(recorder.start, b"".join(recorder.parts))
        if state == self._state and page.size <= LARGEST:
            self._keep(scope["path"], page)
        return page

    def _keep(self, path: str, page: Page) -> None:
        while self._pages and self._size + page.size > MEMORY:
            oldest = next(iter(self._pages))
            self._size -= self._pages.pop(oldest).size
        previous = self._pages.get(path)
        self._size += page.size - (previous.size if previous else 0)
        self._pages[path] = page


@dataclass
class Recorder:
    """Holds back a public answer; lets every other one through."""

    onward: Send
    start: Message | None = None
    parts: list[bytes] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_public(message):
            self.start = message
        elif message["type"] == "http.response.body" and self.start is not None:
            self.parts.append(message.get("body", b""))
        else:
            await self.onward(message)


@dataclass(frozen=True)
class Asked:
    host: bytes
    packed: bool
    known: bytes
    cookies: bytes


def _asked(headers: Iterable[tuple[bytes, bytes]]) -> Asked:
    host = known = cookies = b""
    packed = False
    for name, value in headers:
        if name == b"host":
            host = value
        elif name == b"accept-encoding":
            packed = _takes_gzip(value)
        elif name == b"if-none-match":
            known = value
        elif name == b"cookie":
            cookies += value
    return Asked(host, packed, known, cookies)


async def _answer(page: Page, asked: Asked, send: Send, *, head: bool) -> None:
    answer = page.packed if asked.packed else page.plain
    if asked.known and (answer.etag in asked.known or asked.known.strip() == b"*"):
        await send(answer.unchanged)
        await send(EMPTY)
        return
    await send(answer.start)
    await send(EMPTY if head else answer.body)


EMPTY: Message = {"type": "http.response.body", "body": b""}


def _state(db: Database, now: int) -> State:
    """What public pages depend on: the counter, and the newest issue whose time has come."""
    with db.read() as connection:
        latest = store.latest(connection, now)
        return store.version(connection), latest.id if latest else 0


def _is_public(start: Message) -> bool:
    return start["status"] == 200 and any(  # noqa: PLR2004 - HTTP's own number
        name == b"cache-control" and value.startswith(b"public") for name, value in start["headers"]
    )


def _page(start: Message, body: bytes) -> Page:
    headers = [(n, v) for n, v in start["headers"] if n not in (b"content-length", b"vary")]
    plain = _representation(headers, body, PLAIN)
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    if not kind.startswith(COMPRESSIBLE):
        return Page(plain, plain)
    headers.append((b"vary", b"accept-encoding"))
    packed = gzip.compress(body, 9, mtime=0)
    return Page(_representation(headers, body, PLAIN), _representation(headers, packed, GZIP))


def _representation(headers: Headers, body: bytes, encoding: bytes) -> Answer:
    etag = b'"' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"'
    common = [*headers, (b"etag", etag)]
    about = [(b"content-length", str(len(body)).encode())]
    if encoding == GZIP:
        about.append((b"content-encoding", GZIP))
    return Answer(
        etag,
        start={"type": "http.response.start", "status": 200, "headers": [*common, *about]},
        body={"type": "http.response.body", "body": body},
        unchanged={"type": "http.response.start", "status": 304, "headers": _of_304(common)},
        size=len(body),
    )


def _of_304(headers: Headers) -> Headers:
    """RFC 9110, 15.4.5: the validators and what governs caching, nothing about the body."""
    return [(name, value) for name, value in headers if name != b"content-type"]


@lru_cache(256)
def _takes_gzip(accept_encoding: bytes) -> bool:
    """Whether gzip is named (or `*` is) with a weight above zero; RFC 9110, 12.5.3."""
    weights = dict(_weight(part) for part in accept_encoding.lower().split(b","))
    return weights.get(GZIP, weights.get(b"*", 0.0)) > 0


def _weight(part: bytes) -> tuple[bytes, float]:
    coding, _, parameter = part.partition(b";")
    try:
        return coding.strip(), float(parameter.partition(b"=")[2]) if parameter.strip() else 1.0
    except ValueError:
        return coding.strip(), 0.0


@lru_cache(256)
def _is_ours(host: bytes, hosts: frozenset[str]) -> bool:
    name = host.decode("latin-1").lower()
    return (name if name.endswith("]") else name.rpartition(":")[0] or name) in hosts
