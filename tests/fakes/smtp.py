"""A mail relay for tests: keeps every byte it is given, and misbehaves only on purpose."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from connector import clock
from connector.delivery.smtp import Relay

OFFERS = ("PIPELINING", "SIZE 35882577", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
LARGEST = 2**25

# Answers that are not answers.
HANG_UP = "hang up"  # close the line and say nothing; the letter is not kept
TAKE_AND_HANG_UP = "take and hang up"  # keep the letter, then close the line and say nothing
SILENCE = "silence"  # never answer

# BODY is in the middle of the content, CONTENT after its final dot.
Step = Literal[
    "GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "CONTENT", "RSET"
]
# How replies leave: one at a time; all that are due in one packet; in packets of one byte; or
# a byte and then nothing for a while, as a tarpit does.
Manner = Literal["whole", "merged", "split", "tarpit"]
TARPIT_SECONDS = 0.4
MERGING_SECONDS = 0.005
# What becomes of commands that come before the last was answered: obeyed as RFC 2920 has it,
# or, by a relay that does not mean its PIPELINING, lost or a reason to hang up.
Hearing = Literal["all", "one at a time", "none out of turn"]


@dataclass(frozen=True)
class Received:
    """A letter the relay answered 250 for (or took before hanging up)."""

    mail: str
    rcpts: tuple[str, ...]
    wire: bytes  # exactly as sent, up to but without the final dot
    hello: str
    user: str
    is_tls: bool
    at: int = 0  # milliseconds

    @property
    def sender(self) -> str:
        return address_in(self.mail)

    @property
    def recipient(self) -> str:
        (rcpt,) = self.rcpts
        return address_in(rcpt)

    @property
    def message(self) -> bytes:
        return (b"\r\n" + self.wire).replace(b"\r\n..", b"\r\n.")[2:]


def address_in(command: str) -> str:
    return command.partition("<")[2].partition(">")[0]


@dataclass
class _Rule:
    step: Step
    answer: str
    to: str
    times: int


@dataclass
class FakeRelay:
    """`async with FakeRelay() as relay:` listens on a free loopback port.

    `users` asks for a name and password; `tls` offers STARTTLS, or speaks TLS from the first
    byte with `is_implicit`. `most` is how many lines it stands at a time, 0 for any number;
    `mood` may give a special answer of its own for a step and a recipient, or "".
    """

    offers: tuple[str, ...] = OFFERS
    users: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    is_implicit: bool = False
    manner: Manner = "whole"
    hearing: Hearing = "all"
    received: list[Received] = field(default_factory=list)
    attempted: list[Received] = field(default_factory=list)  # came whole, whatever was answered
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    called_at: list[int] = field(default_factory=list)
    most: int = 0
    open: int = 0
    most_open: int = 0
    mood: Callable[[Step, str], str] | None = None
    _rules: list[_Rule] = field(default_factory=list)
    _port: int = 0

    def answer(self, step: Step, answer: str, *, to: str = "", times: int = -1) -> None:
        """Give `answer` at `step` (to this recipient), `times` times or always."""
        self._rules.append(_Rule(step, answer, to, times))

    def obey(self) -> None:
        """Forget every special answer."""
        self._rules.clear()

    def relay(self, **values: str) -> Relay:
        """How our client finds it."""
        security = "none" if self.tls is None else "tls" if self.is_implicit else "starttls"
        given = {"host": "127.0.0.1", "security": security, "hello": "letters.example.org"}
        return Relay(port=self._port, **{**given, **values})

    @property
    def recipients(self) -> list[str]:
        return [letter.recipient for letter in self.received]

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Cut every line, and let nobody in until the end of this."""
        await self.__aexit__(None, None, None)
        try:
            yield
        finally:
            await self.__aenter__()

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(
            self._accept,
            "127.0.0.1",
            self._port,
            limit=LARGEST,
            ssl=self.tls if self.is_implicit else None,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Cut every line."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def in_thread(self) -> Iterator[Self]:
        """The same relay for a test that has no event loop, or for another process."""
        started, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            async with self:
                started.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        try:
            if not started.wait(5):
                raise RuntimeError("the relay did not start")
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.called_at.append(clock.now())
        if self.most and self.open >= self.most:
            writer.write(b"421 4.7.0 Too many connections\r\n")
            writer.close()
            return
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await _Session(self, reader, writer).run()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def _scripted(self, step: Step, to: str) -> str | None:
        if self.mood is not None and (answer := self.mood(step, to)):
            return answer
        for rule in self._rules:
            if rule.step == step and rule.times != 0 and rule.to in ("", to):
                rule.times -= 1
                return rule.answer
        return None


class _Session:
    def __init__(
        self, fake: FakeRelay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.fake = fake
        self.reader = reader
        self.writer = writer
        self.is_tls = fake.is_implicit
        self.hello = ""
        self.user = ""
        self.mail = ""
        self.rcpts: list[str] = []
        self.is_over = False
        self.held = b""

    async def run(self) -> None:
        await self.reply("GREETING", "220 relay.example.net ESMTP")
        while not self.is_over:
            line = await self.listen()
            if not line:
                return
            command = line.decode().removesuffix("\r\n")
            self.fake.commands.append(command)
            await self.obey(command)
        self.let_go()

    async def listen(self) -> bytes:
        """The next command, as far as this relay hears it; empty at the end."""
        if self.fake.hearing == "all":
            return await self.reader.readline()
        line, _, rest = (await self.reader.read(LARGEST)).partition(b"\r\n")
        return b"" if rest and self.fake.hearing == "none out of turn" else line

    async def obey(self, command: str) -> None:
        steps = {
            "EHLO": self.greet,
            "STARTTLS": self.secure,
            "AUTH": self.sign_in,
            "MAIL": self.begin,
            "RCPT": self.address,
            "DATA": self.content,
            "RSET": self.forget,
            "QUIT": self.leave,
        }
        step = steps.get(command.partition(" ")[0].upper())
        if step is None:
            await self.say("502 5.5.2 what?")
        else:
            await step(command)

    async def greet(self, command: str) -> None:
        self.hello = command.partition(" ")[2]
        *lines, last = ["relay.example.net", *self.offers()]
        await self.reply("EHLO", "".join(f"250-{line}\r\n" for line in lines) + f"250 {last}")

    async def secure(self, _command: str) -> None:
        if await self.reply("STARTTLS", "220 2.0.0 go ahead") and self.fake.tls:
            await self.writer.start_tls(self.fake.tls)
            self.is_tls = True

    async def begin(self, command: str) -> None:
        # A client that begins twice has lost the thread.
        told = "503 5.5.1 nested MAIL" if self.mail else "250 2.1.0 ok"
        if await self.reply("MAIL", told):
            self.mail = command

    async def address(self, command: str) -> None:
        told = "250 2.1.5 ok" if self.mail else "503 5.5.1 MAIL first"
        if await self.reply("RCPT", told, to=address_in(command)):
            self.rcpts.append(command)

    def forget_quietly(self) -> None:
        self.mail, self.rcpts = "", []

    async def forget(self, _command: str) -> None:
        self.forget_quietly()
        await self.reply("RSET", "250 2.0.0 ok")

    async def leave(self, _command: str) -> None:
        await self.say("221 2.0.0 bye")
        self.is_over = True

    def offers(self) -> list[str]:
        offers = list(self.fake.offers)
        if self.fake.tls and not self.is_tls:
            return [*offers, "STARTTLS"]
        return [*offers, "AUTH PLAIN LOGIN"] if self.fake.users else offers

    async def sign_in(self, command: str) -> None:
        _, method, *given = command.split(" ")
        if method.upper() == "PLAIN":
            _, user, password = base64.b64decode(given[0]).decode().split("\0")
        else:
            user = base64.b64decode(given[0]).decode()
            await self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(await self.reader.readline()).decode()
        is_right = self.fake.users.get(user) == password
        if await self.reply("AUTH", "235 2.7.0 ok" if is_right else "535 5.7.8 wrong"):
            self.user = user

    async def content(self, _command: str) -> None:
        to = address_in(self.rcpts[-1]) if self.rcpts else ""
        told = "354 go ahead" if self.rcpts else "554 5.5.1 no valid recipients"
        if not await self.reply("DATA", told, to=to):
            return
        wire = await self.reader.readuntil(b"\r\n")
        if self.fake._scripted("BODY", to) == HANG_UP:
            self.is_over = True
            return
        if wire == b".\r\n":  # nothing at all, from a client that has nobody to send to
            await self.reply("CONTENT", "554 5.5.1 no valid recipients", to=to)
            self.forget_quietly()
            return
        wire = (wire + await self.reader.readuntil(b"\r\n.\r\n"))[:-3]
        letter = Received(
            self.mail,
            tuple(self.rcpts),
            wire,
            self.hello,
            self.user,
            is_tls=self.is_tls,
            at=clock.now(),
        )
        self.mail, self.rcpts = "", []
        self.fake.attempted.append(letter)
        scripted = self.fake._scripted("CONTENT", to) or "250 2.0.0 queued"
        if scripted.startswith("250") or scripted == TAKE_AND_HANG_UP:
            self.fake.received.append(letter)
        await self.say(scripted)

    async def reply(self, step: Step, usual: str, *, to: str = "") -> bool:
        """Give the scripted answer, or the usual one; whether it was a yes."""
        answer = self.fake._scripted(step, to) or usual
        await self.say(answer)
        return answer[0] in "23"

    async def say(self, answer: str) -> None:
        if answer == SILENCE:
            await asyncio.Event().wait()
        if answer in (HANG_UP, TAKE_AND_HANG_UP):
            self.is_over = True
            return
        await self.put(answer.encode() + b"\r\n")
        self.is_over = self.is_over or answer.startswith("421")

    async def put(self, reply: bytes) -> None:
        """Let a reply go out in the relay's manner."""
        if self.fake.manner == "merged":
            if not self.held:
                asyncio.get_running_loop().call_later(MERGING_SECONDS, self.let_go)
            self.held += reply
            return
        at_once = len(reply) if self.fake.manner == "whole" else 1
        for start in range(0, len(reply), at_once):
            self.writer.write(reply[start : start + at_once])
            await self.writer.drain()
            if at_once == 1:
                await asyncio.sleep(TARPIT_SECONDS if self.fake.manner == "tarpit" else 0)

    def let_go(self) -> None:
        self.writer.write(self.held)
        self.held = b""
