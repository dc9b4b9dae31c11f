"""Somebody on the list, and the words for where they stand.

Pure nouns; it never decides whether a letter goes out.
"""

from dataclasses import dataclass
from typing import Literal
from unicodedata import is_normalized, normalize

from connector.delivery.address import Address
from connector.settings import Settings

State = Literal["pending", "active", "unsubscribed"]
STATES: tuple[State, ...] = ("pending", "active", "unsubscribed")
What = Literal["asked", "confirmed", "imported", "added", "unsubscribed", "resubscribed", "moved"]

LONGEST_NAME = 120
LONGEST_PAGE = 200
# Joiners that Persian, Hindi and emoji need; every other format character may mislead a reader.
JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One row of the list. `id` is the recipient in links and in the ledger; it is never reused."""

    id: int
    email: str
    email_key: str
    name: str
    state: State
    source: str
    created_at: int
    confirmed_at: int | None
    unsubscribed_at: int | None
    paused_until: int | None

    @property
    def address(self) -> Address:
        return Address(display=self.email, key=self.email_key)

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    def is_paused(self, now: int) -> bool:
        return self.paused_until is not None and self.paused_until > now


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody agreed to or took back: when, how, on which page, from which client."""

    what: What
    how: str
    page: str
    client: str
    at: int


@dataclass(frozen=True, slots=True)
class Signin:
    """That somebody asked to sign in; nobody's, when the address is not on the list."""

    id: int
    subscriber_id: int | None
    code: str
    goes_to: str
    at: int
    guesses: int
    used_at: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in until `ends_at`."""

    subscriber_id: int
    begun_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Change:
    """A wish to be written to at another address, and which of the two has agreed."""

    id: int
    subscriber_id: int
    email: str
    email_key: str
    at: int
    old_at: int | None
    new_at: int | None

    @property
    def address(self) -> Address:
        return Address(display=self.email, key=self.email_key)


@dataclass(frozen=True, slots=True)
class Former:
    """An address somebody had until then."""

    email: str
    email_key: str
    until: int


def clean_name(text: str) -> str:
    """A name as one line of at most 120 characters, without what steers a terminal or the eye."""
    if len(text) <= LONGEST_NAME and text.isprintable() and is_normalized("NFC", text):
        return " ".join(text.split())
    return _one_line(text, LONGEST_NAME)


def clean_page(text: str) -> str:
    """The page a form was on, as one line of at most 200 characters."""
    return _one_line(text, LONGEST_PAGE)


def client_tag(settings: Settings, client: str) -> str:
    """What is kept instead of a network address: the same for the same client, and no way back."""
    return settings.keys.tag("client", client) if client else ""


def _one_line(text: str, longest: int) -> str:
    line = " ".join(text[: longest * 8].split())
    kept = "".join(sign for sign in line if sign.isprintable() or sign in JOINERS)
    return normalize("NFC", kept)[:longest].strip()
