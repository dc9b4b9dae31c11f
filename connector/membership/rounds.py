"""What is done from time to time about money: events followed, letters written, sweeps, the night.

Each round is one machine's at a time, and goes to another when that one dies; what fails comes
again, later each time. It runs in threads of its own, so that no letter waits for Stripe.
"""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import jinja2

from connector import clock
from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.errors import ConnectorError, DatabaseUnavailable, PaymentsUnavailable
from connector.membership import duplicates, letters, store, sweep, webhooks
from connector.membership.stripe_api import Client
from connector.settings import Settings

log = logging.getLogger(__name__)

TICK_SECONDS = 1
# Who does not say for so long that it goes on is taken to be dead.
LEASE = MINUTE
PARTING_SECONDS = 5
AT_ONCE = 20
NIGHT = 3  # o'clock, where the writer lives
LONGEST_WAIT = HOUR
SHOWN = 20


class Payments(Protocol):
    """Whom to ask about money, opened on first use, and the time that payments go by."""

    def __call__(self) -> Client: ...

    def now(self) -> int: ...


@dataclass(frozen=True)
class Duty:
    """What a round works with; `is_stopping` says when to leave the rest to the next one."""

    db: Database
    settings: Settings
    environment: jinja2.Environment
    payments: Payments
    is_stopping: Callable[[], bool]


@dataclass(frozen=True)
class Round:
    """`do` answers with what there is to say; `again` is when it is due next.

    One that `waits` for something is due whenever there is any; `first` is when a new site does
    it first.
    """

    name: str
    do: Callable[[Duty], str]
    again: Callable[[Settings, int], int]
    first: Callable[[Settings, int], int]
    waits: Callable[[Duty, int], bool] | None = None
    patience: int = MINUTE  # after a first failure, twice as long after a second


