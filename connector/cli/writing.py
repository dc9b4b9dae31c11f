"""What a writer does with a file: new, check, publish, test, preview."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, root, settings_here
from connector.clock import MINUTE
from connector.errors import Misconfigured, Refused, Unpublishable

if TYPE_CHECKING:
    from connector.database import Database
    from connector.publishing.publish import Prepared
    from connector.sending import Published
    from connector.settings import Settings

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", help="The newsletter's name.")
@click.option("--author", help="Who writes it.")
@click.option("--email", help="The address letters come from.")
def new(folder: Path, title: str | None, author: str | None, email: str | None) -> None:
    """Make a publication of your own in FOLDER: settings, a first issue, a place for templates."""
    from connector.cli import scaffold

    words = scaffold.Words(
        title=title or _ask("What is it called?", "My Newsletter"),
        author=author or _ask("Who writes it?", "Your Name"),
        email=email or _ask("Which address do letters come from?", "you@example.org"),
    )
    for line in scaffold.build(folder, words, now=clock.now()):
        click.echo(line)


@click.command()
@FILE
def check(file: Path) -> None:
    """Look an issue over without publishing it: what is wrong, where, and the cure."""
    prepared = _prepare(settings_here(), file)
    if not prepared.findings:
        click.echo(f"{file.name} is ready to publish.")
    console.show_findings(prepared.findings)
    if _errors(prepared):
        raise click.exceptions.Exit(1)


@click.command()
@FILE
@click.option("--at", "when", help="Publish then: “2026-12-01 09:00”, “09:00”, “in 2 hours”.")
@click.option(
    "--over", metavar="TIME", help="Let the letters leave evenly over this time: “2h”, “90 min”."
)
@click.option("--web-only", is_flag=True, help="Only the page; nobody gets a letter.")
@click.option(
    "--correction", is_flag=True, help="Write once more, to those who have the letter as it was."
)
@click.option("--subject", help="The correction’s subject; else “Correction: ” and the title.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def publish(
    file: Path,
    when: str | None,
    over: str | None,
    subject: str | None,
    *,
    web_only: bool,
    correction: bool,
    yes: bool,
) -> None:
    """Publish an issue: the page at once, and a letter to everyone on the list.

    Doing it again renews the page and sends nothing twice.
    """
    from connector import sending

    settings = settings_here()
    if correction:
        if when or over or web_only:
            raise click.UsageError("A correction is a letter, and leaves at once.")
        _correct(settings, file, subject=(subject or "").strip(), yes=yes)
        return
    if subject is not None:
        raise click.UsageError("--subject is for a --correction; an issue has it in its file.")
    spread = clock.parse_span(over) if over else settings.pace.spread * MINUTE
    now = clock.now()
    at = clock.parse(when, now=now, zone=settings.publication.zone) if when else now
    if at < now:
        raise Refused(f"“{when}” is in the past. Leave --at out to publish now.")
    prepared = _prepare(settings, file, at=at)
    console.show_findings(prepared.findings)
    if _errors(prepared):
        raise Unpublishable("Nothing was published. Mend the errors above and try again.")
    with opened(settings) as db:
        _describe(db, settings, prepared, at=at if when else None, web_only=web_only, spread=spread)
        console.agree("Publish?", yes=yes)
        published = sending.publish(
            db, prepared, at=at, web_only=web_only, spread=spread, now=clock.now()
        )
        _tell(db, settings, prepared, published, at=at if when else None)


@click.command()
@FILE
@click.option("--to", "addresses", multiple=True, required=True, help="Where to send it.")
@click.option("--as-member", is_flag=True, help="The letter as members get it.")
def test(file: Path, addresses: tuple[str, ...], *, as_member: bool) -> None:
    """Send an issue's letter to yourself, or to whom you ask for a last look."""
    from connector.cli.attending import Attendant
    from connector.delivery import address, mailings

    settings = settings_here()
    people = [address.parse(one) for one in addresses]
    prepared = _prepare(settings, file)
    console.show_findings(prepared.findings)
    letter = prepared.letters["member" if as_member else "everyone"]
    about = f"test of {prepared.issue.slug}"
    with opened(settings) as db:
        with db.write(durable=True) as tx:
            queued = [
                mailings.notify(tx, letter, to=one, recipient=None, about=about, now=clock.now())
                for one in people
            ]
        attendant = Attendant(db, settings)
        for mailing in queued:
            console.follow(db, mailing, attend=attendant.look)


@click.command()
@FILE
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; else a free one.")
def preview(file: Path, port: int) -> None:
    """See an issue as page, letter and text while you write; it reloads when you save."""
    from connector.cli import previewing

    previewing.run(settings_here(), file, port=port)


