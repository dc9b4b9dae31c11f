"""`move`: takes a publication to another database, and says how that goes and what to do after.

On a terminal a bar shows the pace and the time left; elsewhere it is a line now and then.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import settings_here

if TYPE_CHECKING:
    from connector.database.moving import Stage

LINE_SECONDS = 5  # between lines where there is no bar


@click.command()
@click.option("--to", "url", metavar="URL", required=True, help="The database to move to.")
def move(url: str) -> None:
    """Move everything to another database, such as one on a PostgreSQL server, or back to a file.

    The other one must be empty. Stop `connector serve` and `connector work` first. The old
    database keeps everything and is not used any more. Interrupted, it has changed nothing, and
    can be run again.
    """
    from connector import settings
    from connector.database import moving, opening

    if not url:
        raise click.UsageError("Say where to move, with --to URL.")
    here = settings_here()
    there = settings.load(here.root, {**os.environ, "CONNECTOR_DATABASE": url})
    began = time.monotonic()
    with _showing() as show:
        moved = moving.move(here.database, there.database, now=clock.now(), tell=show)
    if moved:
        console.show_table(
            ("Table", "Rows", "Checksum, here and there"),
            [
                (one.table, f"{one.rows:,}", one.checksum[:16] if one.rows else "")
                for one in sorted(moved)
            ],
        )
        rows, seconds = sum(one.rows for one in moved), time.monotonic() - began
        click.echo(f"Moved {console.counted(rows, 'row')} in {console.span(seconds)}.")
    else:
        click.echo("It had been moved but for the last step. Now it is done.")
    shown = opening.without_password(there.database)
    click.echo("From now on set, wherever you run connector:")
    click.echo(f"  CONNECTOR_DATABASE={shown}")
    if shown != there.database:
        click.echo("Its password is left out here; give it as before, or in ~/.pgpass.")
    click.echo("The old database is as it was, and refuses to be used. Keep it until all is well.")


@contextmanager
def _showing() -> Iterator[Callable[["Stage"], None]]:
    if not sys.stdout.isatty():
        yield _Lines().show
        return
    with console.progress("rows") as bar:
        tasks = {
            what: bar.add_task(what, total=None, start=False) for what in ("Copying", "Comparing")
        }

        def show(stage: "Stage") -> None:
            task = tasks[stage.what]
            if not stage.done:
                bar.start_task(task)
            bar.update(task, completed=stage.done, total=stage.total)

        yield show


class _Lines:
    """How it goes, in a line now and then."""

    def __init__(self) -> None:
        self._what = ""
        self._began = self._last = time.monotonic()

    def show(self, stage: "Stage") -> None:
        now = time.monotonic()
        if stage.what != self._what:
            self._what, self._began, self._last = stage.what, now, now
            click.echo(f"{stage.what} {console.counted(stage.total, 'row')}.")
        elif now - self._last >= LINE_SECONDS and stage.done:
            self._last = now
            rate = stage.done / (now - self._began)
            left = console.span((stage.total - stage.done) / rate)
            click.echo(
                f"{stage.what} {stage.table}: {stage.done:,} of {stage.total:,}, "
                f"{rate:,.0f} rows/s, {left} left."
            )
