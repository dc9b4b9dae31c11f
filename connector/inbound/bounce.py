"""What came back about a letter, as nouns: a report, whom it is about, how often letters bounced.

Pure; nothing here reads mail or changes what we know about an address.
"""

from dataclasses import dataclass
from typing import Literal

from connector.delivery.outcome import NOBODY_THERE, TOO_LARGE

Kind = Literal[
    "bounce", "complaint", "delayed", "delivered", "auto-reply", "unsubscribe", "unreadable"
]
Effect = Literal[
    "suppressed", "scored", "unsubscribed", "ignored", "repeated", "unproven", "unknown", "kept"
]

Level = Literal["high", "too high"]

# Mailman's model: a point a day, forgotten after a quiet week, and five are enough.
ENOUGH = 5
QUIET_DAYS = 7


@dataclass(frozen=True, slots=True)
class Claim:
    """A Message-ID that looks like one of ours; only the ledger can prove it."""

    delivery: int
    tag: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one message, or one event of a provider, says.

    `delivery` is proven; `claims` are not. `address` is filled in only when whoever told us
    proved who they are. `recipient` is who asks by mail to be unsubscribed, proven too. `author` is
    whoever claims to have written, so that what we keep can be found when they are erased.
    """

    kind: Kind
    permanent: bool = False
    status: str = ""
    detail: str = ""
    delivery: int | None = None
    claims: tuple[Claim, ...] = ()
    address: str = ""
    recipient: int | None = None
    author: str = ""

    @property
    def is_about_us(self) -> bool:
        """Whether the letter or its sender was refused, not this reader (RFC 3463, x.7.x).

        Counting these would throw out everybody behind a filter that dislikes one issue.
        """
        return self.status[1:].startswith(".7.") or self.status in TOO_LARGE


@dataclass(frozen=True, slots=True)
class Bounced:
    """The delivery a report is about; key and recipient are empty once its reader was erased."""

    id: int
    mailing_id: int
    address_key: str
    recipient: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """Points for soft bounces, and the day (since 1970, UTC) of the last one."""

    points: int
    day: int

    @property
    def is_enough(self) -> bool:
        return self.points >= ENOUGH


@dataclass(frozen=True, slots=True)
class Inbound:
    """A report as it was recorded, and what it led to."""

    id: int
    received_at: int
    source: str
    kind: Kind
    delivery_id: int | None
    address_key: str
    status: str
    detail: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one report."""

    kind: Kind
    effect: Effect
    detail: str = ""


def is_permanent(status: str) -> bool:
    """Whether an enhanced status code (RFC 3463) says that nobody reads at the address."""
    return status in NOBODY_THERE


def after_bounce(before: Score | None, *, day: int) -> Score:
    """The score after a soft bounce: at most a point a day, and a quiet week forgets."""
    if before is None or day - before.day > QUIET_DAYS:
        return Score(1, day)
    if day <= before.day:
        return before
    return Score(before.points + 1, day)
