"""The Tray: a mail relay of our own that keeps every letter and delivers none.

It speaks SMTP on loopback, so that a letter takes the same way with a relay and without.
It answers 250 only when the letter is in the database, and keeps the newest 5,000.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from connector import clock
from connector.database import Connection, Database
from connector.delivery import store
from connector.delivery.address import key_of, parse
from connector.delivery.kept import TrayEntry, TrayMessage, opened, packed, subject_of
from connector.delivery.smtp import Relay
from connector.errors import InvalidAddress

__all__ = ["Tray", "TrayEntry", "TrayMessage", "message", "messages"]

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
KEEP = 5_000
LARGEST = 25 * 1024 * 1024
OFFERS = ("PIPELINING", f"SIZE {LARGEST}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
ADDRESS = re.compile(r"(?:FROM|TO):\s*<([^<>]*)>", re.IGNORECASE)


def messages(connection: Connection, *, limit: int, before: int | None = None) -> list[TrayEntry]:
    """What is in the Tray, newest first; `before` continues a list after its last id."""
    return store.tray_entries(connection, limit=limit, before=before)


def message(connection: Connection, message_id: int) -> TrayMessage | None:
    """One letter, opened; None when there is none, or it was too old to keep."""
    stored = store.tray_letter(connection, message_id)
    return opened(stored) if stored else None


@dataclass(frozen=True, slots=True)
class _Arrived:
    sender: str
    recipients: tuple[str, ...]
    message: bytes


_Kept = asyncio.Future[BaseException | None]


class Tray:
    """`async with Tray(db) as relay:` is a relay for as long as the block runs."""

    def __init__(self, db: Database) -> None:
        self._shelf = _Shelf(db)
        self._sessions: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, HOST, 0, limit=LARGEST)
        port: int = self._server.sockets[0].getsockname()[1]
        return Relay(HOST, port, "none")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._shelf.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        if session is not None:
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)
        try:
            await _Session(self._shelf, reader, writer).run()
        except asyncio.LimitOverrunError:
            writer.write(b"552 5.3.4 too large\r\n")
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass  # the other side left, or the Tray closes
        finally:
            writer.close()


class _Shelf:
    """Group commit: letters that arrive while one transaction is written share the next."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tray")
        self._arrived: list[tuple[_Arrived, _Kept]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, letter: _Arrived) -> BaseException | None:
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

    def _write(self, letters: Sequence[_Arrived]) -> None:
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
        with self._db.write() as tx:
            store.keep_in_tray(tx, rows)
            store.trim_tray(tx, keep=KEEP)


class _Session:
    """One client's conversation (RFC 5321), from the greeting to QUIT."""

    def __init__(
        self, shelf: _Shelf, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._shelf = shelf
        self._reader = reader
        self._writer = writer
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._steps: dict[str, Callable[[str], Awaitable[str]]] = {
            "EHLO": self._greet,
            "HELO": self._greet,
            "MAIL": self._begin,
            "RCPT": self._address,
            "DATA": self._take,
            "RSET": self._forget,
            "NOOP": self._nothing,
        }

    async def run(self) -> None:
        self._say("220 tray.localhost letters stay here")
        while line := await self._reader.readline():
            command = line.decode("utf-8", "replace").strip()
            verb = command.partition(" ")[0].upper()
            if verb == "QUIT":
                self._say("221 2.0.0 bye")
                return
            step = self._steps.get(verb)
            self._say(await step(command) if step else "502 5.5.2 not known here")
            await self._writer.drain()

    def _say(self, answer: str) -> None:
        self._writer.write(f"{answer}\r\n".encode())

    async def _greet(self, _command: str) -> str:
        lines = ["tray.localhost", *OFFERS]
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])

    async def _begin(self, command: str) -> str:
        found = ADDRESS.search(command)
        if found is None or self._sender is not None:
            return "503 5.5.1 one sender at a time, please"
        self._sender = found[1]
        return "250 2.1.0 ok"

    async def _address(self, command: str) -> str:
        found = ADDRESS.search(command)
        if found is None or not found[1] or self._sender is None:
            return "503 5.5.1 a sender first, then whom it is for"
        self._recipients.append(found[1])
        return "250 2.1.5 ok"

    async def _take(self, _command: str) -> str:
        if self._sender is None or not self._recipients:
            return "503 5.5.1 nobody to take it for"
        self._say("354 go ahead")
        content = (await self._reader.readuntil(b"\r\n.\r\n"))[: -len(b".\r\n")]
        # RFC 5321 section 4.5.2: the first of two dots was only there for the journey.
        content = (b"\r\n" + content).replace(b"\r\n..", b"\r\n.")[2:]
        letter = _Arrived(self._sender, tuple(self._recipients), content)
        await self._forget("")
        if trouble := await self._shelf.keep(letter):
            log.warning("The Tray could not keep a letter: %s", trouble)
            return "451 4.3.0 the database does not take it now"
        return "250 2.0.0 kept in the Tray"

    async def _forget(self, _command: str) -> str:
        self._sender, self._recipients = None, []
        return "250 2.0.0 ok"

    async def _nothing(self, _command: str) -> str:
        return "250 2.0.0 ok"


def _key(recipient: str) -> str:
    """The key this recipient has in the ledger, where an international domain is not in ASCII."""
    if "xn--" in recipient.lower():
        with contextlib.suppress(InvalidAddress):
            return parse(recipient).key
    return key_of(recipient)
