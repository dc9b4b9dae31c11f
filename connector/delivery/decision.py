"""What the author decided about letters that did not simply arrive, and what they know of each.

Pure nouns; the moves themselves are in `decisions`.
"""

from dataclasses import dataclass
from typing import Literal

from connector.delivery.mailing import State

# resend: once more, with the same Message-ID. leave: in doubt, and so be it. sent: by the
# author's own word, after a look into the relay's log.
What = Literal["resend", "leave", "sent"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a delivery that was in the state `was`, with the reply it had then."""

    delivery_id: int
    mailing_id: int
    what: What
    was: State
    reply: str
    at: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """A letter the relay may have or not. `is_left` when the author has decided to leave it so."""

    delivery_id: int
    mailing_id: int
    sender: str
    address: str
    attempts: int
    since: int
    reply: str
    is_left: bool


@dataclass(frozen=True, slots=True)
class Again:
    """How many letters go once more; `left_out` are to people we may not write to now."""

    queued: int
    left_out: int
