"""What one subscriber's membership says now.

A pure noun; it knows neither money nor letters.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["complimentary", "gift", "paid"]
TIER = "member"


@dataclass(frozen=True, slots=True)
class Membership:
    """A membership from `started_at` until `ends_at`; None is for as long as it is renewed or liked.

    Somebody can have one of each kind; whoever has a live one is a member.
    """

    subscriber_id: int
    tier: str
    kind: Kind
    started_at: int
    ends_at: int | None

    def is_live(self, now: int) -> bool:
        return self.started_at <= now and (self.ends_at is None or self.ends_at > now)
