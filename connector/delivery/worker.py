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
from dataclasses import dataclass, field

from connector import clock
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, smtp, store
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.mime import Template, envelope_sender
from connector.delivery.outcome import Outcome
from connector.delivery.tray import Tray
from connector.errors import DatabaseUnavailable, RelayUnavailable
from connector.settings import Settings

log = logging.getLogger(__name__)

# What a kill -9 can leave uncertain: this many letters on each connection.
WINDOW = 4
POLL_SECONDS = 0.25
IDLE_SECONDS = 10
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
        tasks.create_task(sender.converse(sender.lanes["notice"]))
        for _ in range(settings.mail.connections):
            tasks.create_task(sender.converse(sender.lanes["issue"]))


@contextlib.asynccontextmanager
async def _relay(db: Database, settings: Settings) -> AsyncIterator[smtp.Relay]:
    if settings.has_relay:
        yield smtp.Relay.of(settings)
        return
    async with Tray(db) as relay:
        yield relay


@dataclass(slots=True, eq=False)
class _Held:
    """A stretch in our hands: the letters still to go, and how many have no recorded outcome."""

    lease: Lease
    waiting: deque[Delivery]
    open: int = 0

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.open


@dataclass(slots=True, eq=False)
class _Lane:
    kind: Kind
    held: list[_Held] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Batch:
    held: _Held
    letters: list[Delivery]


class _Sender:
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
        self.lanes: dict[Kind, _Lane] = {"notice": _Lane("notice"), "issue": _Lane("issue")}
        self.book = _Book(db, self.name)
        self.templates: dict[int, Template] = {}
        self.broken_until = 0.0
        self.failures = 0
        self.is_proven = False

    # One connection

    async def converse(self, lane: _Lane) -> None:
        """Keep one connection busy with the letters of a lane, and closed when there are none."""
        connection = _Connection(self)
        try:
            while not self.stop.is_set():
                batch = None if self.is_relay_broken else self._next(lane)
                if batch is None:
                    self._release(lane, everything=self.is_relay_broken)
                    await connection.rest()
                    await self._pause(POLL_SECONDS)
                elif await connection.is_ready():
                    await self._send(connection, batch)
                else:
                    batch.held.waiting.extendleft(reversed(batch.letters))
                    batch.held.open -= len(batch.letters)
        finally:
            await self.book.written()
            self._release(lane, everything=self.stop.is_set())
            await connection.close()

    async def _send(self, connection: "_Connection", batch: _Batch) -> None:
        held = batch.held
        letters = await self.book.hand_over(held.lease, batch.letters)
        held.open -= len(batch.letters) - len(letters)
        settled = [
            Settled(held.lease, letter, await connection.send(held.lease, letter))
            for letter in letters
        ]
        self._watch([one.outcome for one in settled])

        def close() -> None:
            held.open -= len(settled)

        # Not awaited: the record joins the transaction that hands over this connection's next
        # letters, so that the disk is asked once for both.
        self.book.settle(settled, then=close)

    def _watch(self, outcomes: Sequence[Outcome]) -> None:
        lost = [one for one in outcomes if one.kind in ("unreached", "uncertain")]
        if lost:
            self.relay_failed(RelayUnavailable(f"The relay hung up on us: {lost[0].reply}"))
        elif outcomes and not self.is_proven:
            self.relay_works()

    # Stretches

    def _next(self, lane: _Lane) -> _Batch | None:
        self._release(lane)
        held = next((held for held in lane.held if held.waiting), None)
        if held is None:
            held = self._take(lane)
        if held is None:
            return None
        count = min(WINDOW, len(held.waiting))
        held.open += count
        return _Batch(held, [held.waiting.popleft() for _ in range(count)])

    def _take(self, lane: _Lane) -> _Held | None:
        now = clock.now()
        try:
            lease = ledger.take(self.db, lane.kind, worker=self.name, hold=self.hold, now=now)
            if lease is None:
                return None
            held = _Held(lease, deque(ledger.due(self.db, lease, now=now)))
        except DatabaseUnavailable as error:
            log.warning("%s", error)
            return None
        lane.held.append(held)
        return held if held.waiting else None

    def _release(self, lane: _Lane, *, everything: bool = False) -> None:
        for held in [held for held in lane.held if held.is_done or (everything and not held.open)]:
            try:
                ledger.release(self.db, held.lease, worker=self.name, now=clock.now())
            except DatabaseUnavailable as error:
                log.warning("%s", error)
            else:
                lane.held.remove(held)

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

    def relay_failed(self, error: RelayUnavailable) -> None:
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

    def relay_works(self) -> None:
        """Forget that the relay failed."""
        self.failures, self.broken_until, self.is_proven = 0, 0.0, True
        with contextlib.suppress(DatabaseUnavailable):
            ledger.relay_works(self.db, self.relay_name)

    # Time

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
                await self._pause(POLL_SECONDS if until_done else 1)
        finally:
            with contextlib.suppress(DatabaseUnavailable):
                ledger.sign_out(self.db, self.name, now=clock.now())

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


