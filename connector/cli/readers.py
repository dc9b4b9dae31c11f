"""The list, from the terminal: add, import, list, export, erase."""

import contextlib
import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, settings_here
from connector.errors import ConnectorError, NotFound, Refused

if TYPE_CHECKING:
    from connector.database import Database
    from connector.readers.subscriber import Subscriber


@click.group()
def readers() -> None:
    """Who is on the list."""


@readers.command()
@click.argument("address")
@click.option("--name", default="", help="What to call them.")
def add(address: str, name: str) -> None:
    """Put ADDRESS on the list. Only for people who asked you to."""
    from connector.readers import signup

    settings = settings_here()
    with opened(settings) as db:
        found = signup.add(db, settings, email=address, name=name, now=clock.now())
        click.echo(f"{found.email} is on the list.")


@readers.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def bring(file: Path) -> None:
    """Take everyone in a CSV FILE onto the list: from Substack, Ghost, Mailchimp or your own.

    People who are known stay as they are; rows that cannot be taken go, with the reason,
    into a file beside it. Only for people who asked to hear from you.
    """
    from connector.membership import bringing

    settings = settings_here()
    with opened(settings) as db, console.progress("rows") as bar:
        task = bar.add_task("Importing", total=None)

        def show(rows: int, done: int, size: int) -> None:
            # Bytes tell how far we are; the rows to come are a guess from those behind us.
            bar.update(task, completed=rows, total=round(rows * size / done) if done else None)

        report = bringing.bring(db, settings, file, now=clock.now(), progress=show)
        bar.stop()
        click.echo(str(report))
    if not report.is_whole:
        raise click.exceptions.Exit(130)


@readers.command("list")
@click.argument("text", default="")
@click.option(
    "--state", type=click.Choice(["pending", "active", "unsubscribed"]), help="Only these."
)
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
def show(text: str, state: Any, limit: int) -> None:
    """Show who is on the list, newest first; with TEXT, those whose address or name has it."""
    from connector.readers import listing

    settings = settings_here()
    with opened(settings) as db:
        counts = listing.counts(db)
        found = listing.find(db, state=state, text=text, limit=limit)
    if found:
        console.show_table(
            ("Address", "Name", "State", "Since"),
            [
                (
                    one.email,
                    one.name,
                    one.state,
                    console.date(one.created_at, settings.publication.zone),
                )
                for one in found
            ],
        )
    elif text or state:
        click.echo("Nobody like that is on the list.")
    click.echo(
        f"{console.counted(counts['active'], 'reader')} on the list, "
        f"{counts['pending']:,} yet to confirm, {counts['unsubscribed']:,} unsubscribed."
    )


@readers.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def export(file: Path | None) -> None:
    """Write the whole list as CSV, to FILE or to the terminal."""
    from connector.readers import importing

    with opened(settings_here()) as db:
        rows = importing.export_rows(db, now=clock.now())
        if file is None:
            console.show_csv(rows)
        else:
            _write(file, rows)
            click.echo(f"Saved {file}. It holds addresses: keep it safe.")


@readers.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(address: str, *, yes: bool) -> None:
    """Erase everything kept about ADDRESS. It cannot be undone.

    What they pay for ends first; when it cannot be ended now, nothing is erased.
    """
    from connector.membership import own_data
    from connector.till.opening import Payments

    settings = settings_here()
    with opened(settings) as db:
        found = find(db, address)
        console.agree(f"Erase everything about {found.email}?", yes=yes)
        own_data.erase(db, settings, Payments(settings, db), found.id, now=clock.now())
    click.echo("Erased. An import will not bring them back; they can sign up again themselves.")


def find(db: "Database", address: str) -> "Subscriber":
    """Whoever is on the list with an address; raises NotFound, InvalidAddress."""
    from connector.readers import listing

    found = listing.by_email(db, address)
    if found is None:
        raise NotFound(f"{address} is not on the list.")
    return found


def _write(file: Path, rows: Iterable[Iterable[str]]) -> None:
    if file.exists():
        raise Refused(f"{file} exists already. Name another file, so that nothing is lost.")
    draft = file.with_name(f"{file.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows(rows)
        draft.rename(file)
    except OSError as error:
        raise ConnectorError(f"{file}: {error.strerror}. Nothing was saved.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
