"""How commands speak: findings, tables and progress, readable without colour."""

import io
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from connector import clock

if TYPE_CHECKING:
    from rich.progress import Progress

    from connector.database import Database
    from connector.publishing.finding import Finding

SIGNS = {"error": "✗", "warning": "!", "note": "·"}
POLL_SECONDS = 0.25


def show_findings(findings: Iterable["Finding"]) -> None:
    """Each finding on two lines: where and what, then the cure."""
    for finding in findings:
        click.echo(
            f"{SIGNS[finding.severity]} {finding.severity}  {finding.place}: {finding.message}"
        )
        if finding.cure:
            click.echo(f"    {finding.cure}")


def agree(question: str, *, yes: bool) -> None:
    """Go on only when a person says so, or said --yes before."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask here; say --yes to go on.")
    click.confirm(question, abort=True)


def counted(number: int, one: str, many: str | None = None) -> str:
    """“1 letter”, “2,000 letters”."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def day(at: int, zone: str) -> str:
    """“1 October 2026”."""
    when = clock.moment(at, zone)
    return f"{when.day} {when:%B %Y}"


def date(at: int | None, zone: str) -> str:
    """“2026-10-01”; empty when there is none."""
    return f"{clock.moment(at, zone):%Y-%m-%d}" if at is not None else ""


def show_json(found: object) -> None:
    import json

    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


def show_csv(rows: Iterable[Iterable[str]]) -> None:
    import csv

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file in all but name: UTF-8, whatever the terminal speaks.
        sys.stdout.reconfigure(encoding="utf-8")
    csv.writer(sys.stdout).writerows(rows)


def show_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their longest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    click.echo(
        "  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()
    )
    for row in cells:
        line = (
            cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(line).rstrip())


def progress(unit: str) -> "Progress":
    """A bar with the count, the rate and the time left; plain lines when this is no terminal."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            known = "" if task.total is None else f" of {task.total:,.0f}"
            return Text(f"{task.completed:,.0f}{known}")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "")

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.time_remaining
            return Text("" if left is None or task.finished else f"{span(left)} left")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        Count(),
        Rate(),
        Left(),
        disable=not sys.stdout.isatty(),
    )


def follow(db: "Database", mailing: int, *, attend: Callable[[], None]) -> None:
    """Show a mailing's progress until nothing of it can go now. Ctrl-C only stops looking.

    `attend` is called again and again meanwhile; what it raises ends the looking.
    """
    from connector.delivery import store

    with db.read() as connection:
        found = store.mailing(connection, mailing)
    if found is None or not found.size:
        return
    with progress("letters") as bar:
        task = bar.add_task("Sending", total=found.size)
        try:
            while _watch(db, mailing, bar, task):
                attend()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            bar.stop()
            click.echo("\nStill sending. Look again with: connector status")
            return
    show_outcome(db, mailing)


def _watch(db: "Database", mailing: int, bar: "Progress", task: object) -> bool:
    from connector.delivery import store

    with db.read() as connection:
        found = store.mailing(connection, mailing)
        if found is None:
            return False
        counts = store.counts(connection, found)
        moving = store.is_moving(connection, mailing, now=clock.now())
    settled = found.size - counts.get("queued", 0) - counts.get("sending", 0)
    bar.update(task, completed=settled)  # type: ignore[arg-type]
    return moving and found.finished_at is None and found.paused_at is None


def show_outcome(db: "Database", mailing: int) -> None:
    """One or two sentences on where a mailing stands, and why."""
    from connector.delivery import store

    with db.read() as connection:
        found = store.mailing(connection, mailing)
        if found is None:
            return
        counts = store.counts(connection, found)
        replies = store.replies(connection, found, limit=5)
    click.echo(f"{counted(counts.get('sent', 0), 'letter')} of {found.size:,} sent.")
    words = {
        "queued": "still to be sent",
        "sending": "at the relay now",
        "refused": "refused",
        "uncertain": "uncertain: the relay may have them, so they are not sent again by themselves",
        "withdrawn": "withdrawn",
    }
    for state, word in words.items():
        if counts.get(state):  # type: ignore[call-overload]
            click.echo(f"{counts[state]:,} {word}.")  # type: ignore[index]
    for state, reply, many in replies:
        click.echo(f"  {many:,} {state}: {reply}")


def span(seconds: float) -> str:
    """“12 s”, “3 min 5 s”, “2 h 10 min”."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