class Attendant:
    """Does the rounds in threads, from `start` until `close`; or at once, with `attend`."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        environment: jinja2.Environment,
        payments: Payments,
    ) -> None:
        self._stopping = threading.Event()
        self._duty = Duty(db, settings, environment, payments, self._stopping.is_set)
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; where nothing can be paid for, nothing is ever looked at."""
        if not self._duty.settings.takes_payments:
            return
        for lane in LANES:
            thread = threading.Thread(
                target=self._run, args=(lane,), name=f"payments-{lane[0].name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop after what is being written; one that waits for Stripe is left, and comes again."""
        self._stopping.set()
        until = time.monotonic() + PARTING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def attend(self, rounds: "Sequence[Round] | None" = None, *, now: int) -> list[str]:
        """Do every round that is due and that nobody else holds; the names of those done."""
        rounds = ROUNDS if rounds is None else rounds
        known = self._known(rounds, now=now)
        return [
            one.name
            for one in rounds
            if not self._stopping.is_set()
            and known[one.name].due_at <= now
            and (one.waits is None or one.waits(self._duty, now))
            and self._do(one, known[one.name].failures, now=now)
        ]

    def _run(self, lane: "Sequence[Round]") -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.attend(lane, now=clock.now())
            except DatabaseUnavailable:
                pass  # the sender in this process says so, once
            except Exception:
                if not self._stopping.is_set():
                    log.exception("The rounds about payments stumbled, and go on.")

    def _known(self, rounds: "Sequence[Round]", *, now: int) -> dict[str, store.Standing]:
        with self._duty.db.read() as connection:
            known = store.rounds(connection)
        if missing := [one for one in rounds if one.name not in known]:
            with self._duty.db.write() as tx:
                for one in missing:
                    store.insert_round(tx, one.name, due_at=one.first(self._duty.settings, now))
                known = store.rounds(tx)
        return known

    def _do(self, one: Round, failures: int, *, now: int) -> bool:
        with self._duty.db.write() as tx:
            if not store.take_round(
                tx,
                one.name,
                holder=self._holder,
                now=now,
                until=now + LEASE,
                latest=now + 10 * LEASE,
            ):
                return False
        with self._holding(one.name, now=now):
            failed, said = self._try(one)
        if failed and self._stopping.is_set():
            return False  # its lease lapses, and whoever comes next begins it anew
        failures = failures + 1 if failed else 0
        wait = min(one.patience << min(failures - 1, 10), LONGEST_WAIT) if failed else 0
        with self._duty.db.write() as tx:
            store.end_round(
                tx,
                one.name,
                holder=self._holder,
                due_at=now + wait if failed else one.again(self._duty.settings, now),
                failures=failures,
                said=said,
                now=now,
            )
        return not failed

    def _try(self, one: Round) -> tuple[bool, str]:
        """Whether it failed, and what there is to say."""
        try:
            return False, one.do(self._duty)
        except DatabaseUnavailable:
            raise
        except PaymentsUnavailable as error:
            said = error.why or str(error)
            log.warning("Payments: the round “%s” comes again: %s", one.name, said)
        except ConnectorError as error:
            said = str(error)
            log.warning("Payments: the round “%s” comes again: %s", one.name, said)
        except Exception as error:
            said = type(error).__name__
            if not self._stopping.is_set():
                log.exception("Payments: the round “%s” failed, and comes again.", one.name)
        return True, said

    @contextlib.contextmanager
    def _holding(self, name: str, *, now: int) -> Iterator[None]:
        """Say again and again that we live, however long it takes."""
        done = threading.Event()
        began = time.monotonic()

        def hold() -> None:
            while not done.wait(LEASE / SECOND / 3):
                passed = round((time.monotonic() - began) * SECOND)
                with contextlib.suppress(ConnectorError), self._duty.db.write() as tx:
                    store.hold_round(tx, name, holder=self._holder, until=now + passed + LEASE)

        thread = threading.Thread(target=hold, name=f"payments-{name}-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(PARTING_SECONDS)


# What there is to do


def _follow(duty: Duty) -> str:
    """Events, a moment after they came."""
    if not _events_wait(duty, clock.now()):
        return ""  # another machine was quicker
    followed = 0
    while not duty.is_stopping():
        now = duty.payments.now()
        done = webhooks.work(duty.db, duty.settings, duty.payments(), now=now, limit=AT_ONCE)
        followed += done
        if not done:
            break
    if not followed:
        raise PaymentsUnavailable("Stripe did not answer; the events wait.")
    # Whoever paid twice by a slip has it back before they wonder.
    duplicates.settle(duty.db, duty.settings, duty.payments(), now=duty.payments.now())
    return ""


def _events_wait(duty: Duty, _now: int) -> bool:
    mode, now = duty.settings.stripe.mode, duty.payments.now()
    with duty.db.read() as connection:
        return bool(store.waiting_events(connection, mode=mode, limit=1, now=now))


def _write(duty: Duty) -> str:
    """Letters that are owed, and gifts whose day has come."""
    letters.write(duty.db, duty.settings, duty.environment, at=duty.payments.now(), now=clock.now())
    return ""


def _letters_are_owed(duty: Duty, _now: int) -> bool:
    return letters.is_owed(duty.db, duty.settings, at=duty.payments.now())


def _look(duty: Duty) -> str:
    """What time alone brings: a membership that was given ends, a plan goes on unread."""
    letters.look(duty.db, duty.settings, at=duty.payments.now(), now=clock.now())
    return ""


def _sweep(duty: Duty) -> str:
    if _is_unused(duty):
        return ""
    now = duty.payments.now()
    followed = sweep.hourly(duty.db, duty.settings, duty.payments(), now=now)
    return f"{followed} followed" if followed else ""


def _sync(duty: Duty) -> str:
    """Everything, compared; what differed is said, and kept for the operator."""
    if _is_unused(duty):
        return ""
    drift = sweep.sync(duty.db, duty.settings, duty.payments(), now=duty.payments.now())
    if drift.is_clean:
        return ""
    found = [
        *drift.changed,
        *(f"{one}: nobody on the list pays it." for one in drift.unclaimed),
        *(f"{one}: its payer has another that counts." for one in drift.duplicates),
    ]
    for line in found:
        log.warning("Payments, compared with Stripe: %s", line)
    return "\n".join([*found[:SHOWN], *(["…"] if len(found) > SHOWN else [])])


def _tidy(duty: Duty) -> str:
    webhooks.tidy(duty.db, now=duty.payments.now())
    return ""


def _is_unused(duty: Duty) -> bool:
    """Whether only the Till could be asked, and nobody was ever there."""
    if not duty.settings.stripe.is_till:
        return False
    with duty.db.read() as connection:
        return not store.has_money(connection, mode=duty.settings.stripe.mode)


def night(settings: Settings, now: int) -> int:
    """The next night where the writer lives, for each site at a minute of its own."""
    zone = settings.publication.zone
    here = clock.moment(now, zone)
    at = here.replace(hour=NIGHT, minute=_minute(settings), second=0, microsecond=0)
    return clock.milliseconds(at if clock.milliseconds(at) > now else at + timedelta(days=1))


def _minute(settings: Settings) -> int:
    return zlib.crc32(settings.site.encode()) % 60


def _at_once(_settings: Settings, now: int) -> int:
    return now


def _after(span: int) -> Callable[[Settings, int], int]:
    return lambda _settings, now: now + span


EVENTS = Round("events", _follow, _at_once, _at_once, _events_wait, patience=5 * SECOND)
LETTERS = Round("letters", _write, _at_once, _at_once, _letters_are_owed, patience=5 * SECOND)
LOOK = Round("look", _look, _after(10 * MINUTE), _at_once)
SWEEP = Round("sweep", _sweep, _after(HOUR), _at_once, patience=5 * MINUTE)
SYNC = Round("sync", _sync, night, night, patience=10 * MINUTE)
TIDY = Round("tidy", _tidy, _after(DAY), _at_once)
# What is prompt waits for nothing that is long.
LANES: tuple[tuple[Round, ...], ...] = ((EVENTS,), (LETTERS, LOOK, TIDY), (SWEEP, SYNC))
ROUNDS = tuple(one for lane in LANES for one in lane)
