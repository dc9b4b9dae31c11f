"""A mail to the address in List-Unsubscribe takes its reader off the list, and nobody else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from connector.clock import DAY
from connector.database import Database
from connector.delivery import links
from connector.delivery.mime import Template
from connector.inbound import bounces, store
from connector.inbound.bounce import Received
from connector.readers import preferences
from connector.settings import Inbound, Settings
from tests.conftest import People
from tests.delivery import post
from tests.inbound import returned
from tests.inbound.returned import recorded

Take = Callable[[bytes], Received]


@pytest.fixture
def take(db: Database, configured: Settings, now: int) -> Take:
    """Mail comes in, and readers who ask leave for good."""

    def leave(reader: int, how: str) -> None:
        preferences.unsubscribe(db, configured, reader, how=how, page="", client="", now=now)

    def receive(raw: bytes) -> Received:
        return bounces.receive(
            db,
            configured,
            raw,
            recipient="bounces@letters.example.org",
            source="imap",
            leave=leave,
            now=now,
        )

    return receive


def wish(token: str, lines: str = "") -> bytes:
    return (
        f"From: somebody@example.com\n{lines}Subject: unsubscribe {token}\n"
        "To: bounces@letters.example.org\n\n\n"
    ).encode()


def state(db: Database, reader: int) -> str:
    return preferences.find(db, reader).state


def test_whoever_asks_leaves_with_a_consent_that_says_how(
    db: Database, configured: Settings, people: People, take: Take
) -> None:
    received = take(wish(links.token(configured, "unsubscribe", people.ada.id)))

    assert (received.kind, received.effect) == ("unsubscribe", "unsubscribed")
    assert state(db, people.ada.id) == "unsubscribed"
    assert state(db, people.bea.id) == "active"
    *_, consent = preferences.export(db, people.ada.id)["consents"]
    assert (consent["what"], consent["how"]) == ("unsubscribed", "mail")


def test_asking_twice_is_harmless(
    db: Database, configured: Settings, people: People, take: Take
) -> None:
    token = links.token(configured, "unsubscribe", people.ada.id)
    take(wish(token))
    before = preferences.export(db, people.ada.id)["consents"]

    assert take(wish(token, "Message-ID: <2@example.com>\n")).effect == "unsubscribed"
    assert preferences.export(db, people.ada.id)["consents"] == before


def test_a_mail_program_that_says_it_is_one_is_heard(
    db: Database, configured: Settings, people: People, take: Take
) -> None:
    token = links.token(configured, "unsubscribe", people.ada.id)

    take(wish(token, "Auto-Submitted: auto-generated\nPrecedence: bulk\n"))

    assert state(db, people.ada.id) == "unsubscribed"


def test_the_same_mail_told_again_does_not_send_away_whoever_came_back(
    db: Database, configured: Settings, people: People, take: Take, now: int
) -> None:
    message = wish(links.token(configured, "unsubscribe", people.ada.id))
    take(message)
    preferences.resubscribe(
        db, configured, people.ada.id, how="link", page="", client="", now=now + DAY
    )

    assert take(message).effect == "repeated"
    assert state(db, people.ada.id) == "active"


@pytest.mark.parametrize("lines", ["", "Auto-Submitted: auto-generated\n", "Precedence: bulk\n"])
@pytest.mark.parametrize("token", ["", "7.AAAAAAAAAAAAAAAAAAAAAA", "99999999999999999999.AA", "me"])
def test_a_wish_that_proves_nothing_is_kept_and_shown(
    db: Database, people: People, take: Take, token: str, lines: str
) -> None:
    received = take(wish(token, lines))

    assert received.effect == "kept"
    assert [state(db, one.id) for one in (people.ada, people.bea)] == ["active", "active"]
    with db.read() as connection:
        [kept] = store.kept(connection, limit=9)
    assert kept.detail == f"unsubscribe {token}".strip()


def test_a_link_of_another_kind_is_no_proof(
    db: Database, configured: Settings, people: People, take: Take
) -> None:
    assert take(wish(links.token(configured, "preferences", people.ada.id))).effect == "kept"
    assert state(db, people.ada.id) == "active"


def test_a_bounce_of_such_a_mail_is_a_bounce(
    db: Database, configured: Settings, people: People, take: Take, now: int
) -> None:
    sent = returned.letter(db, configured, now=now)
    token = links.token(configured, "unsubscribe", people.ada.id).encode()
    raw = returned.report(sent).replace(
        b"Subject: Undelivered Mail Returned to Sender", b"Subject: unsubscribe " + token
    )

    assert take(raw).kind == "bounce"
    assert state(db, people.ada.id) == "active"


def test_whoever_is_not_here_any_more_has_left_already(
    db: Database, configured: Settings, people: People, take: Take, now: int
) -> None:
    preferences.erase(db, configured, people.ada.id, now)

    received = take(wish(links.token(configured, "unsubscribe", people.ada.id)))

    assert received.effect == "unsubscribed"
    assert [row.address_key for row in recorded(db)] == [""]


# What letters say


def mailto(settings: Settings, now: int) -> str:
    template = Template(post.LETTER, settings, mailing=1, kind="issue", date=now)
    message = template.message(delivery=1, recipient=7, address="ada@example.org", name="")
    [line] = [line for line in message.decode().splitlines() if line.startswith(" <mailto:")]
    return line.removeprefix(" <mailto:").partition("?")[0]


def test_letters_name_the_writer_until_we_read_the_return_path(
    configured: Settings, now: int
) -> None:
    assert mailto(configured, now) == "ines@letters.example.org"


@pytest.mark.parametrize(
    "inbound",
    [Inbound(imap_host="imap.example.org", user="x", password="x"), Inbound(handed_over=True)],
)
def test_letters_name_the_return_path_once_we_read_it(
    configured: Settings, now: int, inbound: Inbound
) -> None:
    settings = replace(configured, inbound=inbound)
    elsewhere = replace(settings, mail=replace(settings.mail, return_path="back@post.example.net"))

    assert mailto(settings, now) == "bounces@letters.example.org"
    assert mailto(elsewhere, now) == "back@post.example.net"
