"""Group commit: what many connections have to write at about one moment is one transaction.

An outcome waits here until the database takes it; it is never dropped.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from connector import clock
from connector.database import Database, Transaction
from connector.delivery import ledger
from connector.delivery.ledger import Settled
from connector.delivery.mailing import Delivery, Lease
from connector.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

# Long enough for the other connections to have something to write too; not felt by anyone.
GATHER_SECONDS = 0.002
RETRY_SECONDS = 1

Granted = Callable[[list[Delivery]], None]
Wanted = tuple[Lease, Sequence[Delivery], Granted]


class Book:
    """The ledger as one sender's connections write in it; `batch` is how many moves are worth a commit."""

    def __init__(self, db: Database, worker: str, *, batch: int) -> None:
        self._db = db
        self._worker = worker
        self._batch = batch
        self._settled: list[Settled] = []
        self._written: list[Callable[[], None]] = []
        self._wanted: list[Wanted] = []
        self._moves = 0
        self._flushing: asyncio.Handle | None = None
        self._is_urgent = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def hand_over(self, lease: Lease, letters: Sequence[Delivery], *, then: Granted) -> None:
        """Call `then` with the letters that are `sending` on disk, and may be sent."""
        self._wanted.append((lease, letters, then))
        self._count(len(letters))

    def settle(self, settled: Settled, *, then: Callable[[], None]) -> None:
        """Record an outcome, and call `then` when it is on disk."""
        self._settled.append(settled)
        self._written.append(then)
        self._count(1)

    async def written(self) -> None:
        """Wait until everything is on disk."""
        await self._is_idle.wait()

    def _count(self, moves: int) -> None:
        self._moves += moves
        self._is_idle.clear()
        if self._moves >= self._batch and not self._is_urgent:
            if self._flushing is not None:
                self._flushing.cancel()
            self._is_urgent = True
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush)

    def _flush(self) -> None:
        settled, written, wanted = self._settled, self._written, self._wanted
        now = clock.now()
        try:
            # Where a loss of power can be told afterwards, the lease on disk is mark enough.
            # Other senders write other stretches; an address is only suppressed alone.
            with self._db.write(
                durable=not self._db.boot,
                side_by_side=not any(one.outcome.suppresses for one in settled),
            ) as tx:
                if settled:
                    ledger.settle(tx, settled, now=now)
                granted = self._hand_over(tx, wanted, now=now)
        except DatabaseUnavailable as error:
            # The letters are sent; their record waits here until the database takes it.
            log.warning("%s", error)
            self._flushing = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._flush)
            self._is_urgent = True
            return
        self._flushing, self._is_urgent, self._moves = None, False, 0
        self._settled, self._written, self._wanted = [], [], []
        self._is_idle.set()
        for then in written:
            then()
        for _, letters, then_send in wanted:
            then_send([letter for letter in letters if letter.id in granted])

    def _hand_over(self, tx: Transaction, wanted: Sequence[Wanted], *, now: int) -> set[int]:
        """One statement for each stretch, however many connections take from it."""
        leases = {lease.id: lease for lease, _, _ in wanted}
        together: dict[int, list[Delivery]] = {lease: [] for lease in leases}
        for lease, letters, _ in wanted:
            together[lease.id] += letters
        return {
            letter.id
            for lease, all_letters in together.items()
            for letter in ledger.hand_over(
                tx, leases[lease], all_letters, worker=self._worker, now=now
            )
        }
