"""PIPELINING (RFC 2920): the same letters in fewer round trips, and nobody hurt by a neighbour."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery import smtp
from connector.delivery.outcome import Outcome
from connector.delivery.pipelining import Envelope
from connector.delivery.smtp import Patience
from tests.fakes.smtp import HANG_UP, SILENCE, FakeRelay

QUICK = Patience(connect=5, mail=5, rcpt=5, data=5, content=5, group=0.2)


def letter(number: int) -> Envelope:
    return Envelope(
        sender=f"bounces+{number}@letters.example.org",
        recipient=f"reader{number}@example.org",
        pieces=[f"Subject: {number}\r\n\r\n".encode(), f"Hello {number}.\r\n".encode()],
    )


@dataclass
class Pile:
    """Letters that are all there, and what became of each."""

    letters: list[Envelope]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def next_nowait(self) -> Envelope | None:
        return self.letters.pop(0) if self.letters else None

    async def next(self) -> Envelope | None:
        return self.next_nowait()

    def settle(self, envelope: Envelope, outcome: Outcome, /) -> None:
        assert envelope.recipient not in self.outcomes, "every letter has one outcome"
        self.outcomes[envelope.recipient] = outcome

    @property
    def kinds(self) -> list[str]:
        return [outcome.kind for outcome in self.outcomes.values()]


def work(fake: FakeRelay, pile: Pile, patience: Patience = QUICK) -> smtp.Conversation:
    async def run() -> smtp.Conversation:
        async with fake:
            conversation = await smtp.connect(fake.relay(), patience=patience)
            await conversation.work(pile)
            await conversation.quit()
            return conversation

    return asyncio.run(asyncio.wait_for(run(), 30))


def pile(count: int) -> Pile:
    return Pile([letter(number) for number in range(count)])


def test_every_letter_arrives_once_and_whole() -> None:
    fake, letters = FakeRelay(), pile(50)

    work(fake, letters)

    assert letters.kinds == ["sent"] * 50
    assert fake.recipients == [f"reader{number}@example.org" for number in range(50)]
    assert [one.wire for one in fake.received] == [letter(n).message for n in range(50)]


def test_the_end_of_a_letter_and_the_beginning_of_the_next_go_out_together() -> None:
    fake, letters = FakeRelay(), pile(3)
    fake.answer("CONTENT", "250 2.0.0 slowly", times=1)

    work(fake, letters)

    commands = [command.split(" ")[0].split(":")[0] for command in fake.commands]
    assert commands == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


def test_what_the_relay_said_is_matched_to_its_letter() -> None:
    fake, letters = FakeRelay(), pile(4)
    for number in range(4):
        fake.answer("CONTENT", f"250 2.0.0 queued as {number}", to=f"reader{number}@example.org")

    work(fake, letters)

    replies = [outcome.reply for outcome in letters.outcomes.values()]
    assert replies == [f"250 2.0.0 queued as {number}" for number in range(4)]


@given(
    refused=st.sets(st.integers(0, 11)),
    step=st.sampled_from(["MAIL", "RCPT", "DATA", "CONTENT"]),
    answer=st.sampled_from(["550 5.1.1 nobody", "451 4.7.1 later", "552 5.2.2 full"]),
)
def test_a_refusal_hurts_nobody_else(refused: set[int], step: str, answer: str) -> None:
    fake, letters = FakeRelay(), pile(12)
    if step == "MAIL":
        fake.answer("MAIL", answer, times=len(refused))
        refused = set(range(len(refused)))
    for number in () if step == "MAIL" else refused:
        fake.answer(step, answer, to=f"reader{number}@example.org")  # type: ignore[arg-type]

    work(fake, letters)

    no = "refused" if answer.startswith("550") else "deferred"
    assert letters.kinds == [no if number in refused else "sent" for number in range(12)]
    assert len(fake.received) == 12 - len(refused)


def test_a_relay_that_invites_content_for_nobody_gets_an_empty_letter() -> None:
    fake, letters = FakeRelay(), pile(2)
    fake.answer("RCPT", "550 5.1.1 nobody", to="reader0@example.org")
    fake.answer("DATA", "354 go ahead", times=1)
    fake.answer("CONTENT", "554 5.5.1 no valid recipients", to="", times=1)

    work(fake, letters)

    assert letters.kinds == ["refused", "sent"]
    assert letters.outcomes["reader0@example.org"].reply == "550 5.1.1 nobody"


@pytest.mark.parametrize("answer", ["421 4.3.2 closing", HANG_UP])
def test_a_line_that_ends_leaves_at_most_one_letter_in_doubt(answer: str) -> None:
    fake, letters = FakeRelay(), pile(8)
    fake.answer("CONTENT", answer, to="reader3@example.org")

    work(fake, letters)

    assert letters.kinds.count("sent") == 3
    assert letters.kinds.count("uncertain") == (1 if answer == HANG_UP else 0)
    assert letters.outcomes["reader4@example.org"].is_free
    assert len(letters.letters) == 3, "the rest was never begun"


def test_a_relay_that_does_not_mean_its_pipelining_is_found_out() -> None:
    fake, letters = FakeRelay(), pile(2)
    fake.answer("RCPT", SILENCE)

    conversation = work(fake, letters)

    assert not conversation.takes_groups
    assert letters.kinds == ["unreached"]


def test_without_pipelining_letters_go_one_at_a_time() -> None:
    fake, letters = FakeRelay(offers=("SIZE 1000000",)), pile(5)
    fake.answer("RCPT", "550 5.1.1 nobody", to="reader2@example.org")

    work(fake, letters)

    assert letters.kinds == ["sent", "sent", "refused", "sent", "sent"]


def test_a_letter_the_relay_cannot_take_is_refused_and_the_others_go() -> None:
    fake = FakeRelay(offers=("PIPELINING", "SIZE 200"))
    letters = Pile([letter(0), letter(1), letter(2)])
    letters.letters[1].pieces = [b"Subject: long\r\n\r\n", b"x" * 300, b"\r\n"]

    work(fake, letters)

    assert letters.outcomes["reader1@example.org"].kind == "refused"
    assert len(fake.received) == 2


class Dribble(asyncio.Protocol):
    """A relay whose replies arrive in pieces of any size."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.rest = b""
        self.in_content = False
        self.out = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.say(b"220 dribble\r\n")

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        for line in lines:
            if self.in_content:
                if line == b".":
                    self.in_content = False
                    self.say(b"250-2.0.0 kept\r\n250 2.0.0 truly\r\n")
            elif line.startswith(b"EHLO"):
                self.say(b"250-dribble\r\n250 PIPELINING\r\n")
            elif line == b"DATA":
                self.in_content = True
                self.say(b"354 go\r\n")
            else:
                self.say(b"221 bye\r\n" if line == b"QUIT" else b"250-2.1.0\r\n250 ok\r\n")

    def say(self, reply: bytes) -> None:
        self.out += reply
        while self.out:
            size = self.sizes[len(self.out) % len(self.sizes)]
            self.transport.write(self.out[:size])
            self.out = self.out[size:]


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_replies_in_any_number_of_packets_are_the_same_replies(sizes: list[int]) -> None:
    letters = pile(6)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Dribble(sizes), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            relay = smtp.Relay("127.0.0.1", port, "none")
            conversation = await smtp.connect(relay, patience=QUICK)
            await conversation.work(letters)
            await conversation.quit()

    asyncio.run(run())

    assert [outcome.reply for outcome in letters.outcomes.values()] == [
        "250 2.0.0 kept 2.0.0 truly"
    ] * 6
