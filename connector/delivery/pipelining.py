"""Letters one after another on a line that takes commands in groups (RFC 2920).

The end of one letter and the beginning of the next go out together, so that a letter costs
one round trip; every reply is matched to its letter by count, and a refusal hurts nobody else.
"""

import asyncio
import contextlib
from collections import deque
from typing import Protocol

from connector.delivery.outcome import Outcome, Stage, judge, printable

GO_AHEAD = 354  # RFC 5321 section 4.3.2: the only answer to DATA that invites the content
ENDLESS = 64 * 1024  # no server says so much before it ends a line
END = b"\r\n"
LONE_DOT = b".\r\n"
RESET = b"RSET\r\n"

STOPPED = "The sender stopped before the relay answered."
STAGES: tuple[Stage, ...] = ("mail", "rcpt", "data")

Reply = tuple[int, bytes]


class Errand(Protocol):
    """A letter that may be handed over now."""

    @property
    def commands(self) -> bytes:
        """MAIL, RCPT and DATA, each with its line end."""

    @property
    def message(self) -> bytes:
        """The message, ending with a line end; none of its lines begins with a dot."""


class Supply(Protocol):
    """Where letters come from, and where what became of them goes."""

    def next_nowait(self) -> Errand | None:
        """The next letter, if there is one at this moment."""

    async def next(self) -> Errand | None:
        """The next letter, or None when none comes."""

    def settle(self, errand: Errand, outcome: Outcome) -> None:
        """Take note of what the relay said of a letter."""


class LineLost(Exception):  # noqa: N818 - named for what happened; never leaves this module
    """The line broke, or the relay went silent or spoke nonsense; `why` says which."""


