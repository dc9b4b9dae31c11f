"""How fast letters leave, in words: for the writer before a publish, and for `status`.

It only tells; the limits themselves are delivery's.
"""

from typing import TYPE_CHECKING

from connector import clock
from connector.cli import console
from connector.clock import SECOND

if TYPE_CHECKING:
    from connector.database import Connection, Database
    from connector.delivery import pace
    from connector.delivery.mailing import Mailing
    from connector.settings import Settings

NEWEST = 10


def expected(
    db: "Database", settings: "Settings", people: int, *, spread: int, at: int
) -> list[str]:
    """What will keep letters to `people` from leaving at once; nothing when nothing does."""
    from connector.delivery import pace

    lines = []
    if spread:
        lines.append(f"spread evenly over {console.span(spread / SECOND)}")
    rates = [settings.rate_through(relay) for relay in settings.relays]
    if rates and all(rates) and people > sum(rates):
        takes = console.span(people / sum(rates) * 60)
        lines.append(f"{sum(rates):,} a minute, so the last leaves after about {takes}")
    with db.read() as connection:
        today = pace.warming(connection, settings, now=at)
        days = pace.days_for(connection, settings, people, now=at) if today else 1
    if today:
        room = max(0, today.cap - today.taken)
        words = f"the domain’s day {today.day}: {console.counted(room, 'letter')} may leave"
        lines.append(f"{words}, so it takes {days} days" if days > 1 else words)
    return lines


def standing(
    db: "Database", settings: "Settings", *, now: int, is_quick: bool = False
) -> list[str]:
    """Who wants fewer letters, how the warm-up stands, and when what waits goes on.

    Counting who waits looks at every letter that has not left; `is_quick` does without.
    """
    from connector.delivery import pace, store

    with db.read() as connection:
        newest = store.issue_mailings(connection, limit=NEWEST)
        leaving = [one for one in newest if _is_leaving(one)]
        counted = [] if is_quick else leaving
        said = [
            words
            for limit in pace.limits(connection, settings, now=now)
            if (words := _limit(connection, limit, counted))
        ]
        today = pace.warming(connection, settings, now=now)
        turns = [(one, store.next_turn(connection, one.id, now=now)) for one in leaving]
    if today:
        is_full = today.taken >= today.cap
        said.append(
            f"The domain’s day {today.day}: {today.taken:,} of {today.cap:,} letters have left"
            f"{'; the rest goes on tomorrow.' if is_full and leaving else '.'}"
        )
    return said + [_turn(one, turn, settings.publication.zone) for one, turn in turns if turn]


def _is_leaving(mailing: "Mailing") -> bool:
    return (
        mailing.frozen_at is not None
        and mailing.finished_at is None
        and mailing.cancelled_at is None
        and mailing.paused_at is None
    )


def _limit(connection: "Connection", limit: "pace.Limit", mailings: "list[Mailing]") -> str:
    from connector.delivery import providers, store

    why = " since it asked us to slow down" if limit.is_learned else ", as you set it"
    if not limit.provider:
        name = limit.name.partition(":")[2]
        words = f"{name}: {limit.rate:,} letters a minute{why}"
        return f"{words}." if limit.is_learned else ""
    patterns = providers.patterns_of(limit.provider)
    waiting = sum(store.count_waiting(connection, one, patterns=patterns) for one in mailings)
    if not (limit.is_learned or waiting):
        return ""
    wait = f"; {console.counted(waiting, 'letter')} {'waits' if waiting == 1 else 'wait'}"
    return f"{limit.provider}: {limit.rate:,} a minute{why}{wait if waiting else ''}."


def _turn(mailing: "Mailing", turn: int, zone: str) -> str:
    over = f" leaves over {console.span(mailing.spread / SECOND)};" if mailing.spread else ":"
    return (
        f"Mailing {mailing.id}, {mailing.name}{over} "
        f"its next letters at {clock.moment(turn, zone):%A, %H:%M:%S}."
    )
