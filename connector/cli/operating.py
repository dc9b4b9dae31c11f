"""What an operator asks for: doctor, migrate, backup."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from connector import clock
from connector.cli.publication import opened, root, settings_here
from connector.errors import ConnectorError, Refused, RelayUnavailable

if TYPE_CHECKING:
    from connector.settings import RelaySettings, Settings

OLDEST_SQLITE = (3, 37)  # STRICT tables
LITTLE_SPACE = 500_000_000
LATELY = 3  # mailings


class Ailment(NamedTuple):
    """`is_error` keeps letters from going out; the rest should be known."""

    is_error: bool
    what: str


Examination = Callable[["Settings"], Iterator[Ailment]]


@click.command()
@click.option(
    "--nameserver", default="", help="The DNS server to ask, like 9.9.9.9; else this machine’s own."
)
def doctor(nameserver: str) -> None:
    """Look the installation over: what is in order, what is not, and the cure.

    With a relay it also asks the DNS how your domain stands: SPF, DKIM, DMARC and the rest.
    """
    settings = settings_here()
    click.echo(f"✓ {root() / 'connector.toml'} is in order.")
    ailing = [
        _report(name, examine(settings))
        for name, examine in (*EXAMINATIONS, *_dns(settings, nameserver))
    ]
    if any(ailing):
        raise click.exceptions.Exit(1)


def _report(name: str, found: Iterator[Ailment]) -> bool:
    """Show what an examination found; whether any of it is an error."""
    ailments = list(found)
    if not ailments:
        click.echo(f"✓ {name}")
    for ailment in ailments:
        click.echo(f"{'✗' if ailment.is_error else '!'} {name}: {ailment.what}")
    return any(ailment.is_error for ailment in ailments)


@click.command()
def migrate() -> None:
    """Bring the database up to this version of Connector. Make a backup first."""
    from connector.database import opening

    settings = settings_here()
    applied = opening.upgrade(settings.database)
    click.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Save everything into FILE, a .tar.gz: readers, letters, issues, settings and keys.

    Safe while the site runs. To restore, unpack it into an empty folder.
    """
    settings = settings_here()
    if file.exists():
        raise Refused(f"{file} exists already. Name another file, so that no backup is lost.")
    draft = file.with_name(f"{file.name}.part")
    try:
        with opened(settings) as db, tempfile.TemporaryDirectory(dir=file.parent) as folder:
            copy = Path(folder) / "subscribers.db"
            db.copy_to(copy)
            _pack(settings, copy, draft)
        draft.rename(file)
    except OSError as error:
        raise ConnectorError(f"{file}: {error.strerror}. No backup was made.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    click.echo(f"Saved {file} ({file.stat().st_size:,} bytes). It holds addresses: keep it safe.")


def _pack(settings: "Settings", copy: Path, draft: Path) -> None:
    # The addresses in it are nobody else's business: readable by its owner only.
    with (
        os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz") as archive,
    ):
        archive.add(copy, "subscribers.db")
        for name in ("connector.toml", "connector.key", "issues", "templates"):
            if (settings.root / name).exists():
                archive.add(settings.root / name, name)
        for name, path in _dkim_files(settings).items():
            archive.add(path, name)


def _dkim_files(settings: "Settings") -> dict[str, Path]:
    """Keys in use, wherever they are, and those made for later, by their names in a backup."""
    root = settings.root
    found = {path.name: path for path in sorted(root.glob("dkim*.pem"))}
    for path in [key.path for key in settings.dkim_keys]:
        found[str(path.relative_to(root)) if path.is_relative_to(root) else path.name] = path
    return found


def _python(_settings: "Settings") -> Iterator[Ailment]:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Ailment(
            is_error=True, what=f"SQLite {sqlite3.sqlite_version} is too old; 3.37 is needed."
        )


def _database(settings: "Settings") -> Iterator[Ailment]:
    try:
        with opened(settings):
            pass
    except ConnectorError as error:
        yield Ailment(is_error=True, what=str(error))


def _disk(settings: "Settings") -> Iterator[Ailment]:
    free = shutil.disk_usage(settings.root).free
    if free < LITTLE_SPACE:
        yield Ailment(is_error=False, what=f"only {free / 1e6:,.0f} MB left; make room soon.")


def _key(settings: "Settings") -> Iterator[Ailment]:
    path = settings.root / "connector.key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield Ailment(is_error=False, what=f"others can read {path}; run: chmod 600 {path}")


def _dkim(settings: "Settings") -> Iterator[Ailment]:
    if not settings.dkim_keys:
        yield Ailment(
            is_error=False,
            what="none is set, so letters leave unsigned; that is right when your relay signs them.",
        )
        return
    from connector.settings import are_aligned

    notices = settings.mail.notices_from
    if notices and not are_aligned(settings.dkim_domain, notices.rpartition("@")[2]):
        yield Ailment(
            is_error=False,
            what=f"confirmations come from {notices}, and a signature of "
            f"{settings.dkim_domain} does not count for them.",
        )
    for path in [key.path for key in settings.dkim_keys]:
        if path.stat().st_mode & 0o077:
            yield Ailment(is_error=False, what=f"others can read {path}; run: chmod 600 {path}")


def _site(settings: "Settings") -> Iterator[Ailment]:
    if settings.is_local:
        yield Ailment(
            is_error=settings.has_relay,
            what=f"[publication] url is {settings.publication.url}, which only this machine can open.",
        )
    elif not settings.publication.url.startswith("https:"):
        yield Ailment(
            is_error=True,
            what="[publication] url must begin with https; one-click unsubscribe needs it (RFC 8058).",
        )


def _sender(settings: "Settings") -> Iterator[Ailment]:
    if not settings.publication.address:
        yield Ailment(
            is_error=False,
            what="[publication] address is empty; many countries ask for one in each letter.",
        )


def _relay(settings: "Settings") -> Iterator[Ailment]:
    """Each relay is greeted; one that fails is an error even when others do its work."""
    if not settings.has_relay:
        yield Ailment(is_error=False, what="none is set, so letters stay in the Tray.")
    for relay in settings.relays:
        try:
            asyncio.run(_greet(settings, relay))
        except RelayUnavailable as error:
            yield Ailment(is_error=True, what=str(error))


async def _greet(settings: "Settings", relay: "RelaySettings") -> None:
    from connector.delivery import smtp

    conversation = await smtp.connect(smtp.Relay.of(settings, relay))
    await conversation.quit()


def _dns(settings: "Settings", nameserver: str) -> Iterator[tuple[str, Examination]]:
    """The domain’s standing; not asked about while letters stay in the Tray."""
    if not settings.has_relay:
        return
    from connector.delivery import standing
    from connector.delivery.dns import Resolver

    resolver = Resolver(nameserver)

    def examining(examine: standing.Examination) -> Examination:
        def examined(settings: "Settings") -> Iterator[Ailment]:
            yield from (Ailment(*verdict) for verdict in examine(settings, resolver))

        return examined

    for name, examine in standing.examinations(settings):
        yield name, examining(examine)


def _returns(settings: "Settings") -> Iterator[Ailment]:
    if settings.has_relay and not (settings.reads_returns or settings.hears_providers):
        path = settings.mail.return_path or f"bounces@{settings.domain}"
        yield Ailment(
            is_error=False,
            what=f"nobody reads {path}, so dead addresses are written to again and again, and "
            "complaints are not heard. Set [inbound] imap_host, or [inbound] handed_over = true "
            "when your mail server calls connector inbound, or a provider’s [hooks].",
        )


def _complaints(settings: "Settings") -> Iterator[Ailment]:
    from connector.delivery import store
    from connector.inbound import complaints

    with contextlib.suppress(ConnectorError), opened(settings) as db, db.read() as connection:
        for mailing in store.issue_mailings(connection, limit=LATELY):
            rate = complaints.rate_of(connection, mailing)
            if rate.level:
                what = f"mailing {mailing.id}, {mailing.name}: {complaints.advice(rate)}"
                yield Ailment(is_error=False, what=what)


def _payments(settings: "Settings") -> Iterator[Ailment]:
    from connector.cli import paying

    with contextlib.suppress(ConnectorError), opened(settings) as db:
        yield from (Ailment(is_error=False, what=what) for what in paying.ailments(db, settings))


def _attendance(settings: "Settings") -> Iterator[Ailment]:
    from connector.delivery import ledger

    with contextlib.suppress(ConnectorError), opened(settings) as db:
        if not ledger.is_attended(db, now=clock.now()):
            yield Ailment(is_error=False, what="not running; start it with: connector serve")


EXAMINATIONS: tuple[tuple[str, Examination], ...] = (
    (f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}", _python),
    ("The database", _database),
    ("The disk", _disk),
    ("The signing key", _key),
    ("The DKIM key", _dkim),
    ("The site's address", _site),
    ("The postal address", _sender),
    ("The relay", _relay),
    ("What comes back", _returns),
    ("Complaints", _complaints),
    ("Payments", _payments),
    ("The sender", _attendance),
)
