"""A letter on its way to a frozen list of people: mailings, their deliveries and leases.

Pure nouns; the moves between states are in the ledger and nowhere else.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from connector.clock import HOUR, MINUTE, SECOND

Kind = Literal["issue", "notice"]
State = Literal["queued", "sending", "sent", "refused", "uncertain", "withdrawn"]
STATES: tuple[State, ...] = ("queued", "sending", "sent", "refused", "uncertain", "withdrawn")

# Notices have a lane of their own, so that a confirmation never waits behind an issue.
LANES: dict[Kind, int] = {"notice": 0, "issue": 1}
LEASE_SIZE = 500
LONGEST_HOLD = 1 * HOUR  # what mail.lease may be at most
# A mailing that is spread over a time leaves in steps no longer than this, if it can.
STEP = 10 * SECOND
# News goes stale: an issue is given up after two days, a confirmation after one.
EXPIRES: dict[Kind, int] = {"issue": 48 * HOUR, "notice": 24 * HOUR}
# Retry soon at first, for greylisting; then hourly (RFC 5321 section 4.5.4.1).
RETRIES = (1 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)


@dataclass(frozen=True, slots=True)
class Mailing:
    """`starts_at` may be in the future; `frozen_at` says when the list of people was fixed.

    `spread` is the time its letters leave over, in milliseconds.
    """

    id: int
    kind: Kind
    about: str
    once: str | None
    starts_at: int
    expires_at: int
    size: int
    first_delivery: int | None
    last_delivery: int | None
    created_at: int
    frozen_at: int | None
    paused_at: int | None
    why: str
    cancelled_at: int | None
    finished_at: int | None
    spread: int = 0

    @property
    def name(self) -> str:
        """What it is about, in words: “the-bench”, or “the-bench, correction 1”."""
        return _name(self.about, self.once)


class Delivery(NamedTuple):
    """One letter to one address, as a sender needs it; `recipient` is nobody's id for a test."""

    id: int
    letter_id: int
    recipient: int | None
    address: str
    name: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A stretch of a mailing that one sender holds: deliveries `first` to `last`.

    `boot` is the run of the machine in which an earlier holder died with it, else empty.
    """

    id: int
    mailing_id: int
    kind: Kind
    first: int
    last: int
    starts_at: int
    expires_at: int
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a freeze did: how many letters are queued, and who was left out."""

    queued: int
    suppressed: int


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why we no longer write to an address."""

    why: str
    detail: str
    at: int


@dataclass(frozen=True, slots=True)
class Relay:
    """What is known of a relay that failed: why, and when we try it again."""

    name: str
    failures: int
    why: str
    failed_at: int
    retry_at: int


@dataclass(frozen=True, slots=True)
class Record:
    """A letter to an address, as the ledger tells it afterwards."""

    id: int
    mailing_id: int
    kind: Kind
    about: str
    once: str | None
    subject: str
    sender: str
    state: State
    attempts: int
    queued_at: int
    due_at: int
    settled_at: int | None
    reply: str

    @property
    def name(self) -> str:
        return _name(self.about, self.once)


def _name(about: str, once: str | None) -> str:
    further = (once or "").partition(f"issue:{about}:")[2]
    return f"{about}, {further.replace(':', ' ')}" if further else about
