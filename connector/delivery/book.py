"""Group commit: what many connections have to write at about one moment is one transaction.

An outcome waits here until the database takes it; it is never dropped.
"""

import asyncio
from collections.abc import Callable

from connector.database import Database
from connector.delivery import ledger
from connector.delivery.ledger import Settled
from connector.delivery.outage import Outage
from connector.delivery.steady import Steady
from connector.delivery.stretches import Hand
from connector.errors import DatabaseUnavailable

# Long enough for the other connections to have something to write too. As long as every
# connection has letters, nobody waits for this.
GATHER_SECONDS = 0.050
SOON_SECONDS = 0.004  # when somebody does
RETRY_SECONDS = 1


class Book:
    """The ledger as one sender's connections write in it; `batch` outcomes are worth a commit.

    Every commit hands over more letters. `deal` is asked which; when all is on disk, `written`
    gets the same hands with the letters that are `sending` and may be sent. When the database
    took nothing, `take_back` gets them.
    """

    def __init__(
        self,
        db: Database,
        worker: str,
        *,
        batch: int,
        deal: Callable[[], list[Hand]],
        take_back: Callable[[list[Hand]], None],
        written: Callable[[list[Hand]], None],
        steady: Steady,
        outage: Outage,
    ) -> None:
        self._db = db
        self._worker = worker
        self._batch = batch
        self._deal = deal
        self._when_written = written
        self._take_back = take_back
        self._steady = steady
        self._outage = outage
        self._settled: list[Settled] = []
        self._flushing: asyncio.Handle | None = None
        self._flushes_at = 0.0  # 0 when no one may hasten it
        # Letters whose marks may have been kept although we were told that the commit failed.
        self._in_doubt: set[int] = set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def settle(self, settled: Settled) -> None:
        """Record an outcome, soon."""
        self._settled.append(settled)
        if len(self._settled) == self._batch:
            self._flush_in(0)
        elif self._flushing is None:
            self._flush_in(GATHER_SECONDS)

    def ask(self) -> None:
        """Hand letters over to whoever has room for them, soon."""
        self._flush_in(SOON_SECONDS)

    def _flush_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._flushing is not None:
            if self._flushes_at <= at:
                return
            self._flushing.cancel()
        self._is_idle.clear()
        self._flushing = loop.call_later(seconds, self._flush)
        self._flushes_at = at

    async def written(self) -> None:
        """Wait until everything is on disk."""
        await self._is_idle.wait()

    def _flush(self) -> None:
        settled, hands = self._settled, self._deal()
        now = self._steady.now()
        try:
            if settled or hands:
                self._write(settled, hands, now=now)
        except DatabaseUnavailable as error:
            # The letters are sent; their record waits here until the database takes it.
            self._outage.tell(error)
            self._in_doubt.update(letter.id for hand in hands for letter in hand.letters)
            self._take_back(hands)
            self._flushing = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._flush)
            self._flushes_at = 0.0
            return
        self._flushing = None
        self._settled = []
        self._is_idle.set()
        self._when_written(hands)

    def _write(self, settled: list[Settled], hands: list[Hand], *, now: int) -> None:
        # Where a loss of power can be told afterwards, the lease on disk is mark enough.
        # Other senders write other stretches; an address is only suppressed alone.
        with self._db.write(
            durable=not self._db.boot,
            side_by_side=not any(one.outcome.suppresses for one in settled),
        ) as tx:
            ledger.settle(tx, settled, now=now)
            granted = [
                ledger.hand_over(
                    tx,
                    hand.stretch.lease,
                    hand.letters,
                    worker=self._worker,
                    in_doubt=self._in_doubt,
                    now=now,
                )
                for hand in hands
            ]
        self._outage.over()
        for hand, letters in zip(hands, granted, strict=True):
            if self._in_doubt:
                self._in_doubt.difference_update(letter.id for letter in hand.letters)
            hand.stretch.open -= len(hand.letters) - len(letters)
            hand.letters = letters
