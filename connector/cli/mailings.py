"""What is on its way: status, pause, resume, cancel."""

from typing import TYPE_CHECKING

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, settings_here

if TYPE_CHECKING:
    from connector.database import Database
    from connector.delivery.mailing import Mailing, State
    from connector.settings import Settings

MAILING = click.argument("mailing", type=click.IntRange(1, 2**63 - 1))


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every mailing, not only the newest ten.")
@click.option("--watch", "watched", is_flag=True, help="Look again every second, until Ctrl-C.")
def status(*, everything: bool, watched: bool) -> None:
    """Show each mailing: how many letters are in which state, and why."""
    settings = settings_here()
    with opened(settings) as db:
        if watched:
            from connector.cli import watching

            watching.watch(db, settings)
            return
        _show_mailings(db, limit=1_000_000 if everything else 10, zone=settings.publication.zone)
        _show_sender(db, settings)


@click.command()
@MAILING
def pause(mailing: int) -> None:
    """Stop sending a mailing, within a second."""
    from connector.delivery import mailings

    with opened(settings_here()) as db:
        mailings.pause(db, mailing, why="paused by hand", now=clock.now())
        click.echo(f"Mailing {mailing} is paused. Go on with: connector resume {mailing}")


@click.command()
@MAILING
def resume(mailing: int) -> None:
    """Go on with a paused mailing."""
    from connector.delivery import mailings

    with opened(settings_here()) as db:
        mailings.resume(db, mailing, now=clock.now())
        click.echo(f"Mailing {mailing} goes on.")


@click.command()
@MAILING
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(mailing: int, *, yes: bool) -> None:
    """Call a mailing off: letters that have not left will not leave."""
    from connector.delivery import mailings

    console.agree("Letters already sent cannot be called back. Cancel the rest?", yes=yes)
    with opened(settings_here()) as db:
        withdrawn = mailings.cancel(db, mailing, now=clock.now())
        click.echo(
            f"Mailing {mailing} is cancelled; {console.counted(withdrawn, 'letter')} withdrawn."
        )


def _show_mailings(db: "Database", *, limit: int, zone: str) -> None:
    from connector.cli import inbound
    from connector.delivery import mailings, store

    with db.read() as connection:
        found = store.issue_mailings(connection, limit=limit)
        counted = [(mailing, store.counts(connection, mailing)) for mailing in found]
        replies = {
            mailing.id: store.replies(connection, mailing, limit=3)
            for mailing, counts in counted
            if set(counts) - {"sent"}
        }
        doubts = {
            mailing.id: store.count_in_trouble(connection, mailing.id, was="uncertain")
            for mailing, counts in counted
            if counts.get("uncertain")
        }
        returned = {
            mailing.id: list(inbound.came_back(connection, mailing, sent=counts.get("sent", 0)))
            for mailing, counts in counted
        }
    if not found:
        click.echo("Nothing has been mailed yet. Publish an issue with: connector publish FILE")
        return
    console.show_table(
        (
            "Mailing",
            "Issue",
            "Stands",
            "Began",
            "People",
            "Sent",
            "Waiting",
            "Refused",
            "Uncertain",
            "Withdrawn",
        ),
        [
            (
                mailing.id,
                mailing.name,
                mailings.state_of(mailing),
                f"{clock.moment(mailing.starts_at, zone):%Y-%m-%d %H:%M}",
                *_numbers(mailing, counts),
            )
            for mailing, counts in counted
        ],
    )
    for mailing, _ in counted:
        _explain(
            mailing,
            replies.get(mailing.id, []),
            doubts=doubts.get(mailing.id, 0),
            returned=returned[mailing.id],
        )


def _numbers(mailing: "Mailing", counts: "dict[State, int]") -> tuple[str, ...]:
    waiting = counts.get("queued", 0) + counts.get("sending", 0)
    shown = (
        mailing.size,
        counts.get("sent", 0),
        waiting,
        counts.get("refused", 0),
        counts.get("uncertain", 0),
        counts.get("withdrawn", 0),
    )
    return tuple(f"{number:,}" for number in shown)


def _explain(
    mailing: "Mailing",
    replies: list[tuple[str, str, int]],
    *,
    doubts: int,
    returned: list[str],
) -> None:
    lines = [f"{many:,} {state}: {reply}" for state, reply, many in replies]
    if mailing.why:
        lines.insert(0, mailing.why)
    lines += returned
    if doubts:
        lines.append(
            "Uncertain letters may have arrived; they are never sent again by themselves. "
            f"Settle them with: connector uncertain {mailing.id}"
        )
    if lines:
        click.echo(f"\nMailing {mailing.id}, {mailing.name}:")
        for line in lines:
            click.echo(f"  {line}")


def _show_sender(db: "Database", settings: "Settings") -> None:
    from connector.cli import inbound, pacing, paying
    from connector.delivery import ledger, store

    now = clock.now()
    with db.read() as connection:
        # One that is no longer in the settings is nobody's trouble any more.
        known = [store.relay(connection, name) for name in ledger.relay_names(settings)]
        notices = store.waiting_notices(connection)
        waiting = store.is_open(connection, now=now)
        unseen = inbound.unseen(connection)
    click.echo()
    if unseen:
        click.echo(unseen)
    if notices:
        click.echo(f"{console.counted(notices, 'notice')} waiting (confirmations and the like).")
    for line in pacing.standing(db, settings, now=now):
        click.echo(line)
    if payments := paying.standing(db, settings):
        click.echo(payments)
    for relay in filter(None, known):
        retry = clock.moment(relay.retry_at, settings.publication.zone)
        click.echo(f"{relay.why}\n  Next try at {retry:%H:%M:%S}. No letter is lost.")
    if ledger.is_attended(db, now=now):
        click.echo("A sender is running.")
    elif waiting:
        click.echo("Letters are waiting and no sender is running. Start one with: connector serve")
    else:
        click.echo("No sender is running; nothing is waiting.")
