"""One letter handed to the relay, and what becomes of it for every way a relay can answer."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import settings as hypotheses
from hypothesis import strategies as st

from connector.delivery import smtp
from connector.delivery.outcome import Outcome
from connector.delivery.smtp import Patience
from tests.fakes.smtp import HANG_UP, SILENCE, TAKE_AND_HANG_UP, FakeRelay, Step

SENDER = "bounces+7.abcdefghijklmnop@letters.example.org"
MESSAGE = b"Subject: Hello\r\n\r\nHello.\r\n"
BRIEF = Patience(connect=5, mail=0.1, rcpt=0.1, data=0.1, content=0.1)


def send(
    fake: FakeRelay, *recipients: str, message: bytes = MESSAGE, sender: str = SENDER
) -> list[Outcome]:
    """One letter to each of `recipients` on one line, for as long as it stays open."""

    async def go() -> list[Outcome]:
        async with fake:
            line = await smtp.connect(fake.relay(), patience=BRIEF)
            outcomes = [
                await line.send(sender=sender, recipient=recipient, message=message)
                for recipient in recipients
                if line.is_open
            ]
            await line.quit()
            return outcomes

    return asyncio.run(go())


def verbs(fake: FakeRelay) -> list[str]:
    return [command.partition(" ")[0] for command in fake.commands]


class TestAccepted:
    def test_a_letter_is_sent_when_the_final_dot_is_answered_with_250(self) -> None:
        fake = FakeRelay()

        (outcome,) = send(fake, "ada@example.org")

        assert outcome.kind == "sent"
        assert outcome.reply == "250 2.0.0 queued"
        assert fake.received[0].message == MESSAGE
        assert fake.received[0].sender == SENDER

    def test_one_line_carries_many_letters_each_for_one_recipient(self) -> None:
        fake = FakeRelay()

        send(fake, "ada@example.org", "bea@example.org")

        assert verbs(fake) == ["EHLO", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]
        assert fake.connections == 1
        assert fake.recipients == ["ada@example.org", "bea@example.org"]

    @given(
        body=st.binary(max_size=200).map(
            lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"\r\n")
        )
    )
    @hypotheses(max_examples=60, deadline=None)
    def test_any_content_arrives_whole_dots_included(self, body: bytes) -> None:
        fake = FakeRelay()

        send(fake, "ada@example.org", message=b".\r\n..\r\n" + body + b"\r\n.")

        assert fake.received[0].message == b".\r\n..\r\n" + body + b"\r\n.\r\n"

    def test_the_size_is_told_to_a_relay_that_asks(self) -> None:
        fake = FakeRelay()

        send(fake, "ada@example.org")

        assert f"SIZE={len(MESSAGE)}" in fake.received[0].mail

    def test_extensions_that_are_not_offered_are_not_used(self) -> None:
        fake = FakeRelay(offers=("ENHANCEDSTATUSCODES",))

        send(fake, "ada@example.org")

        assert fake.received[0].mail == f"MAIL FROM:<{SENDER}>"


class TestRefused:
    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
    def test_a_refusal_is_kept_word_for_word_and_the_next_letter_still_goes(
        self, step: Step
    ) -> None:
        fake = FakeRelay()
        fake.answer(step, "550 5.7.1 not from you", times=1)

        refused, sent = send(fake, "dan@example.org", "ada@example.org")

        assert (refused.kind, refused.reply) == ("refused", "550 5.7.1 not from you")
        assert (refused.stage, refused.enhanced) == (step.lower(), "5.7.1")
        assert sent.kind == "sent"
        assert fake.recipients == ["ada@example.org"]

    def test_a_refused_recipient_ends_the_transaction(self) -> None:
        fake = FakeRelay()
        fake.answer("RCPT", "550 5.1.1 nobody here", to="dan@example.org")

        send(fake, "dan@example.org", "ada@example.org")

        assert verbs(fake)[1:4] == ["MAIL", "RCPT", "RSET"]

    def test_a_relay_that_hangs_up_on_rset_is_left(self) -> None:
        fake = FakeRelay()
        fake.answer("RCPT", "550 5.1.1 nobody here")
        fake.answer("RSET", HANG_UP)

        outcomes = send(fake, "dan@example.org", "ada@example.org")

        assert [outcome.kind for outcome in outcomes] == ["refused"]

    def test_a_letter_too_large_for_the_relay_is_not_even_begun(self) -> None:
        fake = FakeRelay(offers=("SIZE 20",))

        (outcome,) = send(fake, "ada@example.org")

        assert outcome.kind == "refused"
        assert outcome.reply == f"The letter is {len(MESSAGE)} bytes; the relay takes 20 at most."
        assert verbs(fake) == ["EHLO", "QUIT"]

    @pytest.mark.parametrize("size", ["SIZE", "SIZE 0"])
    def test_no_limit_is_no_limit(self, size: str) -> None:
        (outcome,) = send(FakeRelay(offers=(size,)), "ada@example.org")

        assert outcome.kind == "sent"

    def test_an_international_address_needs_a_relay_that_takes_it(self) -> None:
        able, unable = FakeRelay(), FakeRelay(offers=("SIZE",))

        (taken,) = send(able, "アダ@example.org")
        (refused,) = send(unable, "アダ@example.org")

        assert taken.kind == "sent"
        assert able.received[0].mail.endswith(" SMTPUTF8")
        assert refused.kind == "refused"
        assert "SMTPUTF8" in refused.reply
        assert not refused.suppresses

    def test_an_international_domain_is_sent_in_ascii(self) -> None:
        fake = FakeRelay(offers=("SIZE",))

        send(fake, "ada@bücher.example")

        assert fake.recipients == ["ada@xn--bcher-kva.example"]

    @pytest.mark.parametrize(
        "recipient",
        [
            "ada@example.org>\r\nRCPT TO:<cas@example.org",
            "ada@example.org> NOTIFY=SUCCESS",
            "<ada@example.org>",
            "ada",
            "@example.org",
            "ada@",
            "a@b@example.org",
            "",
            "x" * 300 + "@example.org",
        ],
    )
    def test_what_is_not_an_address_never_reaches_the_relay(self, recipient: str) -> None:
        fake = FakeRelay()

        (outcome,) = send(fake, recipient)

        assert (outcome.kind, outcome.suppresses) == ("refused", False)
        assert verbs(fake) == ["EHLO", "QUIT"]

    def test_a_sender_cannot_smuggle_a_command_either(self) -> None:
        fake = FakeRelay()

        (outcome,) = send(fake, "ada@example.org", sender="x@example.org>\r\nQUIT")

        assert (outcome.kind, outcome.stage) == ("refused", "mail")
        assert verbs(fake) == ["EHLO", "QUIT"]


class TestDeferred:
    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
    def test_a_passing_refusal_leaves_the_line_open(self, step: Step) -> None:
        fake = FakeRelay()
        fake.answer(step, "451 4.7.1 greylisted", times=1)

        deferred, sent = send(fake, "bea@example.org", "ada@example.org")

        assert (deferred.kind, deferred.code) == ("deferred", 451)
        assert sent.kind == "sent"

    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
    def test_421_is_a_deferral_and_the_end_of_the_line(self, step: Step) -> None:
        fake = FakeRelay()
        fake.answer(step, "421 4.3.2 closing")

        outcomes = send(fake, "bea@example.org", "ada@example.org")

        assert [outcome.kind for outcome in outcomes] == ["deferred"]
        assert fake.received == []


class TestUnreached:
    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
    @pytest.mark.parametrize("trouble", [HANG_UP, SILENCE, "what?", "250-and then nothing"])
    def test_a_line_that_breaks_before_the_content_says_nothing_about_the_letter(
        self, step: Step, trouble: str
    ) -> None:
        fake = FakeRelay()
        fake.answer(step, trouble)

        outcomes = send(fake, "bea@example.org", "ada@example.org")

        assert [outcome.kind for outcome in outcomes] == ["unreached"]
        assert outcomes[0].reply
        assert fake.received == []

    def test_a_relay_that_left_between_two_letters_is_noticed(self) -> None:
        async def go() -> list[Outcome]:
            async with FakeRelay() as fake:
                line = await smtp.connect(fake.relay(), patience=BRIEF)
                first = await line.send(sender=SENDER, recipient="ada@example.org", message=MESSAGE)
            second = await line.send(sender=SENDER, recipient="bea@example.org", message=MESSAGE)
            assert not line.is_open
            await line.quit()
            return [first, second]

        assert [outcome.kind for outcome in asyncio.run(go())] == ["sent", "unreached"]

    def test_data_answered_with_250_is_nonsense_and_ends_the_line(self) -> None:
        fake = FakeRelay()
        fake.answer("DATA", "250 2.0.0 thanks already")

        outcomes = send(fake, "bea@example.org", "ada@example.org")

        assert [outcome.kind for outcome in outcomes] == ["unreached"]


class TestUncertain:
    @pytest.mark.parametrize(
        "trouble", [HANG_UP, TAKE_AND_HANG_UP, SILENCE, "what?", "354 more please"]
    )
    def test_a_line_that_breaks_after_the_content_leaves_it_open_who_has_the_letter(
        self, trouble: str
    ) -> None:
        fake = FakeRelay()
        fake.answer("CONTENT", trouble)

        outcomes = send(fake, "bea@example.org", "ada@example.org")

        assert [outcome.kind for outcome in outcomes] == ["uncertain"]

    def test_a_sender_stopped_while_waiting_leaves_no_half_conversation(self) -> None:
        async def go() -> bool:
            async with FakeRelay() as fake:
                fake.answer("CONTENT", SILENCE)
                line = await smtp.connect(fake.relay())
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(
                        line.send(sender=SENDER, recipient="ada@example.org", message=MESSAGE), 0.1
                    )
                return line.is_open

        assert asyncio.run(go()) is False
