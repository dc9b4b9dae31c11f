"""How fast letters go: turns from limits that all senders share, and what relays teach us of them.

It gives letters their turn and never sends one; a limit that is not there costs nothing.
"""

import contextlib
import logging
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from connector.clock import MINUTE, SECOND
from connector.database import Connection, Database, Transaction
from connector.delivery import store, warmup
from connector.delivery.bucket import FLOOR, FREE, HORIZON, Bucket
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.outcome import Outcome
from connector.delivery.providers import group_of, group_of_domain
from connector.errors import DatabaseUnavailable
from connector.settings import Settings

log = logging.getLogger(__name__)

TO, THROUGH, DAY = "to:", "through:", "day:"
# How long what was learned can matter: from FLOOR it doubles every minute until FREE.
FORGOTTEN = (FREE // FLOOR).bit_length() * MINUTE
# Stretches that wait come back at random, about three for each horizon of a bucket, but within
# this time, so that none sleeps long after a limit is gone.
LONGEST_NAP = 5 * MINUTE
SHORTEST_STEP = SECOND // 4
VISITORS = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """Turns in milliseconds, in order; the next one nobody has yet comes at `next_at`."""

    turns: list[int]
    next_at: int


@dataclass(frozen=True, slots=True)
class Turns:
    """Letters that go now, those that go at a time soon, in order, and when to ask for the rest.

    `again_at` is 0 when every letter has its turn; `day` is where they were counted, if at all.
    """

    now: list[Delivery] = field(default_factory=list)
    soon: list[tuple[int, Delivery]] = field(default_factory=list)
    again_at: int = 0
    day: str = ""


def reserve(
    tx: Transaction,
    wanted: Mapping[str, int],
    *,
    rates: Mapping[str, int],
    now: int,
    horizon: int = HORIZON,
    waits: bool = True,
) -> dict[str, Grant]:
    """Turns for as many of the `wanted` letters of each bucket as come before `now + horizon`.

    `rates` are letters a minute as the settings have them; a bucket that has learned a lower
    one keeps to that, and one with neither has all its turns now. Letters that do not wait
    (`waits=False`) go now, and those behind them later.
    """
    grants = {}
    for name in sorted(wanted):  # everybody locks in this order, so nobody waits in a circle
        bucket = store.lock_bucket(tx, name)
        rate = bucket.rate(rates.get(name, 0), now=now)
        count = wanted[name]
        if not rate:
            grants[name] = Grant([now] * count, now)
            continue
        if waits:
            after, turns = bucket.grant(count, rate=rate, now=now, horizon=horizon)
        else:
            after, turns = bucket.pass_by(count, rate=rate, now=now), [now] * count
        if after != bucket:
            store.keep_bucket(tx, after)
        grants[name] = Grant(turns, after.opens_at(now=now))
    return grants


def slow_down(tx: Transaction, name: str, *, told: int = 0, measured: int = 0, now: int) -> int:
    """After “not so fast”: the rate a bucket has from now on, in letters a minute.

    Half of what it was: of the lower of `told` and learned, else of `measured`, else 60. It
    doubles with every quiet minute. Once for all answers to what was already on its way.
    """
    before = store.lock_bucket(tx, name)
    after = before.slowed(told, measured=measured, now=now)
    if after != before:
        store.keep_bucket(tx, after)
    return after.rate(told, now=now)


def learned(connection: Connection, *, now: int) -> dict[str, int]:
    """Buckets that have learned a rate and not forgotten it, in letters a minute."""
    rates = {one.name: one.learned_rate(now=now) for one in store.slowed_buckets(connection)}
    return {name: rate for name, rate in rates.items() if rate}


def rates_of(settings: Settings) -> dict[str, int]:
    """Every bucket the settings limit, in letters a minute; the lowest when two name the same."""
    rates = {
        THROUGH + relay.name: settings.rate_through(relay)
        for relay in settings.relays
        if settings.rate_through(relay)
    }
    for name, rate in settings.pace.domains:
        bucket = TO + group_of_domain(name)
        rates[bucket] = min(rate, rates.get(bucket, rate))
    return rates


class Pace:
    """The limits as one sender sees them. `look` is to be called a few times a second."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._told = rates_of(settings)
        self._warmup = settings.pace.warmup
        self._zone = settings.publication.zone
        self._learned: dict[str, int] = {}
        self._lines: dict[str, _Line] = {}
        self._heard: dict[str, int] = {}

    def look(self, *, now: int) -> set[str]:
        """See what other senders have learned; the providers that are slower than they were.

        Raises DatabaseUnavailable.
        """
        with self._db.read() as connection:
            slowed = store.slowed_buckets(connection)
        rates = {one.name: one.learned_rate(now=now) for one in slowed}
        before = self._learned
        self._learned = {name: rate for name, rate in rates.items() if rate}
        if any(one.learned_at < now - FORGOTTEN for one in slowed):
            with self._db.write() as tx:
                store.forget_buckets(tx, learned_before=now - FORGOTTEN)
        return {
            name[len(TO) :]
            for name, rate in self._learned.items()
            if name.startswith(TO) and rate < before.get(name, FREE)
        }

    # Letters of a stretch

    def turns(self, lease: Lease, letters: Sequence[Delivery], *, now: int) -> Turns:
        """When each letter of a stretch may go; notices go now, and others later for it.

        Raises DatabaseUnavailable. Nothing is asked of the database when nothing is limited.
        """
        today = warmup.today_in(self._zone, now=now) if self._warmup else None
        cap = warmup.cap_of(self._warmup, today=today) if today else 0
        grouped = self._grouped(letters)
        if not letters or not (cap or grouped):
            return Turns(now=list(letters))
        with self._db.write() as tx:
            if lease.kind == "notice":
                self._pass_by(
                    tx, grouped, count=len(letters), today=today if cap else None, now=now
                )
                return Turns(now=list(letters))
            if today and cap:
                return self._today(tx, lease, letters, today=today, cap=cap, now=now)
            return self._in_turn(tx, lease, letters, now=now)

    def _grouped(self, letters: Sequence[Delivery]) -> dict[str, int]:
        """How many letters there are for each bucket that has a limit."""
        if not any(name.startswith(TO) for names in (self._told, self._learned) for name in names):
            return {}
        grouped: dict[str, int] = {}
        for letter in letters:
            bucket = TO + group_of(letter.address)
            if bucket in self._told or bucket in self._learned:
                grouped[bucket] = grouped.get(bucket, 0) + 1
        return grouped

    def _pass_by(
        self,
        tx: Transaction,
        grouped: Mapping[str, int],
        *,
        count: int,
        today: date | None,
        now: int,
    ) -> None:
        if today:
            self._count(tx, store.lock_bucket(tx, f"{DAY}{today}"), count)
        reserve(tx, grouped, rates=self._told, now=now, waits=False)

    def _today(
        self,
        tx: Transaction,
        lease: Lease,
        letters: Sequence[Delivery],
        *,
        today: date,
        cap: int,
        now: int,
    ) -> Turns:
        """What the warm-up leaves for today; the rest begins tomorrow."""
        day = store.lock_bucket(tx, f"{DAY}{today}")
        room = max(0, cap - day.taken)
        found = self._in_turn(tx, lease, letters[:room], now=now) if room else Turns()
        granted = len(found.now) + len(found.soon)
        if granted:
            self._count(tx, day, granted)
        again = found.again_at
        if not again and len(letters) > room:
            again = warmup.tomorrow(self._zone, now=now) + random.randrange(MINUTE)  # noqa: S311
        return replace(found, again_at=again, day=day.name if granted else "")

    def _count(self, tx: Transaction, day: Bucket, count: int) -> None:
        store.keep_bucket(tx, replace(day, taken=max(0, day.taken + count)))

    def give_back(self, turns: Turns, count: int) -> None:
        """`count` letters of a stretch were not sent after all, and shall not use up the day.

        Raises DatabaseUnavailable. Other turns are short, and are simply lost.
        """
        if turns.day and count:
            with self._db.write() as tx:
                self._count(tx, store.lock_bucket(tx, turns.day), -count)

    def _in_turn(
        self, tx: Transaction, lease: Lease, letters: Sequence[Delivery], *, now: int
    ) -> Turns:
        grants = reserve(tx, self._grouped(letters), rates=self._told, now=now)
        given = {name: iter(grant.turns) for name, grant in grants.items()}
        found, left = Turns(), set()
        for letter in letters:
            bucket = TO + group_of(letter.address) if given else ""
            turn = next(given[bucket], None) if bucket in given else now
            if turn is None:
                left.add(bucket)
            elif turn <= now:
                found.now.append(letter)
            else:
                found.soon.append((turn, letter))
        found.soon.sort(key=lambda one: one[0])
        if not left:
            return found
        room_at = min(grants[bucket].next_at for bucket in left)
        waiting = store.count_open_leases(tx, lease.mailing_id)
        return Turns(found.now, found.soon, again_at(room_at, waiting=waiting))

    # Lines to relays

    def is_limited(self, relay: str) -> bool:
        """Whether letters through a relay have to wait for turns at all."""
        name = THROUGH + relay
        return name in self._told or name in self._learned

    def wait(self, relay: str, kind: Kind, *, now: int) -> int:
        """Milliseconds until a letter may go through a relay; 0 gives it its turn, now.

        To be asked once for each letter right before it goes, and again after a wait. A
        notice never waits. While the database is away, neither does anybody else go.
        """
        name = THROUGH + relay
        if not self.is_limited(relay):
            return 0
        line = self._lines.setdefault(relay, _Line())
        try:
            if kind == "notice":
                with self._db.write() as tx:
                    reserve(tx, {name: 1}, rates=self._told, now=now, waits=False)
                return 0
            return line.wait(now) if line.is_known(now) else self._ask(name, line, now=now)
        except DatabaseUnavailable:
            return 0 if kind == "notice" else SECOND

    def _ask(self, name: str, line: "_Line", *, now: int) -> int:
        """A second's worth of turns at a time, so that senders share what there is."""
        rates = [rates[name] for rates in (self._told, self._learned) if name in rates]
        count = -(-min(rates) * SECOND // MINUTE)
        with self._db.write() as tx:
            grant = reserve(tx, {name: count}, rates=self._told, now=now, horizon=SECOND)[name]
        line.turns.extend(grant.turns)
        line.asks_at = grant.next_at
        return line.wait(now) if line.turns else max(1, grant.next_at - now)

    # What answers teach

    def hear(self, outcome: Outcome, *, address: str, relay: str, now: int) -> str:
        """Learn from an answer to a letter; the provider that is slower now, if one is.

        Only an answer that asks us to slow down costs anything.
        """
        slows = outcome.slows
        if not slows:
            return ""
        name = THROUGH + relay if slows == "relay" else TO + group_of(address)
        if now < self._heard.get(name, 0) + HORIZON:
            return ""  # what was on its way says the same again
        self._heard[name] = now
        with contextlib.suppress(DatabaseUnavailable), self._db.write() as tx:
            rate = slow_down(tx, name, told=self._told.get(name, 0), now=now)
            if self._learned.get(name) != rate:
                self._learned[name] = rate
                log.warning(
                    "%s wants fewer letters; %s a minute from now on. It said: %s",
                    in_words(name),
                    rate,
                    outcome.reply,
                )
        return name[len(TO) :] if slows == "provider" else ""


@dataclass(slots=True)
class _Line:
    """The turns one sender has at one relay, for about a second."""

    turns: deque[int] = field(default_factory=deque)
    asks_at: int = 0

    def is_known(self, now: int) -> bool:
        """Whether there is a turn, or it is known that there is none yet; old turns are lost."""
        while self.turns and self.turns[0] < now - SECOND:
            self.turns.popleft()
        return bool(self.turns) or now < self.asks_at <= now + MINUTE

    def wait(self, now: int) -> int:
        if not self.turns:
            return self.asks_at - now
        if self.turns[0] > now:
            return self.turns[0] - now
        self.turns.popleft()
        return 0


def again_at(room_at: int, *, waiting: int) -> int:
    """When one of `waiting` stretches should ask again: at random, but about evenly together."""
    others = max(0, waiting - 1)
    nap = min(others * HORIZON // VISITORS, max(LONGEST_NAP, others * SHORTEST_STEP))
    return room_at + random.randrange(nap + 1)  # noqa: S311 - spread, not secrecy


def in_words(name: str) -> str:
    """A bucket as people call it."""
    return name.partition(":")[2] if name.startswith(TO) else f"The relay {name[len(THROUGH) :]}"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket that has a rate now, in letters a minute: one it has learned, or one it was told."""

    name: str
    rate: int
    is_learned: bool

    @property
    def provider(self) -> str:
        """The provider or domain it is about; empty when it is about a relay."""
        return self.name[len(TO) :] if self.name.startswith(TO) else ""


def limits(connection: Connection, settings: Settings, *, now: int) -> list[Limit]:
    """Every limit that holds now, by name."""
    told, taught = rates_of(settings), learned(connection, now=now)
    rates = {name: min(told.get(name, rate), rate) for name, rate in {**told, **taught}.items()}
    return [Limit(name, rate, rate == taught.get(name)) for name, rate in sorted(rates.items())]


@dataclass(frozen=True, slots=True)
class Today:
    """How far the warm-up of the domain is: day 3 of 10, with `taken` letters of `cap`."""

    day: int
    cap: int
    taken: int


def warming(connection: Connection, settings: Settings, *, now: int) -> Today | None:
    """The warm-up as it stands today, or None when there is none."""
    today = warmup.today_in(settings.publication.zone, now=now)
    day = warmup.day_of(settings.pace.warmup, today=today)
    if not day:
        return None
    taken = store.bucket(connection, f"{DAY}{today}").taken
    return Today(day, warmup.cap_of(settings.pace.warmup, today=today), taken)


def days_for(connection: Connection, settings: Settings, count: int, *, now: int) -> int:
    """On how many days, from today, `count` letters leave under the warm-up; 1 is today."""
    today = warmup.today_in(settings.publication.zone, now=now)
    taken = store.bucket(connection, f"{DAY}{today}").taken
    return warmup.days_for(count, settings.pace.warmup, taken=taken, today=today)
