"""Second chances, each by a person's word: resend, and what becomes of letters in doubt."""

from typing import TYPE_CHECKING, Literal

import click

from connector import clock
from connector.cli import console
from connector.cli.mailings import MAILING
from connector.cli.publication import opened, settings_here

if TYPE_CHECKING:
    from connector.database import Database
    from connector.delivery.decision import Again, Doubt
    from connector.delivery.decisions import Reopened
    from connector.settings import Settings

# More than a person reads; only a loss of power leaves so many.
SHOWN = 100

What = Literal["resend", "leave", "sent"]

TO = click.option("--to", "address", help="Only the letter to this address.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@MAILING
@click.option("--refused", is_flag=True, help="Those whose letter the relay refused.")
@click.option("--joined-since", is_flag=True, help="Those who joined since the mailing began.")
@TO
@YES
def resend(
    mailing: int, address: str | None, *, refused: bool, joined_since: bool, yes: bool
) -> None:
    """Send a mailing once more, to those who did not get it.

    Nobody who left, paused, or whose mail comes back is written to.
    """
    if joined_since and (refused or address):
        raise click.UsageError("--joined-since goes alone: it is about people not in the mailing.")
    if not (joined_since or refused or address):
        raise click.UsageError("Say to whom: --refused, --joined-since, or --to ADDRESS.")
    settings = settings_here()
    with opened(settings) as db:
        if joined_since:
            _mail_newcomers(db, settings, mailing, yes=yes)
        else:
            _resend(db, settings, mailing, was="refused", key=_key(address), yes=yes)


@click.command()
@MAILING
@click.option("--resend", "what", flag_value="resend", help="Send them once more.")
@click.option("--leave", "what", flag_value="leave", help="Let them be.")
@click.option("--sent", "what", flag_value="sent", help="Count them as sent: the relay has them.")
@TO
@YES
def uncertain(mailing: int, what: What | None, address: str | None, *, yes: bool) -> None:
    """Show the letters of a mailing that may have arrived or not, and settle them.

    Without an option it only shows what is known of each.
    """
    settings = settings_here()
    key = _key(address)
    with opened(settings) as db:
        shown = _show_doubts(db, settings, mailing, key)
        if what == "resend":
            _resend(db, settings, mailing, was="uncertain", key=key, yes=yes)
        elif what:
            _settle(db, mailing, what, key=key, yes=yes)
        elif any(not doubt.is_left for doubt in shown):
            _advise(mailing)


def _key(address: str | None) -> str:
    from connector.delivery.address import parse

    return parse(address).key if address else ""


# Once more


def _resend(
    db: "Database",
    settings: "Settings",
    mailing: int,
    *,
    was: "Reopened",
    key: str,
    yes: bool,
) -> None:
    from connector import sending

    with db.read() as connection:
        found = sending.count_again(connection, mailing, was=was, key=key, now=clock.now())
    if found.queued:
        twice = " Who has it already gets it twice." if was == "uncertain" else ""
        console.agree(f"Send {console.counted(found.queued, 'letter')} again?{twice}", yes=yes)
    again = sending.resend(db, mailing, was=was, key=key, now=clock.now())
    _tell(again, was)
    _see_off(db, settings, mailing)


def _tell(again: "Again", was: str) -> None:
    verb = "goes" if again.queued == 1 else "go"
    click.echo(f"{console.counted(again.queued, 'letter')} {verb} once more.")
    if again.left_out:
        click.echo(
            f"{again.left_out:,} left {was}: those people have left, or paused, "
            "or their mail comes back."
        )


def _mail_newcomers(db: "Database", settings: "Settings", mailing: int, *, yes: bool) -> None:
    from connector import sending

    with db.read() as connection:
        people = sending.count_newcomers(connection, mailing, now=clock.now())
    if people:
        console.agree(f"Send it to {console.counted(people, 'reader')} who joined since?", yes=yes)
    published = sending.mail_newcomers(db, mailing, now=clock.now())
    if published.mailing is not None:
        click.echo(f"They are written to as mailing {published.mailing}.")
        _see_off(db, settings, published.mailing)


def _see_off(db: "Database", settings: "Settings", mailing: int) -> None:
    from connector.cli.attending import Attendant
    from connector.delivery import store

    with db.read() as connection:
        found = store.mailing(connection, mailing)
    if found is not None and found.paused_at is not None:
        click.echo(f"The mailing is paused. Let it go on with: connector resume {mailing}")
        return
    console.follow(db, mailing, attend=Attendant(db, settings).look)


# In doubt


def _settle(
    db: "Database", mailing: int, what: Literal["leave", "sent"], *, key: str, yes: bool
) -> None:
    from connector.delivery import decisions

    verb, question, done = {
        "leave": (decisions.leave, "Let them be?", "left as it is"),
        "sent": (decisions.take_as_sent, "Count them as sent?", "counted as sent, by your word"),
    }[what]
    console.agree(question, yes=yes)
    with db.write(durable=True) as tx:
        moved = verb(tx, mailing, key=key, now=clock.now())
    click.echo(f"{console.counted(moved, 'letter')} {done}.")


def _show_doubts(db: "Database", settings: "Settings", mailing: int, key: str) -> "list[Doubt]":
    from connector.delivery import decisions
    from connector.delivery.address import key_of

    with db.read() as connection:
        found = decisions.doubts(connection, mailing)
    wanted = [doubt for doubt in found if not key or key_of(doubt.address) == key]
    if not found:
        click.echo(f"No letter of mailing {mailing} is uncertain.")
    for doubt in wanted[:SHOWN]:
        _show_doubt(settings, doubt)
    if len(wanted) > SHOWN:
        click.echo(f"… and {len(wanted) - SHOWN:,} more. Look at one with --to ADDRESS.")
    return wanted


def _show_doubt(settings: "Settings", doubt: "Doubt") -> None:
    from connector.delivery import decisions

    since = clock.moment(doubt.since, settings.publication.zone)
    identity = decisions.message_id(
        settings,
        sender=doubt.sender,
        mailing=doubt.mailing_id,
        kind="issue",
        delivery=doubt.delivery_id,
    )
    click.echo(doubt.address or "(erased)")
    click.echo(
        f"  In doubt since {since:%Y-%m-%d %H:%M:%S}, after {console.counted(doubt.attempts, 'try', 'tries')}."
    )
    if doubt.reply:
        click.echo(f"  {doubt.reply}")
    click.echo(f"  Message-ID: {identity}")
    if doubt.is_left:
        click.echo("  You decided to leave it.")


def _advise(mailing: int) -> None:
    click.echo(
        "\nAsk the relay’s log for a Message-ID. Then decide, for all of them or with --to for one:\n"
        f"  connector uncertain {mailing} --sent     the relay has them\n"
        f"  connector uncertain {mailing} --resend   once more; who has it already gets it twice\n"
        f"  connector uncertain {mailing} --leave    let them be"
    )
