"""The sender: takes stretches of letters, hands each to the relay, records every answer.

Any number of senders share a database. One that dies loses nothing: what it had not handed
over goes to the next, what it had is shown as `uncertain` and never sent again by itself.
"""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, mailings, smtp, store
from connector.delivery.alarm import Alarm
from connector.delivery.book import Book
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.mime import Template
from connector.delivery.outage import Outage
from connector.delivery.outcome import Outcome
from connector.delivery.pace import Pace
from connector.delivery.pipelining import Envelope
from connector.delivery.relays import Round
from connector.delivery.route import Route
from connector.delivery.steady import Steady
from connector.delivery.stretches import Hand, Stretch, Stretches
from connector.delivery.tray import Tray
from connector.errors import DatabaseUnavailable, Refused, RelayUnavailable
from connector.settings import RelaySettings, Settings

log = logging.getLogger(__name__)

# What a kill -9 can leave uncertain: this many letters on each connection.
WINDOW = 4
POLL_SECONDS = 0.25
IDLE_SECONDS = 10
# Systemd waits 90 s for a process to end, Docker 10; after this a silent relay is left alone.
DRAIN_SECONDS = 8
# Postfix keeps a connection no longer than this either (smtp_connection_reuse_time_limit).
REUSE_SECONDS = 300
TEMPLATES = 64
TRAY = RelaySettings(name="tray", host="tray")

Chore = Callable[[int], object]


async def run(
    db: Database,
    settings: Settings,
    *,
    stop: asyncio.Event,
    chores: Sequence[Chore] = (),
    until_done: bool = False,
) -> None:
    """Send whatever is due until `stop` is set; then finish what is under way and give back the rest.

    `chores` are called about once a second with the time, as long as the sender lives. With
    `until_done` it stops by itself when nothing is due; letters to be tried again wait for
    the next sender.
    """
    # What is there by now stays: the collector need not look through it again and again.
    gc.freeze()
    async with _relays(db, settings) as relays, asyncio.TaskGroup() as tasks:
        sender = _Sender(db, settings, relays, stop)
        tasks.create_task(sender.tend(chores, until_done=until_done))
        working = [tasks.create_task(one.run()) for one in sender.connections]
        tasks.create_task(sender.poll(working))


@contextlib.asynccontextmanager
async def _relays(
    db: Database, settings: Settings
) -> AsyncIterator[list[tuple[RelaySettings, smtp.Relay]]]:
    if settings.has_relay:
        yield [(relay, smtp.Relay.of(settings, relay)) for relay in settings.relays]
        return
    async with Tray(db) as tray:
        yield [(replace(TRAY, connections=settings.mail.connections), tray)]