class Replies(asyncio.Protocol):
    """The relay's side of the line: replies in order, and the end of the line.

    Takes an open transport over, with whatever arrives on it from now on.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self.transport = transport
        self._rest = b""
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lost = ""
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        return not self._lost and not self.transport.is_closing()

    def write(self, *parts: bytes) -> None:
        self.transport.write(b"".join(parts))

    async def read(self, count: int, patience: float) -> list[Reply]:
        """The next `count` replies; waits `patience` seconds. Raises LineLost."""
        if len(self._replies) < count:
            if self._lost:
                raise LineLost(self._lost)
            self._wanted = count
            self._deadline = self._loop.time() + patience
            if self._timer is None:
                self._timer = self._loop.call_later(patience, self._check)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if len(self._replies) < count:
            raise LineLost(self._lost)
        return [self._replies.popleft() for _ in range(count)]

    def pending(self) -> list[Reply]:
        """Whatever has been said and not been read."""
        said = list(self._replies)
        self._replies.clear()
        return said

    async def quit(self, patience: float) -> None:
        """Say goodbye, and hang up."""
        if self.is_open:
            self.write(b"QUIT\r\n")
            with contextlib.suppress(LineLost):
                await self.read(1, patience)
        self.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data if self._rest else data).split(END)
        for line in lines:
            if line[3:4] == b"-":
                self._lines.append(line[4:])
                continue
            if not line[:3].isdigit():
                self._fail("The relay speaks no SMTP.")
                return
            text = line[4:]
            if self._lines:
                text = b" ".join([*self._lines, text])
                self._lines.clear()
            self._replies.append((int(line[:3]), text))
        if len(self._rest) > ENDLESS or len(self._lines) > ENDLESS // 64:
            self._fail("The relay does not end its line.")
        elif self._waiter is not None and len(self._replies) >= self._wanted:
            self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"The connection was lost{f': {exc}' if exc else ''}.")

    def _check(self) -> None:
        """One timer for all waits: setting one for each reply would cost more than the reply."""
        self._timer = None
        if self._waiter is None:
            return
        left = self._deadline - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
        else:
            self._fail("The relay said nothing for too long.")

    def _fail(self, why: str) -> None:
        self._lost = self._lost or why
        self.transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pipeline:
    """One line, one letter after another.

    `first`, `commands` and `dot` are the seconds to wait for the replies to the first group, to
    any other, and to a final dot.
    """

    def __init__(self, replies: Replies, *, first: float, commands: float, dot: float) -> None:
        self._replies = replies
        self._patience = first
        self._commands = commands
        self._dot = dot
        self.is_proven = False  # whether a whole group was answered on this line

    async def run(self, supply: Supply) -> None:
        """Hand over letters until none comes or the line ends; every one gets its outcome.

        When this is cancelled the line is closed first: a letter that was out is uncertain.
        """
        errand = supply.next_nowait() or await supply.next()
        begun = False
        while errand is not None and self._replies.is_open:
            if not begun:
                self._replies.write(errand.commands)
            errand, begun = await self._hand_over(errand, supply)
        if errand is not None:
            supply.settle(
                errand, Outcome("unreached", "The connection was lost before this letter.")
            )

    async def _hand_over(self, errand: Errand, supply: Supply) -> tuple[Errand | None, bool]:
        """See one letter through; the next one, and whether its commands are out already."""
        try:
            answers = await self._replies.read(3, self._patience)
            self._patience, self.is_proven = self._commands, True
        except asyncio.CancelledError:
            supply.settle(errand, Outcome("unreached", "The sender stopped before this letter."))
            raise
        except LineLost as lost:
            supply.settle(errand, _broken(lost, self._replies.pending()))
            return None, False
        refusal = _refusal(answers)
        if refusal is None:
            return await self._content(errand, supply)
        return await self._refused(errand, refusal, supply, invited=answers[2][0] == GO_AHEAD)

    async def _content(self, errand: Errand, supply: Supply) -> tuple[Errand | None, bool]:
        following = supply.next_nowait()
        # RFC 2920 section 3.1: content may be the first of a group, DATA only the last.
        then = LONE_DOT if following is None else LONE_DOT + following.commands
        self._replies.write(errand.message, then)
        try:
            ((code, text),) = await self._replies.read(1, self._dot)
        except (LineLost, asyncio.CancelledError) as lost:
            # RFC 1047: the relay may have taken the letter before the line broke.
            supply.settle(
                errand, Outcome("uncertain", printable(str(lost) or STOPPED), stage="content")
            )
            if following is not None:
                supply.settle(following, Outcome("unreached", printable(str(lost))))
            if isinstance(lost, asyncio.CancelledError):
                raise
            return None, False
        outcome = judge(code, text.decode("utf-8", "replace"), stage="content")
        supply.settle(errand, outcome)
        if outcome.is_goodbye or outcome.kind == "uncertain":
            self._replies.close()
        if following is not None:
            return following, True
        return await supply.next(), False

    async def _refused(
        self, errand: Errand, refusal: Outcome, supply: Supply, *, invited: bool
    ) -> tuple[Errand | None, bool]:
        if refusal.is_goodbye or refusal.kind == "unreached":
            self._replies.close()
        elif invited:
            # RFC 2920 section 3.1: DATA was accepted although nobody was; there is no letter
            # for anyone, and an empty one says so.
            self._replies.write(LONE_DOT)
            try:
                await self._replies.read(1, self._dot)
            except LineLost:
                self._replies.close()
        elif self._replies.is_open:
            self._replies.write(RESET)
            try:
                await self._replies.read(1, self._commands)
            except LineLost:
                self._replies.close()
        supply.settle(errand, refusal)
        return supply.next_nowait() or await supply.next(), False


def _refusal(answers: list[Reply]) -> Outcome | None:
    """The first answer that is a no, or None when the content may follow."""
    for stage, (code, text) in zip(STAGES, answers, strict=True):
        is_yes = code == GO_AHEAD if stage == "data" else 200 <= code < 300  # noqa: PLR2004
        if not is_yes:
            return judge(code, text.decode("utf-8", "replace"), stage=stage)
    return None


def _broken(lost: LineLost, said: list[Reply]) -> Outcome:
    """A line that broke between a letter's commands: what the relay had said of it decides."""
    for stage, (code, text) in zip(STAGES, said, strict=False):
        if code >= 400:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            return judge(code, text.decode("utf-8", "replace"), stage=stage)
    return Outcome("unreached", printable(str(lost)), stage="rcpt" if said else "mail")
