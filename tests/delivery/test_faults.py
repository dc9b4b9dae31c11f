"""Whatever a relay, a line, a disk or a clock does to a mailing: the promise holds afterwards.

Real senders, real sockets, a real database file; only the waiting is left out. The kill -9 of a
sender is in test_killed_senders.py.
"""

import asyncio
import contextlib
import functools
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import clock
from connector.clock import DAY, HOUR, MINUTE
from connector.database import Connection, Database
from connector.delivery import decisions, ledger, mailings, smtp, store
from connector.delivery.letter import Letter
from connector.errors import DatabaseUnavailable
from tests.delivery import post
from tests.delivery.sending import Office, until
from tests.fakes.certificates import Certificate, certificate
from tests.fakes.smtp import (
    HANG_UP,
    SILENCE,
    TAKE_AND_HANG_UP,
    Hearing,
    Manner,
    Step,
)

PEOPLE = 12
FEW = 7  # where every byte of every reply is waited for
READER = "reader5@example.org"
WINDOW = 4  # letters of one connection that a sender may have handed over at a time
CONNECT = smtp.connect


@pytest.fixture(params=[1, 4], ids=["one line", "four lines"])
def lines(request: pytest.FixtureRequest) -> int:
    """How many connections a sender has."""
    found: int = request.param
    return found


# What the relay says


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize(
    "answer",
    [
        "451 4.7.1 Greylisted",
        "452 4.2.2 Mailbox full",
        "452 4.5.3 Too many recipients",
        "552 5.2.2 Mailbox full",
        "552 Requested mail action aborted: exceeded storage allocation",
    ],
)
def test_what_is_said_twice_and_then_taken_back_costs_three_attempts_and_no_letter(
    office: Office, answer: str, step: Step, lines: int
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.answer(step, answer, to="" if step == "MAIL" else READER, times=2)

    office.keep_sending(connections=lines)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}
    assert sum(attempts(office.db).values()) in (3, 4), "three at one letter, or two at two"
    assert step == "MAIL" or attempts(office.db) == {READER: 3}


@pytest.mark.parametrize("step", ["RCPT", "CONTENT"])
@pytest.mark.parametrize(
    ("answer", "is_nobody"),
    [
        ("550 5.1.1 No such user", True),
        ("550 5.7.1 Not from you", False),
        ("552 5.3.4 Too large", False),
    ],
)
def test_what_is_refused_for_good_is_said_once_and_hurts_nobody_else(
    office: Office, answer: str, step: Step, lines: int, *, is_nobody: bool
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.answer(step, answer, to=READER)

    office.keep_sending(connections=lines)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE - 1, "refused": 1}
    assert attempts(office.db) == {}
    with office.db.read() as connection:
        assert (mailings.suppression(connection, READER) is not None) is is_nobody


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "CONTENT"])
def test_a_relay_that_refuses_us_pauses_the_mailing_and_the_rest_goes_when_it_is_resumed(
    office: Office, step: Step
) -> None:
    mailing = post.mail(office.db, 60, now=clock.now())
    office.fake.answer(step, "550 5.7.1 Not from you")

    office.keep_sending()
    refused = post.counts(office.db, mailing).get("refused", 0)
    paused = mailings.state_of(post.look(office.db, mailing))
    office.fake.obey()
    mailings.resume(office.db, mailing, now=clock.now())
    office.keep_sending()

    assert paused == "paused"
    assert 3 <= refused <= 3 + 4 * 4, "no more than was under way"
    assert post.counts(office.db, mailing) == {"sent": 60 - refused, "refused": refused}


# When the line ends

GOODBYE = "421 4.3.2 Shutting down"
BEFORE_THE_DOT: tuple[Step, ...] = ("GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        *((step, answer) for step in BEFORE_THE_DOT for answer in (GOODBYE, HANG_UP, SILENCE)),
        ("CONTENT", GOODBYE),
    ],
)
def test_a_line_that_ends_before_the_letter_is_there_costs_nobody_a_letter(
    office: Office, step: Step, answer: str, lines: int
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.users = {"ines": "let me in"}
    office.fake.answer(step, answer, times=2)

    office.keep_sending(connections=lines, user="ines", password="let me in")

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}


