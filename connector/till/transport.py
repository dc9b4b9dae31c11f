"""The Till as the stripe package sees it: an HTTP client that never leaves the process.

The SDK encodes, signs, retries and reads errors as it does with Stripe; only the wire is
another. It refuses every live key.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from connector.clock import DAY, SECOND
from connector.database import Database
from connector.settings import Settings
from connector.till import desk, exchange, expanding, parameters, routes, store, turning
from connector.till.drawer import Drawer
from connector.till.exchange import Exchange
from connector.till.form import Form, decode
from connector.till.refusal import Refusal
from connector.till.shapes import LETTERS, VERSION, Body

ANSWERS_KEPT = 1 * DAY  # Stripe, “Idempotent requests”: keys may go after 24 hours
Answer = tuple[bytes, int, dict[str, str]]


class TillClient(stripe.HTTPClient):
    """Answers the SDK out of the site's own database. `now` tells the real time in milliseconds.

    Raises Misconfigured beside a live key, in `key` or in the settings, or when a request
    brings one.
    """

    name = "till"

    def __init__(
        self, db: Database, settings: Settings, now: Callable[[], int], *, key: str = ""
    ) -> None:
        super().__init__()
        desk.refuse_live(key or settings.stripe.key)
        self._db = db
        self._settings = settings
        self._now = now

    def request(  # type: ignore[override]  # the package says str, and takes bytes
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        **_: Any,
    ) -> Answer:
        """One request of the SDK's; raises APIConnectionError when it was told to."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        desk.refuse_live(sent.get("authorization", "").removeprefix("Bearer "))
        parts = urlsplit(url)
        text = parts.query if method.lower() == "get" else _text(post_data) or parts.query
        return self._answered(method.lower(), parts.path, text, sent)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, **_: Any
    ) -> Answer:
        return self.request(method, url, headers, post_data)

    async def sleep_async(self, secs: float) -> None:
        """Nothing is far away here."""

    def close(self) -> None:
        """Nothing is open."""

    async def close_async(self) -> None:
        """Nothing is open."""

    def _sleep_time_seconds(self, num_retries: int) -> float:  # noqa: ARG002
        return 0.0  # a second attempt need not wait for anybody

    def _answered(self, method: str, path: str, text: str, sent: Mapping[str, str]) -> Answer:
        self._fail_before()
        found = routes.find(method, path)
        key = sent.get("idempotency-key", "") if method == "post" else ""
        digest = hashlib.sha256(f"{method} {path}\n{text}".encode()).hexdigest()
        with turning.opened(self._db, self._settings, now=self._now()) as drawer:
            drawer.request_id, drawer.idempotency_key = _request_id(digest), key or None
            status, body, is_replay = _answer(
                drawer, found, method, path, text=text, key=key, digest=digest
            )
        raw = body.encode()
        route = found[0] if found else None
        names = route.parameters if route else ""
        exchange.show(Exchange(method, path, text, names, status, raw))
        if method == "post":
            self._fail_after()
        headers = {"request-id": _request_id(digest), "stripe-version": VERSION}
        if key:
            headers["idempotency-key"] = key
        return raw, status, headers | ({"idempotent-replayed": "true"} if is_replay else {})

    def _fail_before(self) -> None:
        if self._fault("timeout"):
            raise _lost("The Till did not answer.")

    def _fail_after(self) -> None:
        if self._fault("lost answer"):
            raise _lost("The Till’s answer was lost.")

    def _fault(self, kind: str) -> bool:
        with self._db.read() as connection:
            if not store.faults(connection).get(kind):
                return False
        with self._db.write() as tx:
            return store.take_fault(tx, kind)


def _answer(
    drawer: Drawer,
    found: tuple[routes.Route, tuple[str, ...]] | None,
    method: str,
    path: str,
    *,
    text: str,
    key: str,
    digest: str,
) -> tuple[int, str, bool]:
    """Status, body, and whether it was given before."""
    tx: Any = drawer.connection
    store.drop_answers(tx, before=drawer.now * SECOND - ANSWERS_KEPT)
    try:
        _fail(drawer)
        if key and (before := store.answer(tx, key)):
            return _again(before, digest)
        if found is None:
            raise _unknown(method, path)
        body = json.dumps(_perform(drawer, found, decode(text)))
        status = 200
    except Refusal as refusal:
        # Stripe, “Idempotent requests”: what failed before it began is not remembered.
        if not refusal.keeps:
            drawer.forget()
        status, body = refusal.status, json.dumps({"error": refusal.error})
        if refusal.kind != "card_error":
            return status, body, False
    if key:
        kept = store.Answer(digest, status, _without_secret(body))
        store.keep_answer(tx, key, kept, now=drawer.now * SECOND)
    return status, body, False


def _without_secret(body: str) -> str:
    """What is kept of an answer: all but the secret that a new webhook signs with."""
    if '"webhook_endpoint"' not in body:
        return body
    answer = json.loads(body)
    answer.pop("secret", None)
    return json.dumps(answer)


def _unknown(method: str, path: str) -> Refusal:
    return Refusal(f"Unrecognized request URL ({method.upper()}: {path}).", status=404)


def _again(before: store.Answer, digest: str) -> tuple[int, str, bool]:
    if before.request != digest:
        raise Refusal(
            "Keys for idempotent requests can only be used with the same parameters they were "
            "first used with. Try using a key other than this one if you meant to execute a "
            "different request.",
            kind="idempotency_error",
        )
    return before.status, before.body, True


def _perform(drawer: Drawer, found: tuple[routes.Route, tuple[str, ...]], form: Form) -> Body:
    route, keys = found
    if route.parameters:
        parameters.check(route.parameters, form)
    asked = form.pop("expand", [])
    body = route.verb(drawer, form, *keys)
    return expanding.expanded(drawer, body, asked)


def _fail(drawer: Drawer) -> None:
    if drawer.fault("api error"):
        raise Refusal(
            "An unknown error occurred while processing your request.", kind="api_error", status=500
        )
    if drawer.fault("rate limit"):
        raise Refusal("Too many requests.", code="rate_limit", status=429)


def _text(post_data: Any) -> str:
    return post_data.decode() if isinstance(post_data, bytes) else str(post_data or "")


def _request_id(digest: str) -> str:
    return "req_" + "".join(
        LETTERS[int(digest[at : at + 2], 16) % len(LETTERS)] for at in range(0, 28, 2)
    )


def _lost(message: str) -> Exception:
    # The package leaves its errors' parameters without types.
    make: Callable[..., Exception] = stripe.APIConnectionError
    return make(message, should_retry=True)
