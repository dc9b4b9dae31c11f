"""Several relays: each has its share, a broken one is left alone, and one at a time looks in on it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger
from connector.delivery.relays import Concurrency, Round

WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 100), min_size=1)


@given(WEIGHTS.filter(lambda weights: any(weights.values())))
def test_each_relay_has_exactly_its_share(weights: dict[str, int]) -> None:
    relays = Round(weights)

    chosen = Counter(relays.choose() for _ in range(sum(weights.values())))

    assert chosen == Counter({name: weight for name, weight in weights.items() if weight})


def test_shares_are_mixed_evenly() -> None:
    relays = Round({"a": 3, "b": 1})

    assert [relays.choose() for _ in range(8)] == list("aabaaaba")


def test_one_without_weight_stands_by_until_all_others_are_broken() -> None:
    relays = Round({"a": 1, "b": 1, "spare": 0})

    assert {relays.choose(broken={"a"}) for _ in range(4)} == {"b"}
    assert relays.choose(broken={"a", "b"}) == "spare"
    assert relays.choose(full={"a", "b"}) is None


def test_a_turn_that_found_no_room_comes_again_first() -> None:
    relays = Round({"a": 3, "b": 1})
    relays.owe("b")

    assert relays.choose(full={"b"}) == "a"
    assert relays.choose() == "b"
    assert relays.owed == ""


@given(WEIGHTS, st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_a_broken_or_full_relay_is_never_chosen(
    weights: dict[str, int], broken: set[str], full: set[str]
) -> None:
    chosen = Round(weights).choose(broken=broken, full=full)

    assert chosen is None or chosen in weights.keys() - broken - full


def test_what_is_broken_loses_nothing_to_the_others_for_good() -> None:
    relays = Round({"a": 1, "b": 1})
    for _ in range(100):
        relays.choose(broken={"a"})

    chosen = Counter(relays.choose() for _ in range(20))

    assert chosen == {"a": 10, "b": 10}


# How many connections


def test_a_refused_connection_halves_them_and_many_at_once_are_one(now: int) -> None:
    connections = Concurrency(8)

    for _ in range(5):
        connections.refused(now=now)
    connections.refused(now=now + 500)
    at_once = connections.limit
    connections.refused(now=now + SECOND)

    assert (at_once, connections.limit) == (4, 2)


def test_there_is_always_one(now: int) -> None:
    connections = Concurrency(3)

    for second in range(10):
        connections.refused(now=now + second * SECOND)

    assert connections.limit == 1


def test_letters_that_are_taken_bring_them_back_one_by_one(now: int) -> None:
    connections = Concurrency(4, patience=10)
    connections.refused(now=now)

    limits = []
    for _ in range(100):
        connections.worked()
        limits.append(connections.limit)

    assert limits[18:20] == [2, 3]
    assert limits[48:50] == [3, 4]
    assert limits[-1] == 4


# Broken ones, as all senders see them


def test_every_sender_learns_of_a_broken_relay(db: Database, now: int) -> None:
    retry = ledger.relay_broke(db, "second", why="It does not answer.", now=now)

    assert ledger.broken_relays(db) == {"second": retry}
    assert retry == now + SECOND


def test_many_failures_at_one_moment_are_one(db: Database, now: int) -> None:
    first = ledger.relay_broke(db, "second", why="It does not answer.", now=now)

    again = [ledger.relay_broke(db, "second", why="No.", now=now + 100) for _ in range(5)]

    assert again == [first] * 5


def test_a_whole_relay_needs_no_look(db: Database, now: int) -> None:
    assert ledger.probe(db, "second", now=now)
    assert ledger.probe(db, "second", now=now)


def test_one_sender_at_a_time_looks_in_on_a_broken_relay(db: Database, now: int) -> None:
    retry = ledger.relay_broke(db, "second", why="It does not answer.", now=now)

    assert not ledger.probe(db, "second", now=now)
    assert ledger.probe(db, "second", now=retry)
    assert not ledger.probe(db, "second", now=retry)
    assert ledger.broken_relays(db) == {"second": retry + ledger.PROBE}


def test_a_look_that_never_came_back_is_followed_by_another(db: Database, now: int) -> None:
    retry = ledger.relay_broke(db, "second", why="It does not answer.", now=now)
    ledger.probe(db, "second", now=retry)

    assert ledger.probe(db, "second", now=retry + ledger.PROBE)


def test_each_look_in_vain_doubles_the_wait_up_to_a_minute(db: Database, now: int) -> None:
    waits = []
    for _ in range(9):
        retry = ledger.relay_broke(db, "second", why="No.", is_probe=True, now=now)
        waits.append((retry - now) // SECOND)
        now = retry

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_look_that_goes_well_opens_it_to_all(db: Database, now: int) -> None:
    retry = ledger.relay_broke(db, "second", why="It does not answer.", now=now)
    ledger.probe(db, "second", now=retry)

    ledger.relay_works(db, "second")

    assert ledger.broken_relays(db) == {}
    assert ledger.probe(db, "second", now=retry)
