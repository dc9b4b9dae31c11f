"""A relay as one sender knows it: what its answers teach, and what all senders share."""

import pytest

from connector.clock import MINUTE, SECOND
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.outage import Outage
from connector.delivery.outcome import Outcome, judge
from connector.delivery.route import PATIENCE, WAY, Route
from connector.delivery.smtp import Relay
from connector.delivery.steady import Steady
from connector.errors import RelayBusy, RelayUnavailable
from tests.fakes.clock import Clock

SENT = Outcome("sent", "250 2.0.0 Ok", 250, "", "content")
AWAY = RelayUnavailable("It does not answer.")
BUSY = RelayBusy("421 Too many connections.")
PLACES = ("a", "b", "c", "d")


def route(db: Database) -> Route:
    steady = Steady(lambda: 0.0)
    return Route(
        db,
        Relay("127.0.0.1", 25, "none"),
        name="first",
        connections=len(PLACES),
        steady=steady,
        outage=Outage(steady),
    )


@pytest.fixture
def first(db: Database, turning: Clock) -> Route:
    return route(db)


def test_a_relay_that_fails_is_left_alone_and_then_tried_over_one_connection(
    first: Route, turning: Clock
) -> None:
    first.failed(AWAY)
    alone = first.usable(PLACES, "issue")
    turning.turn(2 * SECOND)

    assert alone == ()
    assert first.usable(PLACES, "issue") == ("a",)


def test_a_letter_that_goes_through_tells_every_sender(first: Route, db: Database) -> None:
    first.failed(AWAY)
    broken = ledger.broken_relays(db)

    first.watch(SENT)

    assert set(broken) == {"first"}
    assert ledger.broken_relays(db) == {}
    assert first.usable(PLACES, "issue") == PLACES


def test_what_others_found_broken_works_again_when_a_letter_of_ours_goes_through(
    first: Route, db: Database, turning: Clock
) -> None:
    first.watch(SENT)
    ledger.relay_broke(db, "first", why="It does not answer.", now=turning.now())
    first.look(ledger.broken_relays(db))

    first.watch(SENT)

    assert ledger.broken_relays(db) == {}


def test_one_sender_at_a_time_tries(first: Route, db: Database, turning: Clock) -> None:
    second = route(db)
    first.failed(AWAY)
    turning.turn(2 * SECOND)
    for one in (first, second):
        one.look(ledger.broken_relays(db))

    assert [first.may_try(), second.may_try()] == [True, False]
    assert second.is_broken


def test_a_connection_too_many_leaves_a_mailing_those_it_has(first: Route, db: Database) -> None:
    first.opened("issue")
    first.opened("issue")

    first.failed(BUSY, "issue")

    assert first.usable(PLACES, "issue") == ("a", "b")
    assert ledger.broken_relays(db) == {}


def test_one_that_turns_everybody_away_is_called_again_after_a_second_and_broken_in_the_end(
    first: Route, db: Database, turning: Clock
) -> None:
    first.failed(BUSY, "issue")
    at_once = first.usable(PLACES, "issue")
    limits = []
    for _ in range(2):
        turning.turn(SECOND)
        limits.append(len(first.usable(PLACES, "issue")))
        first.failed(BUSY, "issue")
    assert at_once == ()
    assert limits == [2, 1]
    assert set(ledger.broken_relays(db)) == {"first"}


def test_a_mailing_makes_way_for_a_notice_for_a_moment(first: Route, turning: Clock) -> None:
    for _ in PLACES:
        first.opened("issue")

    first.failed(BUSY, "notice")
    meanwhile = (first.limit, first.usable(PLACES, "notice"), first.is_tight)
    turning.turn(WAY + SECOND)

    assert meanwhile == (3, (), True)
    assert first.usable(PLACES, "issue") == PLACES
    assert first.usable(PLACES[:1], "notice") == ("a",)


def test_the_way_ends_with_the_notice(first: Route, turning: Clock) -> None:
    first.opened("issue")
    first.failed(BUSY, "notice")
    made = first.limit
    first.closed("issue")
    first.opened("notice")

    first.closed("notice")

    assert made == 0
    assert first.limit == len(PLACES)
    turning.turn(2 * MINUTE)
    assert not first.is_tight


@pytest.mark.parametrize(
    ("reply", "limit"),
    [("4.7.0 Too many connections", 2), ("4.7.0 Too many letters in this session", 4)],
)
def test_a_goodbye_is_about_connections_unless_it_wants_a_new_one(
    first: Route, reply: str, limit: int
) -> None:
    first.watch(judge(421, reply, stage="mail"))

    assert first.limit == limit


def test_one_that_has_no_room_is_worth_waiting_for_only_so_long(
    first: Route, turning: Clock
) -> None:
    waits = [first.is_worth_waiting()]
    turning.turn(PATIENCE)
    waits.append(first.is_worth_waiting())
    first.has_room()
    waits.append(first.is_worth_waiting())
    first.failed(AWAY)
    waits.append(first.is_worth_waiting())

    assert waits == [True, False, True, False]
