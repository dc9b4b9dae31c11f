"""The figures of a newsletter that is paid for, each computed here and nowhere else.

docs/money.md says what each means; two currencies are never added.
"""

from dataclasses import dataclass

from connector.database import Database
from connector.membership import store
from connector.membership.money import Amount
from connector.settings import Settings

MONTHS = 12


@dataclass(frozen=True)
class Figures:
    """How it stands at a moment. `recurring` is by currency: what a month brings in."""

    members: int
    paying: int
    gifts: int
    complimentary: int
    recurring: tuple[Amount, ...]


@dataclass(frozen=True)
class Movement:
    """What happened in a span of time; `churn` is in hundredths of a percent."""

    at_first: int
    joined: int
    left: int
    came_in: tuple[Amount, ...]
    paid_back: tuple[Amount, ...]

    @property
    def churn(self) -> int | None:
        """Of those who paid at the beginning, how many no longer do; None when nobody did."""
        return (self.left * 10_000 + self.at_first // 2) // self.at_first if self.at_first else None


def at(db: Database, settings: Settings, *, now: int) -> Figures:
    """Members and what a month brings in, at `now`."""
    with db.read() as connection:
        kinds = store.members_by_kind(connection, now=now)
        paying = store.paying(connection, mode=settings.stripe.mode, now=now)
    twelfths: dict[str, int] = {}
    for currency, every, cents in paying:
        share = cents if every == "year" else cents * MONTHS
        twelfths[currency] = twelfths.get(currency, 0) + share
    return Figures(
        members=kinds.get("people", 0),
        paying=kinds.get("paid", 0),
        gifts=kinds.get("gift", 0),
        complimentary=kinds.get("complimentary", 0),
        recurring=tuple(
            # Added first and divided once, half up, so that no cent is lost twelve times.
            Amount((cents + MONTHS // 2) // MONTHS, currency)
            for currency, cents in sorted(twelfths.items())
        ),
    )


def between(db: Database, settings: Settings, *, since: int, until: int) -> Movement:
    """Who joined and left, and what came in and went back, from `since` to before `until`."""
    mode = settings.stripe.mode
    with db.read() as connection:
        at_first, left, joined = store.joined_and_left(
            connection, mode=mode, since=since, until=until
        )
        money = store.income(connection, mode=mode, since=since, until=until)
    return Movement(
        at_first=at_first,
        joined=joined,
        left=left,
        came_in=tuple(Amount(came, currency) for currency, came, _ in money if came),
        paid_back=tuple(Amount(back, currency) for currency, _, back in money if back),
    )
