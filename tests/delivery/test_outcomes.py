"""What an answer means: who is tried again, who is not, and who is not written to any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.outcome import Outcome, Stage, judge, printable


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (250, "2.0.0 queued", "sent"),
        (251, "will forward", "sent"),
        (421, "4.3.2 closing", "deferred"),
        (450, "4.2.1 busy", "deferred"),
        (452, "4.2.2 full", "deferred"),
        (454, "throttled", "deferred"),
        (550, "5.1.1 nobody", "refused"),
        (552, "5.2.2 mailbox full", "deferred"),
        (552, "mailbox full", "deferred"),
        (552, "5.3.4 message too big", "refused"),
        (552, "5.7.0 content refused", "refused"),
        (554, "no", "refused"),
        (354, "go on", "uncertain"),
        (-1, "what?", "uncertain"),
    ],
)
def test_the_final_answer_decides(code: int, text: str, kind: str) -> None:
    assert judge(code, text, stage="content").kind == kind


@pytest.mark.parametrize("code", [-1, 199, 250, 354, 600])
def test_nonsense_before_the_content_says_nothing_about_the_letter(code: int) -> None:
    assert judge(code, "what?", stage="rcpt").kind == "unreached"


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"])
@pytest.mark.parametrize("stage", ["rcpt", "content"])
def test_nobody_there_suppresses_the_address(code: str, stage: Stage) -> None:
    assert judge(550, f"{code} no", stage=stage).suppresses


@pytest.mark.parametrize(
    "answer",
    [
        "no such user",  # no detail: it may as well be our reputation
        "5.1.0 sender rejected",
        "5.1.7 bad sender",
        "5.1.8 sender domain unknown",
        "5.2.2 mailbox full",
        "5.7.1 blocked",
        "5.1.11 not one we know",
    ],
)
def test_any_other_refusal_does_not(answer: str) -> None:
    refused = judge(550, answer, stage="rcpt")

    assert refused.kind == "refused"
    assert not refused.suppresses


@pytest.mark.parametrize("stage", ["mail", "data"])
def test_a_refusal_of_the_sender_never_suppresses_a_reader(stage: Stage) -> None:
    assert not judge(550, "5.1.1 nobody", stage=stage).suppresses


def test_a_deferral_never_suppresses() -> None:
    assert not judge(450, "4.1.1 nobody, perhaps", stage="rcpt").suppresses
    assert not Outcome("deferred", "", 450, "5.1.1", "rcpt").suppresses


@pytest.mark.parametrize(
    ("code", "answer", "stage", "is_about_us"),
    [
        (550, "5.7.1 policy", "content", True),
        (530, "5.7.0 sign in first", "mail", True),
        (553, "sender not allowed", "mail", True),
        (550, "5.1.1 nobody", "rcpt", False),
        (450, "4.7.1 greylisted", "rcpt", False),
    ],
)
def test_a_refusal_of_us_is_told_apart_from_one_of_a_reader(
    code: int, answer: str, stage: Stage, is_about_us: bool
) -> None:
    assert judge(code, answer, stage=stage).is_about_us is is_about_us


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (550, "5.1.1 nobody", "5.1.1"),
        (550, "5.1.1", "5.1.1"),
        (550, "5.1.1\n5.1.1 nobody", "5.1.1"),
        (550, "nobody 5.1.1", ""),
        (550, "4.1.1 which is it", ""),
        (550, "5.1.1.1 what", ""),
        (550, "5.1.1000 what", ""),
        (550, "", ""),
    ],
)
def test_the_enhanced_code_is_read_only_where_it_belongs(
    code: int, text: str, enhanced: str
) -> None:
    assert judge(code, text, stage="rcpt").enhanced == enhanced


@given(st.text(max_size=2000))
def test_an_answer_is_kept_as_one_printable_line(text: str) -> None:
    kept = printable(text)

    assert kept.isprintable()
    assert len(kept) <= 500


def test_421_is_goodbye() -> None:
    assert judge(421, "4.3.2 closing", stage="rcpt").is_goodbye
    assert not judge(450, "4.2.1 busy", stage="rcpt").is_goodbye


@pytest.mark.parametrize(
    ("code", "text", "stage"),
    [
        (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail", "content"),
        (421, "4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume", "rcpt"),
        (451, "4.7.650 The mail server has been temporarily rate limited", "rcpt"),
        (451, "4.7.500 Server busy. Please try again later", "content"),
        (450, "4.7.1 Too many messages from your network, slow down", "rcpt"),
        (451, "4.4.5 congestion", "content"),
        (421, "RP-001 your IP has exceeded the sending or message rate allowed", "content"),
    ],
)
def test_a_provider_that_wants_fewer_letters_is_heard(code: int, text: str, stage: Stage) -> None:
    assert judge(code, text, stage=stage).slows == "provider"


@pytest.mark.parametrize(
    ("code", "text", "stage"),
    [
        (454, "Throttling failure: Maximum sending rate exceeded.", "content"),
        (421, "4.7.0 Too many connections", "mail"),
        (450, "4.7.1 Error: too much mail from 192.0.2.1", "mail"),
        (452, "4.3.2 Server busy", "content"),
    ],
)
def test_a_relay_that_has_enough_from_us_is_heard(code: int, text: str, stage: Stage) -> None:
    assert judge(code, text, stage=stage).slows == "relay"


@pytest.mark.parametrize(
    ("code", "text", "stage"),
    [
        (450, "4.7.1 <ada@example.org>: Recipient address rejected: Greylisted", "rcpt"),
        (451, "4.7.0 graylisting in action, come back in 00:05:00", "rcpt"),
        (450, "4.7.1 Client host rejected: cannot find your hostname", "rcpt"),
        (450, "4.2.1 The user you are trying to contact is receiving mail too quickly", "rcpt"),
        (452, "4.2.2 mailbox full", "rcpt"),
        (421, "4.3.2 Service shutting down", "mail"),
        (421, "4.4.2 timeout exceeded", "content"),
        (421, "closing, too many messages in one session", "mail"),
        (451, "4.3.0 later", "content"),
        (550, "5.7.1 too many complaints", "rcpt"),
        (250, "2.0.0 Ok, but do not send too much", "content"),
    ],
)
def test_nobody_is_slowed_down_for_another_reason(code: int, text: str, stage: Stage) -> None:
    assert judge(code, text, stage=stage).slows == ""


def test_an_answer_can_say_which_relay_gave_it() -> None:
    answer = judge(250, "2.0.0 Ok: queued as 4XyZ " + "x" * 600, stage="content")

    assert answer.through("second").reply.endswith("xx [second]")
    assert len(answer.through("second").reply) == 500
