"""Mail that came back, taken in: from a pipe, by LMTP, from a mailbox; and what nobody could read.

It tells a mail server to try again rather than lose a message.
"""

import asyncio
import contextlib
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, settings_here
from connector.cli.running import stop_on_signals
from connector.errors import ConnectorError, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.database import Connection, Database
    from connector.delivery.mailing import Mailing
    from connector.inbound.bounce import Received
    from connector.inbound.bounces import Leave
    from connector.settings import Settings

# sysexits.h: Postfix, Exim and the others keep the message and pipe it again later.
TRY_AGAIN = 75
SHOWN = 50


@click.command()
@click.option("--to", default="", help="Whom the message is for: the address of its envelope.")
@click.option("--lmtp", "place", help="Listen for a mail server, at HOST:PORT or unix:/path.")
@click.option("--imap", is_flag=True, help="Read the mailbox of [inbound] once.")
@click.option("--list", "listing", is_flag=True, help="Show what could not be read.")
@click.option("--show", "number", type=click.IntRange(1), help="Print one of those messages.")
def inbound(to: str, *, place: str | None, imap: bool, listing: bool, number: int | None) -> None:
    """Take in what came back: bounces and complaints.

    Without an option it reads one message from standard input, for the mail server to call.
    Exit code 75 then asks it to try again later.
    """
    if place is not None:
        _listen(place)
    elif imap:
        _read_mailbox()
    elif listing:
        _list()
    elif number is not None:
        _show(number)
    else:
        _take_one(to)


@contextlib.contextmanager
def watching(
    db: "Database", settings: "Settings", *, idle: bool = False
) -> "Iterator[Callable[[int], None]]":
    """A chore that looks into the mailbox of the settings from time to time, if there is one."""
    from connector.inbound.mailbox import Watch

    if idle or not settings.inbound.imap_host:
        yield lambda _now: None
        return
    watch = Watch(settings.inbound, lambda raw: _receive(db, settings, raw, source="imap").effect)
    try:
        yield watch.look
    finally:
        watch.close()


def tidying(db: "Database") -> "Callable[[int], None]":
    """A chore that forgets, once a day, old reports that led to nothing."""
    from connector.inbound.tidying import Broom

    return Broom(db).sweep


def came_back(connection: "Connection", mailing: "Mailing", *, sent: int) -> "Iterator[str]":
    """What is known of a mailing from what came back, a line or two."""
    from connector.inbound import complaints, store

    reported = store.reported(connection, mailing)
    if bounced := reported.get("bounce", 0):
        yield f"{console.counted(bounced, 'letter')} came back."
    rate = complaints.rate_of(connection, mailing, sent=sent)
    # A mailing that stopped by itself says why already.
    if rate.level and complaints.CALLED_SPAM not in mailing.why:
        yield complaints.advice(rate)
    elif rate.complaints and str(rate) not in mailing.why:
        yield f"{rate}."


def unseen(connection: "Connection") -> str:
    """Whether messages wait to be read, in words; empty when none do."""
    from connector.inbound import store

    many = store.count_unseen(connection)
    if not many:
        return ""
    verb = "waits" if many == 1 else "wait"
    return f"{console.counted(many, 'message')} {verb} to be read: connector inbound --list"


def _take_one(to: str) -> None:
    try:
        settings = settings_here()
        raw = _read(sys.stdin.buffer)
        with opened(settings) as db:
            received = _receive(db, settings, raw, to=to, source="pipe")
    except (ConnectorError, OSError) as error:
        click.echo(f"connector: {error}", err=True)
        raise click.exceptions.Exit(TRY_AGAIN) from None
    click.echo(f"{received.kind}: {received.effect}")


def _listen(place: str) -> None:
    from connector.inbound import lmtp

    settings = settings_here()

    async def run(db: "Database") -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        async with lmtp.listening(db, settings, place, leave=_leave(db, settings)) as where:
            click.echo(f"Listening at {where}. Stop with Ctrl-C.")
            await stop.wait()

    with opened(settings) as db:
        asyncio.run(run(db))


def _read_mailbox() -> None:
    from connector.inbound import mailbox

    settings = settings_here()
    if not settings.inbound.imap_host:
        raise Refused("No mailbox is set. Name one in connector.toml: [inbound] imap_host.")
    with opened(settings) as db:
        taken = mailbox.read(
            settings.inbound, lambda raw: _receive(db, settings, raw, source="imap").effect
        )
    words = ", ".join(f"{many:,} {effect}" for effect, many in sorted(taken.items()))
    click.echo(f"Read {console.counted(taken.total(), 'message')}{': ' if words else ''}{words}.")


def _receive(
    db: "Database", settings: "Settings", raw: bytes, *, to: str = "", source: str
) -> "Received":
    from connector.inbound import bounces

    leave = _leave(db, settings)
    return bounces.receive(
        db, settings, raw, recipient=to, source=source, leave=leave, now=clock.now()
    )


def _leave(db: "Database", settings: "Settings") -> "Leave":
    """What is done for a reader who asks by mail."""
    from connector.readers import preferences

    return lambda reader, how: preferences.unsubscribe(
        db, settings, reader, how=how, page="", client="", now=clock.now()
    )


def _read(stream: BinaryIO) -> bytes:
    """The message, or so much of it that it is seen to be too large; the rest is let go."""
    from connector.inbound import report

    raw = stream.read(report.LARGEST + 1)
    while stream.read(1 << 20):
        pass
    return raw


def _list() -> None:
    from connector.inbound import store

    settings = settings_here()
    zone = settings.publication.zone
    with opened(settings) as db:
        with db.read() as connection:
            found = store.kept(connection, limit=SHOWN)
        if found:
            with db.write() as tx:
                store.set_seen(tx, upto=found[0].id, now=clock.now())
    if not found:
        click.echo("Everything that came in could be read.")
        return
    console.show_table(
        ("Message", "Came", "By", "What"),
        [
            (
                one.id,
                f"{clock.moment(one.received_at, zone):%Y-%m-%d %H:%M}",
                one.source,
                one.detail,
            )
            for one in found
        ],
    )
    click.echo("\nRead one with: connector inbound --show MESSAGE")


def _show(number: int) -> None:
    from connector.inbound import store

    with opened(settings_here()) as db, db.read() as connection:
        raw = store.raw(connection, number)
    if raw is None:
        raise NotFound(f"No message {number} is kept. See them with: connector inbound --list")
    click.echo(zlib.decompress(raw).decode("utf-8", "replace"))
