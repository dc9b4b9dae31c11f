"""The Tray: a relay of our own, from which every letter can be read and none gets out."""

import asyncio

import pytest

from connector import database
from connector.database import Database
from connector.delivery import smtp, store, tray
from connector.delivery.kept import packed
from connector.delivery.letter import Letter
from connector.delivery.mime import Template, envelope_sender
from connector.delivery.outcome import Outcome
from connector.delivery.tray import Tray
from connector.settings import Settings
from tests.conftest import NOW

LETTER = Letter(
    subject="Bänke am Hafen",
    sender="ines@letters.example.org",
    sender_name="Ines Marlow",
    reply_to="",
    text="Dear [[name]],\n\n.dots and “quotes”.\n",
    html="<p>Dear [[name]],</p>\n<p>.dots and “quotes”.</p>\n",
)


@pytest.fixture
def template(configured: Settings) -> Template:
    return Template(LETTER, configured, mailing=1, kind="issue", date=NOW)


def post(
    db: Database, settings: Settings, template: Template, *people: str, lines: int = 1
) -> list[Outcome]:
    """One letter to each of `people`, over `lines` connections at once."""

    async def go() -> list[Outcome]:
        async with Tray(db) as relay:

            async def converse(mine: list[tuple[int, str]]) -> list[Outcome]:
                line = await smtp.connect(relay)
                said = [
                    await line.send(
                        sender=envelope_sender(settings, delivery),
                        recipient=address,
                        message=template.message(
                            delivery=delivery, recipient=delivery, address=address, name="Ada"
                        ),
                    )
                    for delivery, address in mine
                ]
                await line.quit()
                return said

            numbered = list(enumerate(people, start=1))
            said = await asyncio.gather(*(converse(numbered[at::lines]) for at in range(lines)))
            return [outcome for some in said for outcome in some]

    return asyncio.run(go())


def test_a_letter_is_kept_and_can_be_read(
    db: Database, configured: Settings, template: Template
) -> None:
    (outcome,) = post(db, configured, template, "ada@example.org")

    with db.read() as connection:
        (entry,) = tray.messages(connection, limit=10)
        found = tray.message(connection, entry.id)
    assert outcome.kind == "sent"
    assert (entry.recipient, entry.subject) == ("ada@example.org", "Bänke am Hafen")
    assert found is not None
    assert found.sender == "Ines Marlow <ines@letters.example.org>"
    assert found.to == "Ada <ada@example.org>"
    assert found.envelope_sender == envelope_sender(configured, 1)
    assert found.text == "Dear Ada,\n\n.dots and “quotes”.\n"
    assert found.html == "<p>Dear Ada,</p>\n<p>.dots and “quotes”.</p>\n"
    assert ("List-Post", "NO") in found.headers


def test_it_keeps_every_byte(db: Database, configured: Settings, template: Template) -> None:
    post(db, configured, template, "ada@example.org")

    with db.read() as connection:
        found = tray.message(connection, 1)
    assert found is not None
    assert found.raw == template.message(
        delivery=1, recipient=1, address="ada@example.org", name="Ada"
    )


def test_many_lines_at_once_lose_nothing(
    db: Database, configured: Settings, template: Template
) -> None:
    people = [f"reader{number}@example.org" for number in range(60)]

    outcomes = post(db, configured, template, *people, lines=6)

    with db.read() as connection:
        kept = {entry.recipient for entry in tray.messages(connection, limit=100)}
    assert {outcome.kind for outcome in outcomes} == {"sent"}
    assert kept == set(people)


def test_the_list_continues_where_it_stopped(
    db: Database, configured: Settings, template: Template
) -> None:
    post(db, configured, template, *(f"reader{number}@example.org" for number in range(5)))

    with db.read() as connection:
        first = tray.messages(connection, limit=2)
        rest = tray.messages(connection, limit=9, before=first[-1].id)
    assert [entry.id for entry in first + rest] == [5, 4, 3, 2, 1]


def test_only_the_newest_are_kept(db: Database) -> None:
    row = {"received_at": NOW, "sender": "", "recipient": "", "recipient_key": "", "subject": ""}
    with db.write() as tx:
        store.keep_in_tray(tx, [row | {"raw": packed(b"")} for _ in range(7)])

        forgotten = store.trim_tray(tx, keep=3)

    with db.read() as connection:
        kept = [entry.id for entry in tray.messages(connection, limit=9)]
    assert (forgotten, kept) == (4, [7, 6, 5])


def test_a_letter_that_is_gone_is_none(db: Database) -> None:
    with db.read() as connection:
        assert tray.message(connection, 1) is None


def test_somebody_is_forgotten_whatever_the_case_or_script_of_their_address(
    db: Database, configured: Settings, template: Template
) -> None:
    post(db, configured, template, "Ada@Example.org", "ada@bücher.example", "bea@example.org")

    with db.write() as tx:
        gone = [
            store.blank_tray(tx, key)
            for key in ("ada@example.org", "ada@bücher.example", "cas@example.org")
        ]

    with db.read() as connection:
        left = [entry.recipient for entry in tray.messages(connection, limit=9)]
    assert (gone, left) == ([1, 1, 0], ["bea@example.org"])


def test_a_letter_that_cannot_be_kept_is_deferred_and_kept_later(
    engine: str, db: Database, configured: Settings, template: Template
) -> None:
    hurried = database.open(configured.database, busy_seconds=0.01)

    with db.write() as tx:  # somebody else holds the database
        if engine == "postgres":
            tx.run("LOCK TABLE tray")
        (deferred,) = post(hurried, configured, template, "ada@example.org")
    (sent,) = post(hurried, configured, template, "ada@example.org")

    hurried.close()
    assert (deferred.kind, deferred.code) == ("deferred", 451)
    assert sent.kind == "sent"


def test_a_broken_table_is_a_deferral_too(
    db: Database, configured: Settings, template: Template
) -> None:
    with db.write() as tx:
        tx.run("ALTER TABLE tray RENAME TO elsewhere")

    (deferred,) = post(db, configured, template, "ada@example.org")

    assert deferred.kind == "deferred"


def test_what_strangers_say_to_it_is_answered_and_harms_nothing(db: Database) -> None:
    async def talk() -> list[str]:
        async with Tray(db) as relay:
            reader, writer = await asyncio.open_connection(relay.host, relay.port)
            writer.write(
                b"HELP\r\nDATA\r\nRCPT TO:<ada@example.org>\r\nMAIL FROM:ines\r\n"
                b"MAIL FROM:<>\r\nMAIL FROM:<twice@example.org>\r\nRCPT TO:<>\r\n"
                b"NOOP\r\nRSET\r\n\xff\xfe\r\nQUIT\r\n"
            )
            said = (await reader.read()).decode().splitlines()
            writer.close()
            return said

    codes = [line[:3] for line in asyncio.run(talk())]

    assert " ".join(codes) == "220 502 503 503 503 250 503 503 250 250 502 221"
    with db.read() as connection:
        assert tray.messages(connection, limit=1) == []
