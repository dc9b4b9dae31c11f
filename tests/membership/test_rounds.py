"""What is done from time to time: promptly, by one machine, again when it failed, and not at all for free."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from connector import clock, database, templates
from connector.clock import DAY, HOUR, MINUTE, SECOND
from connector.database import Database
from connector.errors import DatabaseUnavailable, PaymentsUnavailable
from connector.membership import complimentary, letters, rounds, store, stripe_api, sweep, webhooks
from connector.membership.rounds import Attendant, Duty, Round
from connector.membership.stripe_api import Client
from connector.settings import Settings, TierSettings
from connector.till import desk
from connector.till.transport import TillClient
from tests.conftest import NOW, People
from tests.membership.conftest import Life
from tests.membership.post import written
from tests.waiting import until


@dataclass
class Desk:
    """Whom the rounds ask; counts how often it was opened."""

    client: Client
    time: Callable[[], int]
    opened: int = 0
    answers: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Client:
        self.opened += 1
        assert self.answers.wait(30)
        return self.client

    def now(self) -> int:
        return self.time()


@dataclass
class Machine:
    """One of several that share a database, with a clock of its own."""

    life: Life
    attendant: Attendant
    desk: Desk
    late: int = 0
    done: list[str] = field(default_factory=list)

    def attend(self, *some: Round, later: int = 0) -> list[str]:
        done = self.attendant.attend(some or None, now=self.life.start + later)
        self.done += done
        return done


def machine(life: Life) -> Machine:
    desk_ = Desk(life.client, lambda: max(life.now, clock.now()))
    desk_.answers.set()
    environment = templates.environment(life.settings.root)
    return Machine(life, Attendant(life.db, life.settings, environment, desk_), desk_)


@pytest.fixture
def life(db: Database, configured: Settings, people: People) -> Life:
    start = clock.now()
    client = stripe_api.client(configured, TillClient(db, configured, lambda: start))
    return Life(db, configured, client, people.ada, start)


@pytest.fixture
def one(life: Life) -> Machine:
    return machine(life)


def standing(db: Database, name: str) -> store.Standing:
    with db.read() as connection:
        return store.rounds(connection)[name]


def waiting(db: Database) -> int:
    with db.read() as connection:
        return store.heard(connection, mode="till")[1]


def counted(what: list[int], *, fails: bool = False, name: str = "counted") -> Round:
    def do(_: Duty) -> str:
        what.append(1)
        if fails:
            raise PaymentsUnavailable("away", why="Stripe is away")
        return "done"

    def again(_: Settings, now: int) -> int:
        return now + HOUR

    return Round(name, do, again, lambda _, now: now, patience=MINUTE)


def test_an_event_is_followed_and_its_letters_written(life: Life, one: Machine) -> None:
    life.join()
    life.deliver()

    done = one.attend(rounds.EVENTS, later=MINUTE)
    one.attend(rounds.LETTERS, later=MINUTE)

    assert done == ["events"]
    assert waiting(life.db) == 0
    assert [letter.about for letter in written(life.db)] == ["joined", "joined"]


def test_where_nothing_waits_nothing_is_asked(life: Life, one: Machine) -> None:
    done = one.attend()

    assert "events" not in done
    assert "letters" not in done
    assert one.desk.opened == 0


def test_a_round_is_due_again_when_it_says(life: Life, one: Machine) -> None:
    often: list[int] = []
    work = counted(often)

    for later in (0, MINUTE, HOUR - 1, HOUR, HOUR + 1):
        one.attend(work, later=later)

    assert len(often) == 2
    assert standing(life.db, "counted").said == "done"


def test_with_stripe_away_events_wait_and_are_seldom_tried(life: Life, one: Machine) -> None:
    life.join()
    life.deliver()
    desk.fail_next(life.db, "timeout", times=999)

    tries = [later for later in range(0, 120 * SECOND, SECOND) if _tried(one, later)]
    waits = waiting(life.db)
    desk.mend(life.db)
    life.wait(1)
    done = one.attend(rounds.EVENTS, later=HOUR)

    assert waits > 0
    assert 0 < len(tries) <= 6
    assert (done, waiting(life.db)) == (["events"], 0)


def _tried(one: Machine, later: int) -> bool:
    before = standing_or_none(one, "events")
    one.attend(rounds.EVENTS, later=later)
    after = standing_or_none(one, "events")
    return after is not None and (before is None or after.failures != before.failures)


def standing_or_none(one: Machine, name: str) -> store.Standing | None:
    with one.life.db.read() as connection:
        return store.rounds(connection).get(name)


def test_what_failed_comes_again_later_each_time_and_then_as_always(
    life: Life, one: Machine
) -> None:
    tried: list[int] = []
    failing, well = counted(tried, fails=True), counted(tried)

    waits: list[int] = []
    for _ in range(3):
        now = standing(life.db, "counted").due_at - life.start if waits else 0
        one.attend(failing, later=now)
        waits.append(standing(life.db, "counted").due_at - life.start - now)
    said = standing(life.db, "counted")
    one.attend(well, later=said.due_at - life.start)

    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert (said.failures, said.said, said.done_at) == (3, "Stripe is away", None)
    assert standing(life.db, "counted").failures == 0


def test_two_machines_do_a_round_once(life: Life) -> None:
    often: list[int] = []
    first, second = machine(life), machine(life)
    inside, go_on = threading.Event(), threading.Event()

    def do(_: Duty) -> str:
        often.append(1)
        inside.set()
        assert go_on.wait(10)
        return ""

    work = Round("counted", do, lambda _, now: now + HOUR, lambda _, now: now)
    thread = threading.Thread(target=first.attend, args=(work,))
    thread.start()
    assert inside.wait(10)

    refused = second.attend(work)
    go_on.set()
    thread.join()

    assert refused == []
    assert second.attend(work) == []
    assert (often, first.done) == ([1], ["counted"])


def test_when_a_machine_dies_another_goes_on(life: Life) -> None:
    often: list[int] = []
    work = counted(often)
    first, second = machine(life), machine(life)

    class Dies(BaseException):
        pass

    def die(_: Duty) -> str:
        raise Dies

    with pytest.raises(Dies):
        first.attend(replace(work, do=die))
    early = second.attend(work, later=rounds.LEASE - 1)
    late = second.attend(work, later=rounds.LEASE + 1)

    assert (early, late) == ([], ["counted"])


def test_one_that_takes_long_stays_its_own(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LEASE", 60)  # ms: it says every 20 that it lives
    first, second = machine(life), machine(life)
    seen: list[int] = []

    def long(_: Duty) -> str:
        before = standing(life.db, "long").held_until
        until(lambda: standing(life.db, "long").held_until > before + 40, "a sign of life")
        seen.extend([len(second.attend(work))])
        return ""

    work = Round("long", long, lambda _, now: now + HOUR, lambda _, now: now)

    assert first.attend(work) == ["long"]
    assert seen == [0]


def test_many_machines_at_once_do_each_round_once(life: Life, configured: Settings) -> None:
    life.join()
    life.deliver()
    often: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    work = [counted(what, name=name) for name, what in often.items()]
    ready = threading.Barrier(6)

    def live(db: Database) -> None:
        own = replace(life, db=db)
        here = machine(own)
        ready.wait(10)
        here.attend(*work)
        for later in range(5):
            here.attend(rounds.EVENTS, rounds.LETTERS, later=MINUTE + later)

    dbs = [database.open(configured.database) for _ in range(6)]
    threads = [threading.Thread(target=live, args=(db,)) for db in dbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for db in dbs:
        db.close()

    assert often == {"a": [1], "b": [1], "c": [1]}
    assert [letter.about for letter in written(life.db)] == ["joined", "joined"]


def test_a_clock_that_was_set_back_holds_nobody_up_for_ever(life: Life, one: Machine) -> None:
    work = counted([])
    one.attend(work)
    with life.db.write() as tx:
        tx.run(
            "UPDATE rounds SET holder = 'gone', held_until = :until, due_at = 0",
            until=life.start + DAY,
        )

    assert one.attend(work) == ["counted"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_everything_is_compared_at_night_where_the_writer_lives(
    configured: Settings, zone: str
) -> None:
    there = replace(configured, publication=replace(configured.publication, zone=zone))

    nights = [NOW]
    for _ in range(400):
        nights.append(rounds.night(there, nights[-1]))

    here = [clock.moment(at, zone) for at in nights[1:]]
    assert {when.hour for when in here} == {3}
    assert len({when.date() for when in here}) == 400


def test_a_site_that_nobody_paid_on_opens_no_till(life: Life, one: Machine) -> None:
    one.attend(rounds.SWEEP, rounds.SYNC, later=2 * DAY)
    one.attend(rounds.SWEEP, rounds.SYNC, later=4 * DAY)

    assert one.desk.opened == 0
    assert standing(life.db, "sync").done_at == life.start + 4 * DAY


def test_the_sweep_finds_what_never_arrived(life: Life, one: Machine) -> None:
    life.visit("supporter")  # so that somebody was there
    life.join()
    life.deliver(drop=99)

    one.attend(rounds.SWEEP, rounds.LETTERS)

    assert [letter.about for letter in written(life.db)] == ["joined", "joined"]
    assert "followed" in standing(life.db, "sweep").said


def test_the_night_keeps_what_it_found_to_differ(life: Life, one: Machine) -> None:
    life.join()
    one.attend(rounds.SYNC)

    one.attend(rounds.SYNC, later=2 * DAY)

    assert "was not known" in standing(life.db, "sync").said
    one.attend(rounds.SYNC, later=4 * DAY)
    assert standing(life.db, "sync").said == ""


def test_old_events_are_emptied(life: Life, one: Machine) -> None:
    life.join()
    life.hear()
    desk.advance(life.db, life.settings, 40 * DAY // SECOND, now=life.start)

    one.attend(rounds.TIDY)

    with life.db.read() as connection:
        kept = connection.value("SELECT count(*) FROM webhook_events WHERE body IS NOT NULL")
    assert kept == 0


@pytest.fixture
def running(life: Life) -> Iterator[Machine]:
    """A machine with its threads."""
    here = machine(life)
    here.attendant.start()
    yield here
    here.attendant.close()


def test_a_payment_is_known_and_thanked_for_within_moments(life: Life, running: Machine) -> None:
    life.join()
    life.deliver()

    until(lambda: len(written(life.db)) == 2, "both letters")


def test_letters_do_not_wait_for_stripe(life: Life, running: Machine) -> None:
    before = len(written(life.db))
    running.desk.answers.clear()
    life.join("tip", amount="5")
    life.deliver()
    until(lambda: running.desk.opened > 0, "somebody who waits for Stripe")

    complimentary.comp(life.db, life.somebody.id, until=life.now + 1, now=life.now)
    letters.look(life.db, life.settings, at=life.now + HOUR, now=life.now + HOUR)

    until(lambda: len(written(life.db)) > before, "a letter")
    running.desk.answers.set()


def test_it_stops_while_stripe_says_nothing(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PARTING_SECONDS", 0.1)
    here = machine(life)
    asked, go_on = threading.Event(), threading.Event()

    def silent(*_: Any, **__: Any) -> int:
        asked.set()
        go_on.wait(20)
        return 0

    monkeypatch.setattr(webhooks, "work", silent)
    life.join()
    life.deliver()
    here.attendant.start()
    assert asked.wait(10)

    here.attendant.close()
    go_on.set()

    assert waiting(life.db) > 0
    threads = here.attendant._threads
    until(lambda: not any(thread.is_alive() for thread in threads), "the end of the threads")
    monkeypatch.undo()
    assert machine(life).attend(rounds.EVENTS, later=2 * rounds.LEASE) == ["events"]


def test_a_database_that_is_away_is_waited_for(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine(life)
    away = threading.Event()
    real = store.rounds

    def gone(connection: Any) -> Any:
        if not away.is_set():
            away.set()
            raise DatabaseUnavailable("The database is away.")
        return real(connection)

    monkeypatch.setattr(store, "rounds", gone)
    life.join()
    life.deliver()
    here.attendant.start()

    until(lambda: written(life.db), "a letter")
    here.attendant.close()


def test_where_nothing_costs_anything_nothing_runs(life: Life) -> None:
    life.settings = replace(life.settings, tiers=(TierSettings("free", name="Free"),))
    here = machine(life)

    here.attendant.start()

    assert here.attendant._threads == []
    here.attendant.close()


def test_a_failing_sync_does_not_keep_events_waiting(
    life: Life, one: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("id")

    monkeypatch.setattr(sweep, "sync", broken)
    life.join()
    life.deliver()
    one.attend()

    done = one.attend(later=2 * DAY)

    assert "sync" not in done
    assert waiting(life.db) == 0
    assert standing(life.db, "sync").said == "KeyError"