@pytest.mark.parametrize(
    ("step", "answer", "arrived"),
    [
        ("BODY", HANG_UP, False),
        ("CONTENT", HANG_UP, False),
        ("CONTENT", TAKE_AND_HANG_UP, True),
        ("CONTENT", SILENCE, False),
        ("CONTENT", "what?", False),
    ],
    ids=["before the dot", "at the dot", "after the dot", "silence", "nonsense"],
)
def test_a_line_that_ends_around_the_dot_leaves_one_letter_uncertain_and_it_stays_so(
    office: Office, step: Step, answer: str, lines: int, *, arrived: bool
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.answer(step, answer, to=READER, times=1)

    office.keep_sending(connections=lines)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE - 1, "uncertain": 1}
    assert office.fake.recipients.count(READER) == arrived


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_letter_that_always_ends_the_line_does_not_hold_the_others_up(
    office: Office, step: Step
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.answer(step, HANG_UP, to=READER)

    office.send(connections=1)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE - 1, "queued": 1}


@pytest.mark.parametrize("answer", [HANG_UP, TAKE_AND_HANG_UP])
def test_only_the_author_can_have_an_uncertain_letter_sent_once_more(
    office: Office, answer: str
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.answer("CONTENT", answer, to=READER, times=1)
    office.keep_sending()
    before = office.fake.recipients.count(READER)

    with office.db.write() as tx:
        decisions.resend(
            tx,
            mailing,
            was="uncertain",
            audience=post.people(PEOPLE),
            values={},
            now=clock.now(),
        )
    office.keep_sending()

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}
    assert office.fake.recipients.count(READER) == before + 1
    assert len({one.wire for one in office.fake.attempted if one.recipient == READER}) == 1


# How the relay speaks


@pytest.mark.parametrize("manner", ["split", "merged", "tarpit"])
def test_replies_in_pieces_in_heaps_or_by_the_byte_are_the_same_replies(
    office: Office, manner: Manner, lines: int
) -> None:
    mailing = post.mail(office.db, FEW, now=clock.now())
    office.fake.manner = manner
    office.fake.answer("RCPT", "451-4.7.1 Not\r\n451 4.7.1 yet", to=READER, times=1)
    office.fake.answer("CONTENT", "550-5.1.1 Nobody\r\n550 5.1.1 there", to="reader7@example.org")

    office.keep_sending(connections=lines)

    assert post.counts(office.db, mailing) == {"sent": FEW - 1, "refused": 1}
    assert attempts(office.db) == {READER: 2}


@pytest.mark.parametrize("hearing", ["one at a time", "none out of turn"])
def test_a_relay_that_does_not_mean_its_pipelining_gets_one_command_at_a_time(
    office: Office, hearing: Hearing, lines: int
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.hearing = hearing

    office.send_while(lambda: finished(office, mailing), connections=lines)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}


def test_finding_out_about_pipelining_costs_the_letter_nothing(office: Office) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.hearing = "one at a time"

    office.keep_sending(runs=5)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}


# Security


