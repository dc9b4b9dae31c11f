"""The side of SMTP (RFC 5321) and of LMTP (RFC 2033) that takes letters in.

It judges no letter: whoever owns it says what becomes of one, and only then is it answered.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

log = logging.getLogger(__name__)

LARGEST = 25 * 1024 * 1024
LONGEST_LINE = 4096
MOST_RECIPIENTS = 100
PATIENCE = 300  # seconds: RFC 5321 section 4.5.3.2.7
CHUNK = 64 * 1024
END = b"\r\n.\r\n"
OFFERS = ("PIPELINING", f"SIZE {LARGEST}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
GREETINGS = {"smtp": ("EHLO", "HELO"), "lmtp": ("LHLO",)}
ADDRESS = re.compile(r"(?:FROM|TO):\s*<([^<>]*)>", re.IGNORECASE)

Speech = Literal["smtp", "lmtp"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter as it came, with its envelope; the sender of a bounce is empty."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


# What became of a letter: by LMTP a line for each recipient, by SMTP one line.
Take = Callable[[Arrived], Awaitable[Sequence[str]]]


class Reception:
    """Holds any number of conversations; `accept` is what a server of asyncio calls for each.

    Of a letter larger than `keep` only about so many bytes are taken, from its beginning.
    """

    def __init__(
        self, take: Take, *, name: str, greeting: str, speech: Speech, keep: int = LARGEST
    ) -> None:
        self._take = take
        self._keep = keep
        self._name = name
        self._greeting = greeting
        self._speech = speech
        self._sessions: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        if session is not None:
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)
        try:
            await self._session(reader, writer).run(self._greeting)
        except _TooLong:
            log.warning("%s refused a letter of more than %s bytes.", self._name, f"{LARGEST:,}")
            writer.write(b"552 5.3.4 too large\r\n")
        except TimeoutError:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # it does not listen, so it would hear no goodbye
            else:
                writer.write(b"421 4.4.2 too quiet for too long\r\n")
        except (asyncio.CancelledError, EOFError, OSError):
            pass  # the other side left, or we close
        finally:
            writer.close()

    async def close(self) -> None:
        """End every conversation; a letter that was not answered will come again."""
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "_Session":
        incoming = _Incoming(reader, keep=self._keep)
        return _Session(incoming, writer, self._take, self._name, self._speech)


class _TooLong(Exception):  # noqa: N818 - named for what happened
    pass


class _Incoming:
    """What the client says, line by line, and its letters."""

    def __init__(self, reader: asyncio.StreamReader, *, keep: int) -> None:
        self._reader = reader
        self._keep = keep
        self._buffer = bytearray()

    async def line(self) -> bytes:
        return await self._until(b"\n", most=LONGEST_LINE)

    async def letter(self) -> bytes:
        """A letter up to the lone dot, without the dots that were only there for the journey."""
        while len(self._buffer) < len(b".\r\n"):
            await self._more()
        if self._buffer.startswith(b".\r\n"):
            del self._buffer[: len(b".\r\n")]
            return b""
        content = (await self._until(END, most=LARGEST)).removesuffix(b".\r\n")
        # RFC 5321 section 4.5.2.
        return (b"\r\n" + content).replace(b"\r\n..", b"\r\n.")[2:]

    async def _until(self, mark: bytes, *, most: int) -> bytes:
        beginning, gone, start = b"", 0, 0
        while (at := self._buffer.find(mark, start)) < 0 and gone + len(self._buffer) <= most:
            start = max(0, len(self._buffer) - len(mark) + 1)
            if start > self._keep:
                beginning = beginning or bytes(self._buffer[: self._keep])
                del self._buffer[:start]
                gone, start = gone + start, 0
            await self._more()
        if not 0 <= gone + at <= most or at < 0:
            raise _TooLong
        end = at + len(mark)
        found = beginning or bytes(self._buffer[:end])
        del self._buffer[:end]
        return found

    async def _more(self) -> None:
        async with asyncio.timeout(PATIENCE):
            found = await self._reader.read(CHUNK)
        if not found:
            raise EOFError
        self._buffer += found


class _Session:
    """One client's conversation, from the greeting to QUIT."""

    def __init__(
        self,
        incoming: _Incoming,
        writer: asyncio.StreamWriter,
        take: Take,
        name: str,
        speech: Speech,
    ) -> None:
        self._incoming = incoming
        self._writer = writer
        self._take = take
        self._name = name
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._steps: dict[str, Callable[[str], Awaitable[str]]] = {
            **dict.fromkeys(GREETINGS[speech], self._greet),
            "MAIL": self._begin,
            "RCPT": self._address,
            "DATA": self._receive,
            "RSET": self._forget,
            "NOOP": self._nothing,
        }

    async def run(self, greeting: str) -> None:
        self._say(f"220 {self._name} {greeting}")
        while line := await self._incoming.line():
            command = line.decode("utf-8", "replace").strip()
            verb = command.partition(" ")[0].upper()
            if verb == "QUIT":
                self._say("221 2.0.0 bye")
                return
            step = self._steps.get(verb)
            self._say(await step(command) if step else "502 5.5.2 not known here")
            async with asyncio.timeout(PATIENCE):
                await self._writer.drain()

    def _say(self, answer: str) -> None:
        self._writer.write(f"{answer}\r\n".encode())

    async def _greet(self, _command: str) -> str:
        lines = [self._name, *OFFERS]
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
        if len(self._recipients) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many at once"
        self._recipients.append(found[1])
        return "250 2.1.5 ok"

    async def _receive(self, _command: str) -> str:
        if self._sender is None or not self._recipients:
            return "503 5.5.1 nobody to take it for"
        self._say("354 go ahead")
        message = await self._incoming.letter()
        letter = Arrived(self._sender, tuple(self._recipients), message)
        await self._forget("")
        return "\r\n".join(await self._take(letter))

    async def _forget(self, _command: str) -> str:
        self._sender, self._recipients = None, []
        return "250 2.0.0 ok"

    async def _nothing(self, _command: str) -> str:
        return "250 2.0.0 ok"
