"""Somebody asks, confirms, reads, leaves, returns and is forgotten: over a relay, and over the Tray."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from connector.database import Database
from connector.delivery import tray
from tests import clusters
from tests.fakes.smtp import FakeRelay
from tests.stories import issue, letters, site
from tests.stories.letters import AtTheRelay, Inbox, InTheTray
from tests.stories.site import Site
from tests.waiting import until

CONFIRM, WELCOME = "Please confirm", "Welcome"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
# RFC 8058, 3.2: either kind of form. A webmail page may say where it is from, too.
CLICKS: dict[str, dict[str, Any]] = {
    "urlencoded": {"data": ONE_CLICK},
    "multipart": {"files": {name: (None, value) for name, value in ONE_CLICK.items()}},
    "webmail": {
        "data": ONE_CLICK,
        "headers": {"Origin": "https://mail.example.net", "Sec-Fetch-Site": "cross-site"},
    },
}


@dataclass(frozen=True)
class Town:
    site: Site
    db: Database
    inbox: Inbox

    def ask(self, address: str) -> letters.Arrived:
        """Fill in the form; the letter that comes of it."""
        answer = self.site.post("/subscribe", email=address, page="/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/subscribe/sent")
        return self.inbox.wait(address, CONFIRM)

    def join(self, address: str) -> letters.Arrived:
        """Ask, and press the button; the welcome."""
        link = self.ask(address).link("confirm")
        assert self.site.post(link).headers["location"] == "/welcome"
        return self.inbox.wait(address, WELCOME)

    def publish(self, name: str) -> None:
        self.site.publish(issue.short(self.site.root, name))

    def state(self, address: str) -> object:
        ((state,),) = self.site.rows(
            "SELECT state FROM subscribers WHERE email_key = :address", address=address
        )
        return state


@pytest.fixture(scope="module", params=["relay", "tray"])
def town(
    engine_of_story: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "tray":
        with (
            clusters.place(engine_of_story) as url,
            site.serving(site.found(folder), database=url) as served,
            served.db() as db,
        ):
            yield Town(served, db, InTheTray(db))
        return
    with (
        FakeRelay().in_thread() as relay,
        clusters.place(engine_of_story) as url,
        site.serving(site.found(folder, relay=relay), database=url) as served,
        served.db() as db,
    ):
        yield Town(served, db, AtTheRelay(relay))


def test_only_pressing_the_button_confirms(town: Town) -> None:
    asked = town.ask("gil@example.org")
    town.site.settled()
    before = town.site.dump()

    page = town.site.get(asked.link("confirm"))

    letters.check_wire(asked.raw, is_issue=False)
    assert "Yes, send it to me" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-robots-tag"] == "noindex"
    assert town.site.dump() == before
    assert town.state("gil@example.org") == "pending"

    for _twice in range(2):
        assert town.site.post(asked.link("confirm")).headers["location"] == "/welcome"

    assert town.state("gil@example.org") == "active"
    letters.check_wire(town.inbox.wait("gil@example.org", WELCOME).raw, is_issue=False)


def test_a_reader_leaves_with_one_click_and_comes_back(town: Town) -> None:
    address = "ada@example.org"
    town.join(address)
    town.publish("first")
    first = town.inbox.wait(address, "first")
    letters.check_wire(first.raw, is_issue=True)

    _click(town, first, data=ONE_CLICK)
    town.publish("second")

    assert town.state(address) == "unsubscribed"
    assert "second" not in town.inbox.subjects(address)

    assert "You are back" in town.site.post(f"{first.one_click}/undo").text
    town.publish("third")

    assert town.inbox.wait(address, "third")
    assert "second" not in town.inbox.subjects(address)


@pytest.mark.parametrize("how", CLICKS)
def test_a_mail_program_posts_and_is_obeyed(town: Town, how: str) -> None:
    address = f"{how}@example.org"
    town.join(address)
    town.publish(f"for-{how}")
    letter = town.inbox.wait(address, f"for-{how}")

    for _twice in range(2):
        _click(town, letter, **CLICKS[how])

    assert town.state(address) == "unsubscribed"
    forged = f"{letter.one_click[:-1]}{'A' if letter.one_click[-1] != 'A' else 'B'}"
    before = town.site.dump()
    assert town.site.ask_for("POST", forged, data=ONE_CLICK).status_code == 404
    assert town.site.dump() == before


def _click(town: Town, letter: letters.Arrived, **values: Any) -> None:
    """As a mail program does it: no cookie, no token, no redirect to follow."""
    answer = town.site.ask_for("POST", letter.one_click, **values)
    assert answer.status_code == 200


def test_preferences_are_the_readers_own(town: Town) -> None:
    own = town.join("eva@example.org").link("preferences")

    town.site.post(f"{own}/name", name="Eva Lind")
    assert 'value="Eva Lind"' in town.site.get(own).text
    town.site.post(f"{own}/pause", months="1")
    assert "Paused until" in town.site.get(own).text
    town.publish("while-away")
    assert "while-away" not in town.inbox.subjects("eva@example.org")

    town.site.post(f"{own}/resume")
    town.publish("back-again")
    letter = town.inbox.wait("eva@example.org", "back-again")
    assert letter.message["To"].addresses[0].display_name == "Eva Lind"

    kept = town.site.get(f"{own}/data").json()
    assert kept["subscriber"]["email"] == "eva@example.org"
    assert kept["subscriber"]["name"] == "Eva Lind"
    assert [one["what"] for one in kept["consents"]] == ["asked", "confirmed"]
    assert [one["about"] for one in kept["letters"]] == ["confirm", "welcome", "back-again"]


def test_nothing_is_left_of_somebody_who_was_erased(town: Town) -> None:
    address = "forget.me@example.org"
    own = town.join(address).link("preferences")
    town.site.post(f"{own}/name", name="Zenobia")
    town.publish("before-erasing")
    leave = town.inbox.wait(address, "before-erasing").one_click
    assert _traces(town, address) > 0
    assert _traces(town, "Zenobia") > 0

    assert "Erase it all" in town.site.get(f"{own}/erase").text
    assert town.site.post(f"{own}/erase").headers["location"] == "/goodbye"

    assert _traces(town, address) == 0
    assert _traces(town, "Zenobia") == 0
    assert town.site.get(own).status_code == 404
    assert "You are off the list" in town.site.get(leave).text
    _click(town, letters.Arrived(b"List-Unsubscribe: <" + leave.encode() + b">\r\n\r\n"))
    town.publish("after-erasing")
    assert _traces(town, address) == 0


def _traces(town: Town, word: str) -> int:
    """In how many rows of the database, opened letters of the Tray included, a word stands."""
    rows = [row for table in town.site.dump().values() for row in table]
    with town.db.read() as connection:
        kept = tray.messages(connection, limit=1000)
        opened = [tray.message(connection, each.id) for each in kept]
    raw = [one.raw.decode() for one in opened if one]
    return sum(word.lower() in text.lower() for text in [*rows, *raw])


def test_fifty_sign_ups_for_one_address_are_three_letters(town: Town) -> None:
    for _ in range(50):
        town.site.post("/subscribe", email="flood@example.org")
    town.site.settled()

    most = town.site.settings.limits.confirmations_per_address
    until(lambda: len(town.inbox.to("flood@example.org")) == most, "the letters", seconds=10)
    assert town.inbox.subjects("flood@example.org") == [f"{CONFIRM}: The Commons Desk"] * most


def test_nobody_learns_from_the_answer_who_is_on_the_list(town: Town) -> None:
    town.join("known@example.org")

    answers = [
        town.site.post("/subscribe", email=email)
        for email in ("known@example.org", "KNOWN@example.org", "unknown@example.org")
    ]

    told = {(one.status_code, one.content, _headers(one)) for one in answers}
    assert len(told) == 1
    until(lambda: len(town.inbox.to("known@example.org")) == 4, "both letters", seconds=10)
    assert all("already" in one for one in town.inbox.subjects("known@example.org")[2:])


def _headers(answer: object) -> str:
    return re.sub(r"'date': '[^']+'", "", repr(vars(answer)["headers"]))
