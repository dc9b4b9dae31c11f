"""A relay that takes every letter and keeps none, quick enough not to be what is measured.

Run as `python -m bench.sink`; it says its port. With a delay every answer comes that much after
its question, as from far away: answers to questions asked together come together.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from bench.running import run

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO = (
    b"250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
    b"250 SMTPUTF8\r\n"
)
YES = b"250 2.0.0 Ok\r\n"
GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
OUT_OF_ORDER = b"503 5.5.1 Not now\r\n"
UNKNOWN = b"500 5.5.2 What?\r\n"
GOODBYE = b"221 2.0.0 Bye\r\n"
END = b"\r\n.\r\n"
NOTICE = b"<NOTICE"


@dataclass
class Tally:
    """How many letters came, and when, in seconds since 1970; 0 for never.

    A notice is a letter to an address that begins with `notice`.
    """

    letters: int = 0
    first: float = 0.0
    last: float = 0.0
    notices: int = 0
    last_notice: float = 0.0

    def add(self, *, is_notice: bool) -> None:
        now = time.time()
        if is_notice:
            self.notices += 1
            self.last_notice = now
            return
        self.letters += 1
        self.first = self.first or now
        self.last = now


class Line(asyncio.Protocol):
    """One connection. What arrives at once is answered at once, or all of it after the delay."""

    def __init__(self, tally: Tally, delay: float) -> None:
        self.tally = tally
        self.delay = delay
        self.kept = b""
        self.is_content = False
        self.has_recipient = False
        self.is_notice = False
        self.waiting: deque[bytes] = deque()
        self.verbs: dict[bytes, Callable[[bytes], bytes]] = {
            b"EHLO": lambda _: HELLO,
            b"HELO": lambda _: YES,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._mail,
            b"NOOP": lambda _: YES,
            b"QUIT": lambda _: GOODBYE,
            b"XTAL": self._say_tally,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but their ancestry.
        self.transport = cast("asyncio.Transport", transport)
        self._answer(b"220 sink.example.org ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        heard = self.kept + data if self.kept else data
        answers = b""
        at = 0
        while True:
            end = heard.find(END if self.is_content else b"\r\n", at)
            if end < 0:
                break
            if self.is_content:
                answers += self._accept()
                at = end + len(END)
                continue
            answers += self._command(heard[at:end])
            # The line end of DATA is the one before a dot that comes at once.
            at = end if self.is_content else end + 2
        # Of content only what may be the beginning of its end is worth keeping.
        self.kept = heard[max(at, len(heard) - len(END) + 1) if self.is_content else at :]
        if answers:
            self._answer(answers)

    def _command(self, line: bytes) -> bytes:
        verb = self.verbs.get(line[:4].upper())
        return verb(line) if verb else UNKNOWN

    def _mail(self, _line: bytes) -> bytes:
        self.has_recipient = self.is_notice = False
        return YES

    def _rcpt(self, line: bytes) -> bytes:
        self.has_recipient = True
        self.is_notice = NOTICE in line.upper()
        return YES

    def _data(self, _line: bytes) -> bytes:
        self.is_content = self.has_recipient
        return GO_AHEAD if self.has_recipient else OUT_OF_ORDER

    def _accept(self) -> bytes:
        self.tally.add(is_notice=self.is_notice)
        self.is_content = self.has_recipient = False
        return YES

    def _say_tally(self, _line: bytes) -> bytes:
        return f"250 {json.dumps(asdict(self.tally))}\r\n".encode()

    def _answer(self, answers: bytes) -> None:
        self.waiting.append(answers)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._write)
        else:
            self._write()

    def _write(self) -> None:
        # In the order of the questions, even when two timers end together.
        answers = self.waiting.popleft()
        if self.transport.is_closing():
            return
        self.transport.write(answers)
        if answers.endswith(GOODBYE):
            self.transport.close()


async def serve(delay: float) -> None:
    tally = Tally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(tally, delay), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--delay", type=float, default=0.0, help="milliseconds before an answer")
    chosen = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        run(serve(chosen.delay / 1000))


if __name__ == "__main__":
    main()
