"""The sender: takes stretches of letters, hands each to the relay, records every answer.

Any number of senders share a database. One that dies loses nothing: what it had not handed
over goes to the next, what it had is shown as `uncertain` and never sent again by itself.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, mailings, smtp, store
from connector.delivery.alarm import Alarm
from connector.delivery.book import Book
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.mime import Template
from connector.delivery.outcome import Outcome
from connector.delivery.pipelining import Envelope
from connector.delivery.route import Route
from connector.delivery.stretches import Hand, Stretch, Stretches
from connector.delivery.tray import Tray
from connector.errors import DatabaseUnavailable, Refused, RelayUnavailable
from connector.settings import Settings

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
    async with _relay(db, settings) as relay, asyncio.TaskGroup() as tasks:
        sender = _Sender(db, settings, relay, stop)
        tasks.create_task(sender.tend(chores, until_done=until_done))
        working = [tasks.create_task(connection.run()) for connection in sender.everybody]
        tasks.create_task(sender.poll(working))


@contextlib.asynccontextmanager
async def _relay(db: Database, settings: Settings) -> AsyncIterator[smtp.Relay]:
    if settings.has_relay:
        yield smtp.Relay.of(settings)
        return
    async with Tray(db) as relay:
        yield relay


class _Sender:
    """What all connections of one sender share."""

    def __init__(
        self, db: Database, settings: Settings, relay: smtp.Relay, stop: asyncio.Event
    ) -> None:
        self.db = db
        self.settings = settings
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.hold = settings.mail.lease * SECOND
        self.route = Route(db, relay, name=ledger.relay_name(settings))
        places: dict[Kind, int] = {"notice": 1, "issue": settings.mail.connections}
        self.lanes = [Stretches(db, kind, worker=self.name, hold=self.hold) for kind in places]
        self.connections = {
            lane: [_Connection(self, self.route, lane) for _ in range(places[lane.kind])]
            for lane in self.lanes
        }
        self.book = Book(
            db,
            self.name,
            # Half of what may be under way: the other half keeps the lines busy meanwhile.
            batch=max(1, WINDOW * settings.mail.connections // 2),
            deal=self.deal,
            take_back=self.take_back,
            written=self.written,
        )
        self.unwritten: list[Stretch] = []
        self.templates: dict[int, Template] = {}
        self.alarms: dict[int, Alarm] = {}

    @property
    def everybody(self) -> Iterator["_Connection"]:
        return itertools.chain.from_iterable(self.connections.values())

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
        connection, lease = handed.connection, handed.stretch.lease
        # The next commit records this before it hands anything over in its place.
        connection.marked -= 1
        self.unwritten.append(handed.stretch)
        self.book.settle(Settled(lease, handed.delivery, outcome))
        route = connection.route
        # A line we cut ourselves says nothing about the relay.
        if not (route.is_proven and outcome.kind == "sent") and not self.stop.is_set():
            route.watch(outcome)
        if lease.kind == "issue":
            self._listen(lease, outcome)

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
        """As many letters as the connections have room for."""
        if self.stop.is_set():
            return []
        return [
            hand
            for lane in self.lanes
            for hand in lane.deal(sum([one.room for one in self.connections[lane]]))
        ]

    def take_back(self, hands: list[Hand]) -> None:
        for hand in hands:
            hand.stretch.lane.take_back(hand)

    def written(self, hands: list[Hand]) -> None:
        """All that was settled is on disk, and so are the marks of these letters: they may go."""
        for stretch in self.unwritten:
            stretch.open -= 1
        self.unwritten.clear()
        for lane in self.lanes:
            handed = [
                (hand.stretch, delivery)
                for hand in hands
                if hand.stretch.lane is lane
                for delivery in hand.letters
            ]
            has_room = _spread(handed, self.connections[lane])
            if has_room and lane.has_more:
                self.book.ask()

    # Time

    async def poll(self, working: Sequence[asyncio.Task[None]]) -> None:
        """Look for letters that have become due, until told to stop; then see the work out.

        A relay that still says nothing after a while keeps its letters: they are uncertain.
        """
        while not self.stop.is_set():
            self.look()
            await self.pause(POLL_SECONDS)
        for connection in self.everybody:
            connection.wake()
        _, silent = await asyncio.wait(working, timeout=DRAIN_SECONDS)
        for task in silent:
            task.cancel()

    def look(self) -> None:
        """Give back what is done, take what is due, and tell the connections that wait."""
        for lane in self.lanes:
            lane.release(everything=self.route.is_broken)
            lane.look_again()
        self.book.ask()
        for connection in self.everybody:
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
                        ledger.renew(self.db, worker=self.name, hold=self.hold, now=now)
                    if until_done and not ledger.is_open(self.db, now=now):
                        self.stop.set()
                except DatabaseUnavailable as error:
                    log.warning("%s", error)
                await self.pause(POLL_SECONDS if until_done else 1)
        finally:
            with contextlib.suppress(DatabaseUnavailable):
                ledger.sign_out(self.db, self.name, now=clock.now())

    async def pause(self, seconds: float) -> None:
        """Wait, but not when we are told to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def _spread(handed: list[tuple[Stretch, Delivery]], connections: Sequence["_Connection"]) -> bool:
    """Give each connection an equal part, as far as it has room; whether there is room left."""
    at, left = 0, len(handed)
    total = sum([one.room for one in connections])
    has_room = total > left
    for behind, connection in zip(range(len(connections), 0, -1), connections, strict=True):
        if not left:
            break
        room = connection.room
        total -= room
        # An equal part, or more when those behind have no room for theirs.
        part = min(room, max(-(-left // behind), left - total))
        if part:
            connection.give(handed[at : at + part])
            at, left = at + part, left - part
    return has_room


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

    def __init__(self, sender: _Sender, route: Route, lane: Stretches) -> None:
        self.sender = sender
        self.route = route
        self.lane = lane
        self.ready: deque[tuple[Stretch, Delivery]] = deque()
        self.marked = 0  # letters of ours that are `sending` on disk
        self.waiter: asyncio.Future[None] | None = None
        self.closes_at = 0.0

    @property
    def room(self) -> int:
        """How many more letters may be handed over to us."""
        return 0 if self.route.is_broken else WINDOW - self.marked

    def give(self, letters: Sequence[tuple[Stretch, Delivery]]) -> None:
        """These are ours to send now."""
        self.marked += len(letters)
        self.ready.extend(letters)
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
            self.lane.release(everything=stop.is_set())

    async def _converse(self) -> None:
        route = self.route
        if route.is_broken:
            self._hand_back("The relay does not answer.")
            return
        try:
            conversation = await smtp.connect(route.relay, in_groups=route.in_groups)
        except RelayUnavailable as error:
            route.failed(error)
            self._hand_back(str(error))
            return
        self.closes_at = asyncio.get_running_loop().time() + REUSE_SECONDS
        try:
            await conversation.work(self)
            route.in_groups = route.in_groups and conversation.takes_groups
        finally:
            await conversation.quit()

    def next_nowait(self) -> _Handed | None:
        """The next letter, if one is handed over already."""
        if not self.ready:
            return None
        stretch, delivery = self.ready.popleft()
        template = self.sender.template(delivery.letter_id, stretch.lease)
        sender, message = template.fill(delivery)
        return _Handed(sender, delivery.address, message, self, stretch, delivery)

    async def next(self) -> _Handed | None:
        """The next letter; None when the line should be closed."""
        loop, stop = asyncio.get_running_loop(), self.sender.stop
        until = min(loop.time() + IDLE_SECONDS, self.closes_at)
        while not self.ready and loop.time() < until and not stop.is_set():
            await self._wait()
        return self.next_nowait()

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
            stretch, delivery = self.ready.popleft()
            unsent = _Handed("", delivery.address, b"", self, stretch, delivery)
            self.sender.settle(unsent, Outcome("unreached", why))