class _Connection:
    """One place at the relay: opened when there is something to send, closed when there is not."""

    def __init__(self, sender: _Sender) -> None:
        self.sender = sender
        self.conversation: smtp.Conversation | None = None
        self.opened_at = 0.0
        self.used_at = 0.0

    async def is_ready(self) -> bool:
        """Open the connection if need be; False while the relay cannot be reached."""
        now = asyncio.get_running_loop().time()
        if self.conversation and (
            not self.conversation.is_open or now - self.opened_at > REUSE_SECONDS
        ):
            await self.close()
        if self.conversation is None:
            if self.sender.is_relay_broken:
                return False
            try:
                self.conversation = await smtp.connect(self.sender.relay)
            except RelayUnavailable as error:
                self.sender.relay_failed(error)
                return False
            self.opened_at = now
        return True

    async def send(self, lease: Lease, letter: Delivery) -> Outcome:
        """Hand one letter over; what became of it. Never raises for what a server says."""
        if self.conversation is None or not self.conversation.is_open:
            return Outcome(kind="unreached", reply="The connection was lost before this letter.")
        self.used_at = asyncio.get_running_loop().time()
        template = self.sender.template(letter.letter_id, lease)
        return await self.conversation.send(
            sender=envelope_sender(self.sender.settings, letter.id),
            recipient=letter.address,
            message=template.message(
                delivery=letter.id,
                recipient=letter.recipient,
                address=letter.address,
                name=letter.name,
            ),
        )

    async def rest(self) -> None:
        """Hang up when there has been nothing to send for a while."""
        idle = asyncio.get_running_loop().time() - self.used_at
        if self.conversation is not None and idle > IDLE_SECONDS:
            await self.close()

    async def close(self) -> None:
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            await conversation.quit()


class _Book:
    """Group commit: whatever all connections have to write at one moment is one transaction."""

    def __init__(self, db: Database, worker: str) -> None:
        self.db = db
        self.worker = worker
        self.settled: list[tuple[Sequence[Settled], Callable[[], None]]] = []
        self.wanted: list[tuple[Lease, Sequence[Delivery], asyncio.Future[list[Delivery]]]] = []
        self.flushing: asyncio.TimerHandle | asyncio.Handle | None = None
        self.idle = asyncio.Event()
        self.idle.set()

    async def hand_over(self, lease: Lease, letters: Sequence[Delivery]) -> list[Delivery]:
        """The letters that are `sending` on disk now, and may be sent."""
        granted: asyncio.Future[list[Delivery]] = asyncio.get_running_loop().create_future()
        self.wanted.append((lease, letters, granted))
        self._schedule()
        return await granted

    def settle(self, settled: Sequence[Settled], *, then: Callable[[], None]) -> None:
        """Record outcomes with the next transaction, and call `then` when they are on disk."""
        self.settled.append((settled, then))
        self._schedule()

    async def written(self) -> None:
        """Wait until everything settled is on disk."""
        await self.idle.wait()

    def _schedule(self, *, after: float = 0) -> None:
        self.idle.clear()
        if self.flushing is None:
            loop = asyncio.get_running_loop()
            self.flushing = (
                loop.call_later(after, self._flush) if after else loop.call_soon(self._flush)
            )

    def _flush(self) -> None:
        self.flushing = None
        settled, wanted = self.settled, self.wanted
        now = clock.now()
        try:
            with self.db.write(durable=True) as tx:
                ledger.settle(tx, [one for many, _ in settled for one in many], now=now)
                granted = [
                    ledger.hand_over(tx, lease, letters, worker=self.worker, now=now)
                    for lease, letters, _ in wanted
                ]
        except DatabaseUnavailable as error:
            # The letters are sent; their record waits here until the database takes it.
            log.warning("%s", error)
            self._schedule(after=1)
            return
        self.settled, self.wanted = [], []
        self.idle.set()
        for _, then in settled:
            then()
        for (_, _, future), letters in zip(wanted, granted, strict=True):
            if not future.done():
                future.set_result(letters)
