"""The links in our own letters: to confirm, to sign in, to agree to another address.

Each holds a number and its proof, never an address, opens one door, and grows old.
"""

from typing import Literal

from connector.clock import DAY
from connector.delivery import links as personal
from connector.errors import InvalidLink
from connector.settings import Settings

PURPOSE = "confirm"
AGE = 7 * DAY
SIGN_IN, ASKED = "signin", "signin asked"
Side = Literal["old", "new"]


def confirm(settings: Settings, subscriber_id: int, *, now: int, onward: str = "") -> str:
    """Where this subscriber confirms, for the next seven days; `onward` is a query to come back."""
    token = _made(settings, PURPOSE, subscriber_id, now=now)
    query = f"?{onward}" if onward else ""
    return f"{personal.site(settings)}/confirm/{token}{query}"


def confirming(settings: Settings, token: str, *, now: int) -> int:
    """Whom a token confirms; raises InvalidLink, or ExpiredLink with the time it was made."""
    return _opened(settings, PURPOSE, token, age=AGE, now=now)


def sign_in(settings: Settings, signin_id: int, *, now: int) -> str:
    """Where the one who reads this letter signs in, once."""
    return f"{personal.site(settings)}/signin/{_made(settings, SIGN_IN, signin_id, now=now)}"


def signing_in(settings: Settings, token: str, *, age: int, now: int) -> int:
    """Which asking a mailed link answers; raises InvalidLink or ExpiredLink."""
    return _opened(settings, SIGN_IN, token, age=age, now=now)


def asked(settings: Settings, signin_id: int, *, now: int) -> str:
    """What the browser that asked keeps, so that a code is typed where it was asked for."""
    return _made(settings, ASKED, signin_id, now=now)


def asking(settings: Settings, token: str, *, age: int, now: int) -> int:
    """Which asking a browser means; raises InvalidLink or ExpiredLink."""
    return _opened(settings, ASKED, token, age=age, now=now)


def move(settings: Settings, change_id: int, *, side: Side, now: int) -> str:
    """Where an address agrees to a change of address, for the next seven days."""
    token = _made(settings, f"{side} address", change_id, now=now)
    return f"{personal.site(settings)}/account/email/{token}"


def moving(settings: Settings, token: str, *, now: int) -> tuple[int, Side]:
    """Which change a link is about, and which of its addresses it went to.

    Raises InvalidLink or ExpiredLink.
    """
    try:
        return _opened(settings, "new address", token, age=AGE, now=now), "new"
    except InvalidLink:
        return _opened(settings, "old address", token, age=AGE, now=now), "old"


def _made(settings: Settings, purpose: str, number: int, *, now: int) -> str:
    return settings.keys.sign_at(purpose, str(number), now=now)


def _opened(settings: Settings, purpose: str, token: str, *, age: int, now: int) -> int:
    if not token.isascii():
        raise InvalidLink("This link is not one of ours, or part of it is missing.")
    return int(settings.keys.verify_within(purpose, token, age=age, now=now))