class _Sender:
    """What all connections of one sender share."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        relays: Sequence[tuple[RelaySettings, smtp.Relay]],
        stop: asyncio.Event,
    ) -> None:
        self.db = db
        self.settings = settings
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.hold = settings.mail.lease * SECOND
        self.steady = Steady(asyncio.get_running_loop().time)
        self.outage = Outage(self.steady)
        self.pace = Pace(db, settings)
        self.round = Round.of([known for known, _ in relays])
        self.routes = {
            known.name: Route(
                db,
                relay,
                name=known.name,
                connections=known.connections,
                steady=self.steady,
                outage=self.outage,
            )
            for known, relay in relays
        }
        kinds: tuple[Kind, ...] = ("notice", "issue")
        self.lanes = {
            Stretches(
                db,
                kind,
                worker=self.name,
                hold=self.hold,
                pace=self.pace,
                steady=self.steady,
                outage=self.outage,
            ): {
                known.name: [
                    _Connection(self, self.routes[known.name], kind, place)
                    for place in range(1 if kind == "notice" else known.connections)
                ]
                for known, _ in relays
            }
            for kind in kinds
        }
        lines = sum(known.connections for known, _ in relays)
        self.book = Book(
            db,
            self.name,
            # Half of what may be under way: the other half keeps the lines busy meanwhile.
            batch=max(1, WINDOW * lines // 2),
            deal=self.deal,
            take_back=self.take_back,
            written=self.written,
            steady=self.steady,
            outage=self.outage,
        )
        self.unwritten: list[Stretch] = []
        self.parts: dict[Stretches, list[tuple[_Connection, int]]] = {}
        self.templates: dict[int, Template] = {}
        self.alarms: dict[int, Alarm] = {}

    @property
    def connections(self) -> Iterator["_Connection"]:
        for places in self.lanes.values():
            yield from itertools.chain.from_iterable(places.values())

    def template(self, letter_id: int, lease: Lease) -> Template:
        """The letter encoded once; a few are kept, since stretches of one mailing come together."""
        found = self.templates.get(letter_id)
        if found is None:
            with self.db.read() as connection:
                letter = store.letter(connection, letter_id)
            if letter is None:
                raise RuntimeError(f"delivery without its letter {letter_id}")
            if len(self.templates) >= TEMPLATES:
                self.templates.pop(next(iter(self.templates)))
            found = self.templates[letter_id] = Template(
                letter,
                self.settings,
                mailing=lease.mailing_id,
                kind=lease.kind,
                date=lease.starts_at,
            )
        return found

    # Outcomes

    def settle(self, handed: "_Handed", outcome: Outcome) -> None:
        """Write down what became of a letter, and learn from it."""
        route, lease = handed.connection.route, handed.stretch.lease
        if len(self.routes) > 1:
            outcome = outcome.through(route.name)
        if outcome.kind == "deferred":
            self._hear(handed, outcome)
        self.record(handed, outcome)
        # A line we cut ourselves says nothing about the relay.
        if not (outcome.kind == "sent" and route.is_well) and not self.stop.is_set():
            route.watch(outcome)
        if lease.kind == "issue":
            self._listen(lease, outcome)

    def record(self, handed: "_Handed", outcome: Outcome) -> None:
        """Write down what became of a letter."""
        # The next commit records this before it hands anything over in its place.
        handed.connection.marked -= 1
        self.unwritten.append(handed.stretch)
        if outcome.kind == "unreached" and outcome.is_free:
            handed.stretch.returned += 1
        self.book.settle(Settled(handed.stretch.lease, handed.delivery, outcome))

    def _hear(self, handed: "_Handed", outcome: Outcome) -> None:
        """Send fewer letters when that is what the answer asks for."""
        name, now = handed.connection.route.name, self.steady.now()
        slower = self.pace.hear(outcome, address=handed.recipient, relay=name, now=now)
        if slower:
            self._put_aside({slower})

    def _put_aside(self, providers: Collection[str]) -> None:
        for lane in self.lanes:
            if lane.kind == "issue":
                lane.put_aside(providers)

    def _listen(self, lease: Lease, outcome: Outcome) -> None:
        """Stop a mailing of an issue that is refused again and again, and say why."""
        alarm = self.alarms.get(lease.mailing_id)
        if alarm is None:
            alarm = self.alarms[lease.mailing_id] = Alarm()
        if why := alarm.hear(outcome):
            del self.alarms[lease.mailing_id]
            log.warning("Mailing %s is paused. %s", lease.mailing_id, why)
            with contextlib.suppress(Refused, DatabaseUnavailable):
                mailings.pause(self.db, lease.mailing_id, why=why, now=clock.now())

    # Hand-over

    def deal(self) -> list[Hand]:
        """As many letters as the connections have room for, and the relays a turn."""
        self.parts.clear()
        if self.stop.is_set():
            return []
        hands: list[Hand] = []
        for lane, places in self.lanes.items():
            usable = self._usable(lane.kind, places)
            dealt = lane.deal(sum([_room(those) for those in usable.values()]))
            if dealt:
                hands += self._share(lane, dealt, usable)
        try:
            for hand in hands:
                for letter_id in {delivery.letter_id for delivery in hand.letters}:
                    self.template(letter_id, hand.stretch.lease)
        except DatabaseUnavailable as error:
            # Before a letter is marked: one that is and cannot be made would stay so.
            self.outage.tell(error)
            self.parts.clear()
            self.take_back(hands)
            return []
        return hands

    def _usable(
        self, kind: Kind, places: Mapping[str, Sequence["_Connection"]]
    ) -> dict[str, Sequence["_Connection"]]:
        return {name: self.routes[name].usable(those, kind) for name, those in places.items()}

    def _share(
        self, lane: Stretches, hands: list[Hand], usable: Mapping[str, Sequence["_Connection"]]
    ) -> list[Hand]:
        """Settle who gets how many of these letters; those for whom there is nobody go back."""
        count = sum([len(hand.letters) for hand in hands])
        shares = self._by_relay(count, lane.kind, usable)
        self.parts[lane] = [
            part for name, share in shares.items() for part in _spread(share, usable[name])
        ]
        left = sum(shares.values())
        if left == count:
            return hands
        for hand in hands:
            kept = min(left, len(hand.letters))
            left -= kept
            lane.take_back(hand, but=kept)
        return [hand for hand in hands if hand.letters]

    def _by_relay(
        self, count: int, kind: Kind, usable: Mapping[str, Sequence["_Connection"]]
    ) -> dict[str, int]:
        """How many letters each relay gets, by weight and by its turns.

        The letters of a mailing that are a relay's share wait until it has room, as long as it
        goes on; those that it may not have yet by its own limit go through the others.
        """
        if len(usable) == 1:
            return {name: self._turns(name, kind, count) for name in usable}
        rooms = {name: _room(those) for name, those in usable.items()}
        shares = dict.fromkeys(usable, 0)
        broken = self._avoided(kind, rooms)
        full: set[str] = set()
        while count:
            name = self.round.choose(broken=broken, full=full)
            if name is None:
                break
            route = self.routes[name]
            if shares[name] == rooms[name]:
                if kind == "issue" and route.is_worth_waiting():
                    self.round.owe(name)
                    break
                full.add(name)
            elif self._turns(name, kind, 1):
                route.has_room()
                shares[name] += 1
                count -= 1
            else:
                full.add(name)
        return shares

    def _avoided(self, kind: Kind, rooms: Mapping[str, int]) -> list[str]:
        """Relays that are broken, or on trial already; a notice tries none if it can help it."""
        suspect = [name for name, route in self.routes.items() if route.is_suspect]
        if kind == "notice" and len(suspect) < len(self.routes):
            return suspect
        return [name for name in suspect if self.routes[name].is_broken or not rooms[name]]

    def _turns(self, name: str, kind: Kind, count: int) -> int:
        """How many of so many letters may go through a relay now, as fast as it may be used."""
        if not self.pace.is_limited(name):
            return count
        route, now = self.routes[name], self.steady.now()
        if now < route.rests_until and kind != "notice":
            return 0
        for taken in range(count):
            if wait := self.pace.wait(name, kind, now=now):
                route.rests_until = now + wait
                asyncio.get_running_loop().call_later(wait / SECOND, self.book.ask)
                return taken
        return count

    def rearrange(self, turned_away: "_Connection") -> None:
        """Connections that are open come first: they are the ones to keep."""
        for lane, places in self.lanes.items():
            if lane.kind == turned_away.kind:
                those = places[turned_away.route.name]
                those.sort(key=lambda one: not one.is_open)
                for place, connection in enumerate(those):
                    connection.place = place

    def take_back(self, hands: list[Hand]) -> None:
        for hand in hands:
            hand.stretch.lane.take_back(hand)

    def written(self, hands: list[Hand]) -> None:
        """All that was settled is on disk, and so are the marks of these letters: they may go."""
        for stretch in self.unwritten:
            stretch.open -= 1
        self.unwritten.clear()
        for lane, parts in self.parts.items():
            handed = self._filled([hand for hand in hands if hand.stretch.lane is lane])
            at = 0
            for connection, part in parts:
                connection.give(handed[at : at + part])
                at += part
        if any(
            lane.has_more and self._is_short(lane.kind, places)
            for lane, places in self.lanes.items()
        ):
            self.book.ask()

    def _filled(self, hands: Sequence[Hand]) -> list["_Filled"]:
        """Letters with each reader's own words in them, signed: all that is left is to send them."""
        return [
            (hand.stretch, delivery, *envelope)
            for hand in hands
            for letter_id, letters in itertools.groupby(hand.letters, attrgetter("letter_id"))
            for those in [list(letters)]
            for delivery, envelope in zip(
                those, self.template(letter_id, hand.stretch.lease).fill(those), strict=True
            )
        ]

    def _is_short(self, kind: Kind, places: Mapping[str, Sequence["_Connection"]]) -> bool:
        """Whether a connection has room for letters that may go now."""
        now, owed = self.steady.now(), self.round.owed if kind == "issue" else ""
        return any(
            route.rests_until <= now and _room(route.usable(places[name], kind))
            for name, route in self.routes.items()
            if owed in ("", name)
        )

    # Time

    async def poll(self, working: Sequence[asyncio.Task[None]]) -> None:
        """Look for letters that have become due, until told to stop; then see the work out.

        A relay that still says nothing after a while keeps its letters: they are uncertain.
        """
        while not self.stop.is_set():
            self.look()
            await self.pause(POLL_SECONDS)
        for connection in self.connections:
            connection.wake()
        _, silent = await asyncio.wait(working, timeout=DRAIN_SECONDS)
        for task in silent:
            task.cancel()

    def look(self) -> None:
        """Give back what is done, take what is due, and tell the connections that wait."""
        try:
            self._put_aside(self.pace.look(now=self.steady.now()))
            broken = ledger.broken_relays(self.db)
        except DatabaseUnavailable as error:
            self.outage.tell(error)
        else:
            for route in self.routes.values():
                route.look(broken)
        is_stuck = all(route.is_broken for route in self.routes.values())
        for lane in self.lanes:
            lane.release(everything=is_stuck)
            lane.look_again()
        self.book.ask()
        for connection in self.connections:
            connection.wake()  # so that one that has been idle for long hangs up

    async def tend(self, chores: Sequence[Chore], *, until_done: bool) -> None:
        """Keep our leases, and do the chores, until told to stop."""
        loop = asyncio.get_running_loop()
        renew_at = 0.0
        try:
            while not self.stop.is_set():
                now = clock.now()
                try:
                    for chore in chores:
                        chore(now)
                    if loop.time() >= renew_at:
                        renew_at = loop.time() + min(self.hold, ledger.ALIVE) / SECOND / 3
                        ledger.sign_in(self.db, self.name, now=now)
                        ledger.renew(
                            self.db,
                            worker=self.name,
                            held={lease for lane in self.lanes for lease in lane.held},
                            hold=self.hold,
                            now=self.steady.now(),
                        )
                        self.outage.over()
                    if until_done and not ledger.is_open(self.db, now=self.steady.now()):
                        self.stop.set()
                except DatabaseUnavailable as error:
                    self.outage.tell(error)
                await self.pause(POLL_SECONDS if until_done else 1)
        finally:
            with contextlib.suppress(DatabaseUnavailable):
                ledger.sign_out(self.db, self.name, now=clock.now())

    async def pause(self, seconds: float) -> None:
        """Wait, but not when we are told to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def _room(connections: Sequence["_Connection"]) -> int:
    """How many more letters may be handed over to these."""
    return WINDOW * len(connections) - sum([one.marked for one in connections])


def _spread(
    count: int, connections: Sequence["_Connection"]
) -> Iterator[tuple["_Connection", int]]:
    """Equal parts of so many letters, for as many connections as have room; there is enough."""
    left = _room(connections)
    for behind, connection in zip(range(len(connections), 0, -1), connections, strict=True):
        room = WINDOW - connection.marked
        left -= room
        # An equal part, or more when those behind have no room for theirs.
        part = min(room, max(-(-count // behind), count - left))
        if part:
            yield connection, part
            count -= part


# A stretch, a letter of it, its envelope sender and the pieces of its message.
_Filled = tuple[Stretch, Delivery, str, list[bytes]]


@dataclass(slots=True, eq=False)
class _Handed(Envelope):
    """A letter that is `sending` on disk, ready for the relay."""

    connection: "_Connection"
    stretch: Stretch
    delivery: Delivery


class _Connection:
    """One place at the relay, and the few letters that are handed over to it.

    Opened when there is something to send, closed when there has been nothing for a while.
    """

    def __init__(self, sender: _Sender, route: Route, kind: Kind, place: int) -> None:
        self.sender = sender
        self.route = route
        self.kind: Kind = kind
        self.place = place
        self.is_open = False
        self.ready: deque[_Handed] = deque()
        self.marked = 0  # letters of ours that are `sending` on disk
        self.waiter: asyncio.Future[None] | None = None
        self.closes_at = 0.0

    def give(self, letters: Sequence[_Filled]) -> None:
        """These are ours to send now."""
        self.marked += len(letters)
        self.ready.extend(
            [
                _Handed(sender, delivery.address, pieces, self, stretch, delivery)
                for stretch, delivery, sender, pieces in letters
            ]
        )
        self.wake()

    async def run(self) -> None:
        """Keep a conversation going while there are letters, until the sender stops."""
        stop = self.sender.stop
        try:
            while not stop.is_set():
                if self.ready:
                    await self._converse()
                else:
                    await self._wait()
        finally:
            await self.sender.book.written()  # what we asked for last may be granted now
            self._hand_back("The sender stopped before this letter.")
            await self.sender.book.written()
            for lane in self.sender.lanes:
                lane.release(everything=stop.is_set())

    async def _converse(self) -> None:
        route = self.route
        if route.is_broken or not route.may_try():
            self._hand_back("The relay does not answer.")
            return
        try:
            conversation = await smtp.connect(route.relay, in_groups=route.in_groups)
        except RelayUnavailable as error:
            route.failed(error, self.kind)
            self.sender.rearrange(self)
            self._hand_back(str(error))
            return
        self.closes_at = asyncio.get_running_loop().time() + REUSE_SECONDS
        self.is_open = True
        route.opened(self.kind)
        try:
            await conversation.work(self)
            route.in_groups = route.in_groups and conversation.takes_groups
        finally:
            try:
                await conversation.quit()
            finally:
                self.is_open = False
                route.closed(self.kind)

    def next_nowait(self) -> _Handed | None:
        """The next letter, if one is handed over already."""
        if not self.ready:
            self.sender.book.ask()
            return None
        return self.ready.popleft()

    async def next(self) -> _Handed | None:
        """The next letter; None when the line should be closed."""
        loop, stop = asyncio.get_running_loop(), self.sender.stop
        idle = 0 if self.kind == "notice" and self.route.is_tight else IDLE_SECONDS
        until = min(loop.time() + idle, self.closes_at)
        while not self.ready and loop.time() < until and not stop.is_set() and self._is_wanted:
            await self._wait()
        return self.next_nowait()

    @property
    def _is_wanted(self) -> bool:
        """Whether the relay stands as many connections as this one makes."""
        return self.kind == "notice" or self.place < self.route.limit

    def settle(self, handed: Envelope, outcome: Outcome) -> None:
        """Write down what became of a letter."""
        assert isinstance(handed, _Handed)  # noqa: S101 - we get back what we gave
        self.sender.settle(handed, outcome)

    def wake(self) -> None:
        """Look whether there is something to send, or reason to hang up."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def _wait(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    def _hand_back(self, why: str) -> None:
        """What is handed over to us and will not be sent goes back, at no cost."""
        while self.ready:
            self.sender.record(self.ready.popleft(), Outcome("unreached", why))
            # Until it is written down that they never left, a crash makes them uncertain.
            self.sender.book.ask()