def _correct(settings: "Settings", file: Path, *, subject: str, yes: bool) -> None:
    from connector import sending
    from connector.cli.attending import Attendant

    prepared = _prepare(settings, file)
    with opened(settings) as db:
        with db.read() as connection:
            mailed = sending.first_mailed(connection, prepared.issue.slug)
            people = sending.count_corrected(connection, prepared.issue.slug, now=clock.now())
        # The day at the head of the letter stays that of the issue.
        prepared = _prepare(settings, file, at=mailed)
        console.show_findings(prepared.findings)
        if _errors(prepared):
            raise Unpublishable("Nothing was published. Mend the errors above and try again.")
        click.echo(f"\n“{subject or f'Correction: {prepared.issue.title}'}”")
        click.echo(f"  Page      {settings.publication.url}/p/{prepared.issue.slug}")
        click.echo(f"  Letters   {_people(people)} with the letter as it was\n")
        console.agree("Publish, and write to them once more?", yes=yes)
        published = sending.correct(db, prepared, subject=subject, now=clock.now())
        click.echo(f"Published: {settings.publication.url}/p/{prepared.issue.slug}")
        if published.mailing is not None:
            console.follow(db, published.mailing, attend=Attendant(db, settings).look)


def _prepare(settings: "Settings", file: Path, *, at: int | None = None) -> "Prepared":
    import jinja2

    from connector import templates
    from connector.publishing import publish as pages

    path = file if file.exists() or file.is_absolute() else root() / file
    try:
        return pages.prepare(path, settings, templates.environment(settings.root), at=at)
    except Unpublishable as error:
        console.show_findings(error.findings)  # type: ignore[arg-type]
        raise
    except jinja2.TemplateSyntaxError as error:
        raise Misconfigured(f"templates/{error.name}:{error.lineno}: {error.message}") from None
    except jinja2.TemplateError as error:
        raise Misconfigured(f"templates: {error}") from None


def _errors(prepared: "Prepared") -> bool:
    return any(finding.severity == "error" for finding in prepared.findings)


def _describe(
    db: "Database",
    settings: "Settings",
    prepared: "Prepared",
    *,
    at: int | None,
    web_only: bool,
    spread: int,
) -> None:
    from connector import sending
    from connector.cli import pacing

    issue = prepared.issue
    click.echo(f"\n“{issue.title}”")
    click.echo(f"  Page      {settings.publication.url}/p/{issue.slug}")
    if web_only:
        click.echo("  Letters   none: the page only")
    else:
        with db.read() as connection:
            people = sending.audience(connection, now=clock.now())
        sizes = {name: len(letter.html.encode()) for name, letter in prepared.letters.items()}
        click.echo(f"  Letters   {_people(people)}")
        click.echo(f"  Size      {max(sizes.values()) / 1000:,.0f} KB (Gmail cuts at 102 KB)")
        for line in pacing.expected(
            db, settings, sum(people.values()), spread=spread, at=at or clock.now()
        ):
            click.echo(f"  Pace      {line}")
    if at:
        shown = clock.moment(at, settings.publication.zone)
        click.echo(f"  When      {shown:%A, %d %B %Y, %H:%M} ({settings.publication.zone})")
    click.echo()


def _people(people: dict[str, int]) -> str:
    total, members = sum(people.values()), people.get("member", 0)
    extra = f", {members:,} of them members" if members else ""
    return f"{console.counted(total, 'reader')}{extra}"


def _ask(question: str, default: str) -> str:
    if not sys.stdin.isatty():
        return default
    found: str = click.prompt(question, default=default)
    return found


def _tell(
    db: "Database",
    settings: "Settings",
    prepared: "Prepared",
    published: "Published",
    *,
    at: int | None,
) -> None:
    from connector.cli.attending import Attendant

    page = f"{settings.publication.url}/p/{prepared.issue.slug}"
    if published.sent == "scheduled":
        click.echo("Scheduled. A running sender (connector serve, or work) begins it in time.")
        click.echo(f"To call it off: connector cancel {published.mailing}")
        return
    click.echo(f"Published: {page}{'' if at is None else ', from then on'}")
    if published.sent == "before":
        click.echo("Its letters went out before; nobody gets it twice.")
    if published.mailing is None:
        return
    if published.frozen and published.frozen.suppressed:
        click.echo(
            f"{published.frozen.suppressed:,} left out: their mail bounced or they complained."
        )
    if published.sent == "sending":
        console.follow(db, published.mailing, attend=Attendant(db, settings).look)
        _tell_what_waits(db, settings, published.mailing)


def _tell_what_waits(db: "Database", settings: "Settings", mailing: int) -> None:
    from connector.cli import pacing
    from connector.delivery import store

    now = clock.now()
    with db.read() as connection:
        is_waiting = store.next_turn(connection, mailing, now=now) is not None
    if is_waiting:
        for line in pacing.standing(db, settings, now=now):
            click.echo(line)
        click.echo("They leave as long as a sender runs: connector serve, or work.")
