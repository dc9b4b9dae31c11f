"""Letters one after another on a line that takes commands in groups (RFC 2920).

The end of one letter and the beginning of the next go out together, so that a letter costs
one round trip; every reply is matched to its letter by count, and a refusal hurts nobody else.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connector.delivery.outcome import Outcome, Stage, judge, printable, taken

ENDLESS = 64 * 1024  # no server says so much before it ends a line
MOST_LINES = 1024
END = b"\r\n"
LONE_DOT = b".\r\n"
RESET = b"RSET\r\n"

# What nearly always comes: the last letter is taken, and the next may follow.
WELL = re.compile(rb"(2\d\d(?: [^\r\n]*)?)\r\n(?:2\d\d(?: [^\r\n]*)?\r\n){2}354(?: [^\r\n]*)?\r\n")

SILENT = "The relay said nothing for too long."
LOST = "The connection was lost before this letter."
STOPPED = "The sender stopped before the relay answered."
STAGES: tuple[Stage, ...] = ("mail", "rcpt", "data")


@dataclass(slots=True, eq=False)
class Envelope:
    """A letter for one recipient: `message` has CRLF line ends, and no line starts with a dot.

    It is kept in `pieces`, most of them everybody's, and joined when it goes. `commands` are
    MAIL, RCPT and DATA, filled in for letters that go in groups.
    """

    sender: str
    recipient: str
    pieces: Sequence[bytes]
    commands: bytes = field(default=b"", init=False)

    @property
    def message(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """How long the message is, in bytes."""
        return sum(map(len, self.pieces))


class Supply(Protocol):
    """Where letters come from, and where what became of them goes."""

    def next_nowait(self) -> Envelope | None:
        """The next letter, if there is one at this moment."""

    async def next(self) -> Envelope | None:
        """The next letter, or None when none comes for a while."""

    def settle(self, envelope: Envelope, outcome: Outcome, /) -> None:
        """Take note of what became of a letter."""


class Line(asyncio.Protocol):
    """An open line to the relay; takes the transport over, with whatever arrives from now on.

    `commands_of` gives MAIL, RCPT and DATA, or why this relay cannot take a letter. `first`,
    `commands` and `dot` are the seconds to wait for the replies to the first group, to
    any other, and to a final dot. Replies are worked off as they arrive, without a task to
    wake: at thousands of letters a second that would cost more than the letters.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        commands_of: Callable[[Envelope], bytes | Outcome],
        *,
        first: float,
        commands: float,
        dot: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._commands_of = commands_of
        self._patience = first
        self._commands = commands
        self._dot = dot
        self._is_proven = False  # whether a whole group was answered on this line
        self.is_deaf = False  # whether the line broke before the first was
        self._why_lost = ""
        self._supply: Supply | None = None
        # What the relay has to answer, in order: a final dot, a reset, then a letter's commands.
        self._dotted: Envelope | None = None
        self._resets = 0
        self._begun: Envelope | None = None
        self._rest = b""
        self._unfinished: list[bytes] = []
        self._said: list[bytes] = []
        self._idle: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        return not self._why_lost and not self._transport.is_closing()

    async def run(self, supply: Supply) -> None:
        """Hand over letters until none comes or the line ends; every one gets its outcome.

        When this is cancelled the line is closed first: a letter that was out is uncertain.
        """
        self._supply = supply
        try:
            while self.is_open:
                envelope = self._next()
                if envelope is None:
                    envelope = await supply.next()
                    if envelope is None:
                        return
                    if not self._can_take(envelope):
                        continue
                self._begin(envelope)
                await self._until_idle()
        except BaseException:
            self.close()
            self._give_up(STOPPED)
            raise
        finally:
            self._supply = None

    async def quit(self, patience: float) -> None:
        """Say goodbye, and hang up."""
        if self.is_open:
            self._transport.write(b"QUIT\r\n")
            self._resets += 1
            self._wait_for(patience)
            await self._until_idle()
        self.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.close()

    # What we say

    def _next(self) -> Envelope | None:
        """The next letter that this relay can take, if there is one at this moment."""
        assert self._supply is not None  # noqa: S101 - letters come only while `run` runs
        while envelope := self._supply.next_nowait():
            if self._can_take(envelope):
                return envelope
        return None

    def _can_take(self, envelope: Envelope) -> bool:
        commands = self._commands_of(envelope)
        if isinstance(commands, Outcome):
            self._note(envelope, commands)
            return False
        envelope.commands = commands
        return True

    def _note(self, envelope: Envelope, outcome: Outcome) -> None:
        assert self._supply is not None  # noqa: S101 - it asked for this letter
        self._supply.settle(envelope, outcome)

    def _begin(self, envelope: Envelope) -> None:
        if not self.is_open:
            self._note(envelope, Outcome("unreached", LOST))
            return
        self._begun = envelope
        self._wait_for(self._patience)
        self._transport.write(envelope.commands)

    def _go_ahead(self, envelope: Envelope) -> None:
        """The content of a letter, and the commands of the next if there is one already."""
        self._patience, self._is_proven = self._commands, True
        following = self._next()
        self._dotted, self._begun = envelope, following
        self._wait_for(self._dot)
        # RFC 2920 section 3.1: content may be the first of a group, DATA only the last.
        then = LONE_DOT if following is None else LONE_DOT + following.commands
        self._transport.write(b"".join((*envelope.pieces, then)))

    def _begin_next(self) -> None:
        """Go on with the next letter if there is one, or let `run` wait for it."""
        if self._supply is not None and self.is_open and (envelope := self._next()):
            self._begin(envelope)
            return
        self._rest_now()

    # What we hear

    def data_received(self, data: bytes) -> None:
        dotted, begun = self._dotted, self._begun
        if dotted is None or begun is None or self._rest or self._unfinished or self._said:
            self._hear(data)
        elif well := WELL.fullmatch(data):
            self._settle(dotted, well[1])
            self._go_ahead(begun)
        else:
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        lines = (self._rest + data if self._rest else data).split(END)
        self._rest = lines.pop()
        for line in lines:
            if line[3:4] == b"-":
                self._unfinished.append(line[4:])
            elif not line[:3].isdigit():
                self._fail("The relay speaks no SMTP.")
                return
            elif self._unfinished:
                text = b" ".join([*self._unfinished, line[4:]])
                self._unfinished.clear()
                self._said.append(b"%b %b" % (line[:3], text))
            else:
                self._said.append(line)
        if len(self._rest) > ENDLESS or len(self._unfinished) > MOST_LINES:
            self._fail("The relay does not end its line.")
        else:
            self._go_on()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"The connection was lost{f': {exc}' if exc else ''}.")

    def _go_on(self) -> None:
        """Work off what the relay has said, reply by reply, as far as it makes sense."""
        said = self._said
        while said:
            if self._dotted is not None:
                self._settle(self._dotted, said.pop(0))
            elif self._resets:
                del said[0]
                self._resets -= 1
                if not self._resets:
                    self._begin_next()
            elif self._begun is None or len(said) < len(STAGES):
                return
            else:
                answers = said[: len(STAGES)]
                del said[: len(STAGES)]
                self._decide(self._begun, answers)

    def _settle(self, envelope: Envelope, reply: bytes) -> None:
        """The relay's answer to a final dot."""
        self._dotted = None
        if reply[:1] == b"2":
            self._note(envelope, taken(reply.decode("utf-8", "replace")))
        else:
            outcome = _judged(reply, "content")
            self._note(envelope, outcome)
            if outcome.kind == "uncertain" or outcome.is_goodbye:
                self._fail(LOST)
                return
        if self._begun is None:
            self._begin_next()

    def _decide(self, envelope: Envelope, answers: list[bytes]) -> None:
        """Whether the content may follow, by the answers to a letter's commands."""
        mail, rcpt, data = answers
        # RFC 5321 section 4.3.2: 354 is the only answer to DATA that invites the content.
        if mail[:1] == b"2" and rcpt[:1] == b"2" and data[:3] == b"354":
            self._go_ahead(envelope)
            return
        self._patience, self._is_proven = self._commands, True
        self._begun = None
        refusal = _refusal(answers)
        # RFC 2920 section 3.1: when DATA was accepted although nobody was, there is no letter
        # for anyone, and an empty one says so.
        is_lost = refusal.is_goodbye or refusal.kind == "unreached"
        if not is_lost and self.is_open:
            self._transport.write(LONE_DOT if data[:3] == b"354" else RESET)
            self._resets += 1
            self._wait_for(self._dot if data[:3] == b"354" else self._commands)
        self._note(envelope, refusal)
        if is_lost:
            self._fail(LOST)

    # Waiting, and the end

    async def _until_idle(self) -> None:
        if self._dotted is None and self._begun is None and not self._resets:
            return
        self._idle = self._loop.create_future()
        try:
            await self._idle
        finally:
            self._idle = None

    def _rest_now(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _wait_for(self, patience: float) -> None:
        self._deadline = self._loop.time() + patience
        if self._timer is None or self._timer.when() > self._deadline:
            self._ring_in(patience)

    def _ring_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._check)

    def _check(self) -> None:
        """One timer for all waits: setting one for each reply would cost more than the reply."""
        self._timer = None
        if self._dotted is None and self._begun is None and not self._resets:
            return
        left = self._deadline - self._loop.time()
        if left > 0:
            self._ring_in(left)
        else:
            self._fail(SILENT)

    def _fail(self, why: str) -> None:
        """The line is of no use any more: whoever is under way learns what that means for them."""
        self._why_lost = self._why_lost or why
        self.close()
        self._give_up(why)
        self._rest_now()

    def _give_up(self, why: str) -> None:
        dotted, begun, said = self._dotted, self._begun, self._said
        self._dotted = self._begun = None
        self._resets, self._said = 0, []
        if dotted is not None:
            # RFC 1047: the relay may have taken the letter before the line broke.
            self._note(dotted, Outcome("uncertain", printable(why), stage="content"))
        if begun is not None:
            # A line that we cut ourselves says nothing about the letter, nor one that did not
            # hear all of the first group.
            self.is_deaf = not self._is_proven
            is_free = why == STOPPED or (why == SILENT and self.is_deaf)
            self._note(begun, Outcome("unreached", why) if is_free else _broken(why, said))


def _judged(reply: bytes, stage: Stage) -> Outcome:
    text = reply.decode("utf-8", "replace")
    return judge(int(text[:3]), text[4:], stage=stage)


def _refusal(answers: list[bytes]) -> Outcome:
    """The first answer that is a no."""
    for stage, reply in zip(STAGES, answers, strict=True):
        if reply[:3] != b"354" if stage == "data" else reply[:1] != b"2":
            return _judged(reply, stage)
    raise AssertionError("called for a letter that was not refused")


def _broken(why: str, said: list[bytes]) -> Outcome:
    """A line that broke between a letter's commands: what the relay had said of it decides."""
    for stage, reply in zip(STAGES, said, strict=False):
        if reply[:1] in (b"4", b"5"):
            return _judged(reply, stage)
    return Outcome("unreached", printable(why), stage="rcpt" if said else "mail")
