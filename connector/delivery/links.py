"""The links in a letter that know who is reading: unsubscribe and preferences.

They carry a number and its proof, never an address, and they never expire (RFC 8058
section 3.1): a letter found again after a year must still stop the letters.
"""

import functools
from typing import Literal
from urllib.parse import urlsplit

from connector.delivery.encoding import ascii_domain
from connector.errors import InvalidLink
from connector.settings import Settings

Purpose = Literal["unsubscribe", "preferences"]


def unsubscribe(settings: Settings, recipient: int) -> str:
    """Where this recipient can stop the letters with one click."""
    return _url(settings, "unsubscribe", recipient)


def preferences(settings: Settings, recipient: int) -> str:
    """Where this recipient sees and changes what they get."""
    return _url(settings, "preferences", recipient)


def token(settings: Settings, purpose: Purpose, recipient: int) -> str:
    """The last part of such a link: URL-safe, and nobody else can make it."""
    return settings.keys.sign(purpose, str(recipient))


def recipient_of(settings: Settings, purpose: Purpose, token: str) -> int:
    """Who a link was made for; raises InvalidLink for anything we did not make for `purpose`."""
    if not token.isascii():
        raise InvalidLink("This link is not one of ours, or part of it is missing.")
    return int(settings.keys.verify(purpose, token))


def site(settings: Settings) -> str:
    """The root of the site as mail can carry it: an international host in its ASCII form."""
    return _ascii_site(settings.publication.url)


def _url(settings: Settings, purpose: Purpose, recipient: int) -> str:
    return f"{site(settings)}/{purpose}/{token(settings, purpose, recipient)}"


@functools.lru_cache(maxsize=16)
def _ascii_site(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return url.replace(host, ascii_domain(host), 1) if not host.isascii() else url
