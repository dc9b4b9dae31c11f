"""The Tray: a mail relay of our own that keeps every letter and delivers none.

It speaks SMTP on loopback, so that a letter takes the same way with a relay and without.
It answers 250 only when the letter is in the database, and keeps the newest 5,000.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from connector import clock
from connector.database import Connection, Database
from connector.delivery import store
from connector.delivery.address import key_of, parse
from connector.delivery.kept import TrayEntry, TrayMessage, opened, packed, subject_of
from connector.delivery.reception import Arrived, Reception
from connector.delivery.smtp import Relay
from connector.errors import InvalidAddress

__all__ = ["Tray", "TrayEntry", "TrayMessage", "message", "messages"]

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
KEEP = 5_000


def messages(connection: Connection, *, limit: int, before: int | None = None) -> list[TrayEntry]:
    """What is in the Tray, newest first; `before` continues a list after its last id."""
    return store.tray_entries(connection, limit=limit, before=before)


def message(connection: Connection, message_id: int) -> TrayMessage | None:
    """One letter, opened; None when there is none, or it was too old to keep."""
    stored = store.tray_letter(connection, message_id)
    return opened(stored) if stored else None


_Kept = asyncio.Future[BaseException | None]


class Tray:
    """`async with Tray(db) as relay:` is a relay for as long as the block runs."""

    def __init__(self, db: Database) -> None:
        self._shelf = _Shelf(db)
        self._reception = Reception(
            self._take, name="tray.localhost", greeting="letters stay here", speech="smtp"
        )

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._reception.accept, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return Relay(HOST, port, "none")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._reception.close()
        self._shelf.close()

    async def _take(self, letter: Arrived) -> list[str]:
        if trouble := await self._shelf.keep(letter):
            log.warning("The Tray could not keep a letter: %s", trouble)
            return ["451 4.3.0 the database does not take it now"]
        return ["250 2.0.0 kept in the Tray"]


class _Shelf:
    """Group commit: letters that arrive while one transaction is written share the next."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tray")
        self._arrived: list[tuple[Arrived, _Kept]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, letter: Arrived) -> BaseException | None:
        """Return when the letter is in the database, or why it is certainly not."""
        kept: _Kept = asyncio.get_running_loop().create_future()
        self._arrived.append((letter, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await kept

    def close(self) -> None:
        self._thread.shutdown()

    async def _write_all(self) -> None:
        while self._arrived:
            batch, self._arrived = self._arrived, []
            letters = [letter for letter, _ in batch]
            written = asyncio.get_running_loop().run_in_executor(self._thread, self._write, letters)
            await asyncio.wait([written])
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(written.exception())

    def _write(self, letters: Sequence[Arrived]) -> None:
        now = clock.now()
        rows = [
            {
                "received_at": now,
                "sender": letter.sender,
                "recipient": recipient,
                "recipient_key": _key(recipient),
                "subject": subject_of(letter.message),
                "raw": packed(letter.message),
            }
            for letter in letters
            for recipient in letter.recipients
        ]
        with self._db.write(side_by_side=True) as tx:
            store.keep_in_tray(tx, rows)
            store.trim_tray(tx, keep=KEEP)


def _key(recipient: str) -> str:
    """The key this recipient has in the ledger, where an international domain is not in ASCII."""
    if "xn--" in recipient.lower():
        with contextlib.suppress(InvalidAddress):
            return parse(recipient).key
    return key_of(recipient)