@pytest.mark.parametrize(
    ("fault", "is_implicit"),
    [
        ("refused", False),
        ("missing", False),
        ("expired", False),
        ("expired", True),
        ("wrong name", False),
        ("wrong name", True),
        ("nobody vouches", False),
        ("nobody vouches", True),
    ],
)
def test_no_letter_leaves_before_the_line_is_private_and_all_do_then(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    *,
    is_implicit: bool,
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    fake, security = office.fake, "tls" if is_implicit else "starttls"
    good = certificate(tmp_path)
    trust(monkeypatch, good)
    fake.tls, fake.is_implicit = good.server, is_implicit
    if fault == "refused":
        fake.answer("STARTTLS", "454 4.7.0 TLS not available")
    elif fault == "missing":
        fake.tls = None
    else:
        values = {"expired": {"days": -1}, "wrong name": {"host": "elsewhere.example.net"}}
        bad = certificate(tmp_path, **values.get(fault, {}))  # type: ignore[arg-type]
        fake.tls = bad.server
        if fault != "nobody vouches":
            trust(monkeypatch, bad)

    office.send_while(lambda: asyncio.sleep(60), security=security)
    queued, said = post.counts(office.db, mailing), list(fake.commands)
    fake.obey()
    fake.tls = good.server
    trust(monkeypatch, good)
    office.send(security=security)

    assert queued == {"queued": PEOPLE}
    assert not any(command.startswith("MAIL") for command in said)
    assert post.counts(office.db, mailing) == {"sent": PEOPLE}
    assert attempts(office.db) == {}
    assert all(letter.is_tls for letter in fake.received)


@pytest.mark.parametrize("answer", ["535 5.7.8 Wrong", "454 4.7.0 Not now", HANG_UP])
def test_no_letter_leaves_before_we_are_signed_in_and_all_do_then(
    office: Office, answer: str
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    office.fake.users = {"ines": "let me in"}
    office.fake.answer("AUTH", answer)

    office.send_while(lambda: asyncio.sleep(60), user="ines", password="let me in")
    queued = post.counts(office.db, mailing)
    office.fake.obey()
    office.send(user="ines", password="let me in")

    assert queued == {"queued": PEOPLE}
    assert post.counts(office.db, mailing) == {"sent": PEOPLE}
    assert attempts(office.db) == {}


# When the relay is gone


@pytest.mark.parametrize("senders", [1, 3])
@pytest.mark.parametrize("how", ["nobody listens", "nobody speaks", "everybody is turned away"])
def test_ten_minutes_without_a_relay_cost_no_attempt_and_everything_leaves_then(
    office: Office, how: str, senders: int
) -> None:
    mailing = post.mail(office.db, 600, now=clock.now())
    fake, spent = office.fake, [0, 0]

    async def away() -> None:
        await asyncio.sleep(10)
        spent[0] = attempts_in_all(office.db)
        await asyncio.sleep(10 * 60)
        spent[1] = attempts_in_all(office.db)

    async def watch() -> None:
        await received(office, 100)
        if how == "nobody listens":
            async with fake.away():
                await away()
        else:
            fake.answer("GREETING", SILENCE if how == "nobody speaks" else "421 4.3.2 Not now")
            await fake.cut()
            await away()
            fake.obey()
        await finished(office, mailing, seconds=5 * 60)

    office.send_while(watch, senders=senders)

    lines = senders * office.configured.mail.connections
    counts = post.counts(office.db, mailing)
    assert spent[1] <= spent[0] < 600, "what was handed over in vain is given back for free"
    assert counts.pop("uncertain", 0) <= lines, "one on each line that was cut"
    assert set(counts) == {"sent"}
    assert len(attempts(office.db)) <= lines, "one on each line that was cut"


# When the disk is full


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow, or be written beyond its first page."""
    size, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("senders", [1, 3])
@pytest.mark.parametrize(
    ("letters", "seconds"),
    [(0, 3), (1, 3), (100, 3), (599, 3), (100, 90)],
    ids=["at first", "after one", "in the middle", "at last", "longer than a lease"],
)
def test_a_disk_that_is_full_for_a_while_costs_nobody_a_letter(
    office: Office,
    senders: int,
    letters: int,
    seconds: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailing = post.mail(office.db, 600, now=clock.now())
    fake = office.fake

    async def watch() -> None:
        await received(office, letters)
        before = len(fake.received)
        with full_disk():
            await asyncio.sleep(seconds)
            unrecorded = len(fake.received) - before
        await finished(office, mailing, seconds=5 * 60)
        assert unrecorded <= senders * (1 + office.configured.mail.connections) * WINDOW

    office.send_while(watch, senders=senders)

    assert post.counts(office.db, mailing) == {"sent": 600}
    assert any("disk" in record.message for record in caplog.records), "a commit really failed"


def test_a_letter_that_cannot_be_read_yet_is_not_marked_as_on_its_way(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = post.mail(office.db, PEOPLE, now=clock.now())
    read, troubles = store.letter, iter(range(3))

    def letter(connection: Connection, letter_id: int) -> Letter | None:
        if next(troubles, None) is not None:
            assert post.counts(office.db, mailing) == {"queued": PEOPLE}
            raise DatabaseUnavailable("The database is away.")
        return read(connection, letter_id)

    monkeypatch.setattr(store, "letter", letter)

    async def watch() -> None:
        await finished(office, mailing)

    office.send_while(watch)

    assert post.counts(office.db, mailing) == {"sent": PEOPLE}
    assert next(troubles, None) is None


# When the clock is wrong


@pytest.mark.parametrize("senders", [1, 3])
@pytest.mark.parametrize(
    "by",
    [
        pytest.param(-HOUR, id="an hour back"),
        pytest.param(-MINUTE, id="a minute back"),
        pytest.param(HOUR, id="an hour on"),
        pytest.param(DAY, id="a day on"),
    ],
)
def test_a_clock_that_is_set_in_the_middle_of_a_mailing_doubles_and_delays_nothing(
    office: Office, by: int, senders: int
) -> None:
    mailing = post.mail(office.db, 2_000, now=clock.now())

    async def watch() -> None:
        await received(office, 100)
        office.clock.turn(by)
        await finished(office, mailing, seconds=5 * 60)

    office.send_while(watch, senders=senders)

    assert post.counts(office.db, mailing) == {"sent": 2_000}


@pytest.mark.parametrize("senders", [1, 3])
def test_a_clock_that_goes_to_and_fro_doubles_nothing(office: Office, senders: int) -> None:
    mailing = post.mail(office.db, 2_000, now=clock.now())

    async def watch() -> None:
        for moves, by in enumerate((DAY, -HOUR, -DAY, HOUR)):
            await received(office, 300 * moves + 100)
            office.clock.turn(by)
        await finished(office, mailing, seconds=5 * 60)

    office.send_while(watch, senders=senders)

    assert post.counts(office.db, mailing) == {"sent": 2_000}


def test_what_a_dead_sender_held_is_not_kept_for_the_hour_the_clock_went_back(
    office: Office,
) -> None:
    mailing = post.mail(office.db, 10, now=clock.now() - HOUR)
    lease = post.take(office.db, now=clock.now())
    letters = ledger.due(office.db, lease, now=clock.now())
    post.hand_over(office.db, lease, letters[:2], now=clock.now())

    office.clock.turn(-HOUR)
    office.send_while(lambda: finished(office, mailing))

    assert post.counts(office.db, mailing) == {"sent": 8, "uncertain": 2}


def trust(monkeypatch: pytest.MonkeyPatch, shown: Certificate) -> None:
    """Whose certificates a sender believes, until the end of the test."""
    monkeypatch.setattr(smtp, "connect", functools.partial(CONNECT, tls=shown.client))


async def received(office: Office, letters: int) -> None:
    await until(lambda: len(office.fake.received) >= letters)


async def finished(office: Office, mailing: int, *, seconds: float = 600) -> None:
    """Wait until nothing of a mailing is left to send; so long at most."""
    await until(lambda: post.look(office.db, mailing).finished_at, seconds=seconds)


def attempts(db: Database) -> dict[str, int]:
    """How often we tried, where it was not once."""
    with db.read() as connection:
        rows = connection.rows("SELECT address, attempts FROM deliveries WHERE attempts <> 1")
    return dict(rows)


def attempts_in_all(db: Database) -> int:
    with db.read() as connection:
        return int(connection.value("SELECT sum(attempts) FROM deliveries"))
