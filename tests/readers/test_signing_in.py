"""A letter signs in once, however many try at once; what is kept of it opens nothing."""

import re
from concurrent.futures import ThreadPoolExecutor

import jinja2
import pytest

from connector.clock import DAY
from connector.database import Database
from connector.errors import ConnectorError, ExpiredLink, InvalidLink, Refused
from connector.readers import links, sessions, signin, store
from connector.readers.signin import Entry
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Visitor

AT_ONCE = 8


@pytest.fixture
def asked(
    db: Database, configured: Settings, environment: jinja2.Environment, people: People, now: int
) -> str:
    """Ada's browser has asked for a letter."""
    return signin.ask(
        db,
        configured,
        environment,
        email="Ada@Example.org",
        goes_to="/about",
        client="192.0.2.7",
        now=now,
    )


def token(visitor: Visitor) -> str:
    found = re.search(r"/signin/(\S+)", visitor.letters("ada@example.org")[-1].text)
    assert found
    return found[1]


def code(visitor: Visitor) -> str:
    found = re.search(r"^\d{6}$", visitor.letters("ada@example.org")[-1].text, re.MULTILINE)
    assert found
    return found[0]


def test_the_one_who_reads_the_letter_comes_in_and_goes_on(
    db: Database, configured: Settings, people: People, visitor: Visitor, asked: str, *, now: int
) -> None:
    entry = signin.by_link(db, configured, token(visitor), now=now)

    assert entry == Entry(people.ada, "/about")


def test_of_many_clicks_at_once_one_signs_in(
    db: Database, configured: Settings, visitor: Visitor, asked: str, now: int
) -> None:
    link = token(visitor)

    def click(_: int) -> bool:
        try:
            signin.by_link(db, configured, link, now=now)
        except ExpiredLink:
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        entered = list(pool.map(click, range(AT_ONCE)))

    assert sum(entered) == 1


def test_guesses_at_once_are_counted_one_by_one(
    db: Database, configured: Settings, visitor: Visitor, asked: str, now: int
) -> None:
    wrong = f"{(int(code(visitor)) + 1) % 1_000_000:06}"

    def guess(_: int) -> type[ConnectorError]:
        try:
            signin.by_code(db, configured, asked, wrong, now=now)
        except (Refused, InvalidLink) as error:
            return type(error)
        raise AssertionError("a wrong code signed somebody in")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(guess, range(AT_ONCE)))

    assert answers.count(Refused) == signin.GUESSES - 1
    with pytest.raises(ExpiredLink):
        signin.by_code(db, configured, asked, code(visitor), now=now)


def test_a_link_made_for_something_else_signs_nobody_in(
    db: Database, configured: Settings, asked: str, now: int
) -> None:
    others = [
        asked,
        links.confirm(configured, 1, now=now).rpartition("/")[2],
        links.move(configured, 1, side="new", now=now).rpartition("/")[2],
        configured.keys.sign("preferences", "1"),
    ]

    for other in others:
        with pytest.raises(InvalidLink):
            signin.by_link(db, configured, other, now=now)


def test_codes_are_not_one_after_another(
    db: Database,
    configured: Settings,
    environment: jinja2.Environment,
    people: People,
    visitor: Visitor,
    *,
    now: int,
) -> None:
    for _ in range(configured.limits.signins_per_address):
        signin.ask(
            db, configured, environment, email="ada@example.org", goes_to="", client="", now=now
        )

    codes = {
        found[0]
        for letter in visitor.letters("ada@example.org")
        if (found := re.search(r"^\d{6}$", letter.text, re.MULTILINE))
    }

    assert len(codes) > configured.limits.signins_per_address // 2


def test_askings_are_forgotten_after_a_day(
    db: Database, configured: Settings, environment: jinja2.Environment, asked: str, now: int
) -> None:
    later = now + DAY + 1

    signin.ask(
        db, configured, environment, email="eva@example.org", goes_to="", client="", now=later
    )

    with db.read() as connection:
        assert connection.rows("SELECT at FROM signins") == [(later,)]


def test_a_visit_writes_once_a_day_at_most(db: Database, people: People, now: int) -> None:
    word = sessions.begin(db, people.ada.id, now=now)

    ends = []
    for later in (0, DAY - 1, DAY + 1, DAY + 2):
        assert sessions.find(db, word, now=now + later) == people.ada
        with db.read() as connection:
            ends.append(store.sessions_of(connection, people.ada.id)[0].ends_at)

    assert ends == [now + sessions.LASTS] * 2 + [now + DAY + 1 + sessions.LASTS] * 2


def test_a_session_that_ended_is_forgotten_when_another_begins(
    db: Database, people: People, now: int
) -> None:
    sessions.begin(db, people.ada.id, now=now)
    later = now + sessions.LASTS

    sessions.begin(db, people.bea.id, now=later)

    with db.read() as connection:
        assert store.sessions_of(connection, people.ada.id) == []
