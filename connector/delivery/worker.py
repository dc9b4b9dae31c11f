"""The sender: takes stretches of letters, hands each to the relay, records every answer.

Any number of senders share a database. One that dies loses nothing: what it had not handed
over goes to the next, what it had is shown as `uncertain` and never sent again by itself.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, mailings, smtp, store
from connector.delivery.alarm import Alarm
from connector.delivery.book import Book
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.mime import Template, envelope_sender
from connector.delivery.outcome import Outcome
from connector.delivery.smtp import Envelope
from connector.delivery.stretches import Stretch, Stretches
from connector.delivery.tray import Tray
from connector.errors import DatabaseUnavailable, Refused, RelayUnavailable
from connector.settings import Settings

log = logging.getLogger(__name__)

# What a kill -9 can leave uncertain: this many letters on each connection.
WINDOW = 4
# How many are handed over to a connection at a time, while it sends those before.
STEP = 2
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
        working = [tasks.create_task(connection.run()) for connection in sender.connections]
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
        self.relay = relay
        self.relay_name = ledger.relay_name(settings)
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.hold = settings.mail.lease * SECOND
        self.book = Book(db, self.name, batch=WINDOW * settings.mail.connections)
        lanes: dict[Kind, int] = {"notice": 1, "issue": settings.mail.connections}
        self.lanes = [Stretches(db, kind, worker=self.name, hold=self.hold) for kind in lanes]
        self.connections = [
            _Connection(self, lane) for lane in self.lanes for _ in range(lanes[lane.kind])
        ]
        self.templates: dict[int, Template] = {}
        self.alarms: dict[int, Alarm] = {}
        self.broken_until = 0.0
        self.failures = 0
        self.is_proven = False
        self.in_groups = True  # until the relay shows that it does not mean its PIPELINING

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

    # The relay

    @property
    def is_relay_broken(self) -> bool:
        """Whether we are waiting before we try the relay again; no attempt is spent meanwhile."""
        return asyncio.get_running_loop().time() < self.broken_until

    def listen(self, lease: Lease, outcome: Outcome) -> None:
        """Stop a mailing of an issue that is refused again and again, and say why."""
        if lease.kind != "issue":
            return
        alarm = self.alarms.get(lease.mailing_id)
        if alarm is None:
            alarm = self.alarms[lease.mailing_id] = Alarm()
        if why := alarm.hear(outcome):
            del self.alarms[lease.mailing_id]
            log.warning("Mailing %s is paused. %s", lease.mailing_id, why)
            with contextlib.suppress(Refused, DatabaseUnavailable):
                mailings.pause(self.db, lease.mailing_id, why=why, now=clock.now())

    def watch(self, outcome: Outcome) -> None:
        """Learn from what became of a letter whether the relay works."""
        if self.stop.is_set():  # a line we cut ourselves says nothing about the relay
            return
        if outcome.kind in ("unreached", "uncertain"):
            self.relay_failed(RelayUnavailable(f"The relay hung up on us: {outcome.reply}"))
        elif not self.is_proven:
            self.failures, self.broken_until, self.is_proven = 0, 0.0, True
            with contextlib.suppress(DatabaseUnavailable):
                ledger.relay_works(self.db, self.relay_name)

    def relay_failed(self, error: RelayUnavailable) -> None:
        """Leave the relay alone for a while, longer each time."""
        now = asyncio.get_running_loop().time()
        if self.is_relay_broken:
            return
        self.failures += 1
        self.is_proven = False
        log.warning("%s", error)
        try:
            retry = ledger.relay_failed(
                self.db, self.relay_name, why=str(error), failures=self.failures, now=clock.now()
            )
            self.broken_until = now + (retry - clock.now()) / SECOND
        except DatabaseUnavailable as trouble:
            log.warning("%s", trouble)
            self.broken_until = now + 1

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
        for lane in self.lanes:
            lane.release(everything=self.is_relay_broken)
            lane.look_again()
        for connection in self.connections:
            connection.refill()
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


@dataclass(slots=True, eq=False)
class _Handed(Envelope):
    """A letter that is `sending` on disk, ready for the relay."""

    stretch: Stretch
    delivery: Delivery


class _Connection:
    """One place at the relay, and the few letters that are handed over to it.

    Opened when there is something to send, closed when there has been nothing for a while.
    """

    def __init__(self, sender: _Sender, lane: Stretches) -> None:
        self.sender = sender
        self.lane = lane
        self.ready: deque[tuple[Stretch, Delivery]] = deque()
        self.marked = 0  # letters of ours that are `sending` on disk, or are about to be
        self.is_asking = False
        self.waiter: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Keep a conversation going while there are letters, until the sender stops."""
        try:
            while not self.sender.stop.is_set():
                if await self._wait():
                    await self._converse()
        finally:
            await self.sender.book.written()  # what we asked for last may be granted now
            self._hand_back("The sender stopped before this letter.")
            await self.sender.book.written()
            self.lane.release(everything=self.sender.stop.is_set())

    async def _converse(self) -> None:
        if self.sender.is_relay_broken:
            self._hand_back("The relay does not answer.")
            return
        try:
            conversation = await smtp.connect(self.sender.relay, in_groups=self.sender.in_groups)
        except RelayUnavailable as error:
            self.sender.relay_failed(error)
            self._hand_back(str(error))
            return
        self.closes_at = asyncio.get_running_loop().time() + REUSE_SECONDS
        try:
            await conversation.work(self)
            self.sender.in_groups = self.sender.in_groups and conversation.takes_groups
        finally:
            await conversation.quit()

    # Letters for the conversation

    def next_nowait(self) -> _Handed | None:
        """The next letter, if one is handed over already."""
        if not self.ready:
            self.refill()
            return None
        stretch, delivery = self.ready.popleft()
        self.refill()
        return self._handed(stretch, delivery)

    async def next(self) -> _Handed | None:
        """The next letter; None when the line should be closed."""
        loop = asyncio.get_running_loop()
        until = min(loop.time() + IDLE_SECONDS, self.closes_at)
        while not self.ready and loop.time() < until and not self._is_over:
            await self._wait()
        return self.next_nowait()

    def settle(self, handed: Envelope, outcome: Outcome) -> None:
        """Write down what became of a letter."""
        assert isinstance(handed, _Handed)  # noqa: S101 - we get back what we gave
        self.sender.watch(outcome)
        self.sender.listen(handed.stretch.lease, outcome)
        self._settle(handed.stretch, handed.delivery, outcome)

    def _settle(self, stretch: Stretch, delivery: Delivery, outcome: Outcome) -> None:
        def written() -> None:
            stretch.open -= 1
            self.marked -= 1
            self.refill()

        self.sender.book.settle(Settled(stretch.lease, delivery, outcome), then=written)

    def _handed(self, stretch: Stretch, delivery: Delivery) -> _Handed:
        template = self.sender.template(delivery.letter_id, stretch.lease)
        return _Handed(
            sender=envelope_sender(self.sender.settings, delivery.id),
            recipient=delivery.address,
            message=template.message(
                delivery=delivery.id,
                recipient=delivery.recipient,
                address=delivery.address,
                name=delivery.name,
            ),
            stretch=stretch,
            delivery=delivery,
        )

    def _hand_back(self, why: str) -> None:
        """What is handed over to us and will not be sent goes back, at no cost."""
        while self.ready:
            self._settle(*self.ready.popleft(), Outcome("unreached", why))

    # Hand-over

    def refill(self) -> None:
        """Ask for a few more letters, unless as many as may be in doubt are ours already."""
        if (
            self.is_asking
            or self.marked > WINDOW - STEP
            or self.sender.stop.is_set()
            or self.sender.is_relay_broken
        ):
            return
        dealt = self.lane.deal(STEP)
        if dealt is None:
            if self.ready or not self.lane.take():
                return
            dealt = self.lane.deal(STEP)
            if dealt is None:
                return
        stretch, letters = dealt
        self.is_asking = True
        self.marked += len(letters)

        def granted(handed: list[Delivery]) -> None:
            self.is_asking = False
            self.marked -= len(letters) - len(handed)
            stretch.open -= len(letters) - len(handed)
            self.ready.extend((stretch, delivery) for delivery in handed)
            self.wake()
            self.refill()

        self.sender.book.hand_over(stretch.lease, letters, then=granted)

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    @property
    def _is_over(self) -> bool:
        """Whether the sender stops, and nothing we asked for is still to come."""
        return self.sender.stop.is_set() and not self.is_asking

    async def _wait(self) -> bool:
        """Wait for something to send, a poll at most; whether there is something."""
        if not self.ready:
            self.refill()
            if self._is_over:
                return False
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        return bool(self.ready)
