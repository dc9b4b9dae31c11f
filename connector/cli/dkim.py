"""`connector dkim`: makes the keys that letters are signed with, and says what the DNS needs.

It never replaces a key: letters on their way need the old one for some days.
"""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector import clock
from connector.cli.publication import root, settings_here
from connector.errors import ConnectorError, Refused

if TYPE_CHECKING:
    from connector.delivery.dkim import Record
    from connector.settings import Settings

# A key can be made for settings that name one which is not there yet.
UNSIGNED = {"CONNECTOR_DKIM_SELECTOR": "", "CONNECTOR_DKIM_ED25519_SELECTOR": ""}


@click.group()
def dkim() -> None:
    """Keys that letters are signed with, for relays that do not sign them."""


@dkim.command()
@click.option("--selector", default="", help="The name the key gets in the DNS.")
@click.option(
    "--ed25519", is_flag=True, help="Make a key of the newer kind, to sign beside the usual one."
)
@click.option(
    "--file", type=click.Path(path_type=Path), help="Where to keep it, instead of dkim.pem."
)
def new(selector: str, file: Path | None, *, ed25519: bool) -> None:
    """Make a key, and say what goes into the DNS and into connector.toml."""
    from connector import settings
    from connector.delivery import dkim

    here = settings.load(root(), {**os.environ, **UNSIGNED})
    kind: dkim.Kind = "ed25519" if ed25519 else "rsa"
    selector = selector or _selector(kind)
    if not settings.SELECTOR.fullmatch(selector):
        raise click.BadParameter(
            "write it with letters, digits and hyphens", param_hint="--selector"
        )
    usual = here.dkim.ed25519_key_file if ed25519 else here.dkim.key_file
    path = here.root / (file or usual)
    pem = dkim.new_key(kind)
    _save(path, pem)
    key = settings.DkimKey(selector, kind, path, pem)
    click.echo(f"Saved {path}. Keep it to yourself: out of git, and in your backups.\n")
    _show(dkim.record(dkim.signer(key, dkim.domain(here))))
    click.echo("\nWhen the DNS shows it, add this to connector.toml, and start Connector again:\n")
    before = "ed25519_" if ed25519 else ""
    click.echo(f'  [dkim]\n  {before}selector = "{selector}"')
    if path != here.root / usual:
        click.echo(f'  {before}key_file = "{_beside(here, path)}"')


@dkim.command()
def show() -> None:
    """Show once more what the DNS needs for the keys in use."""
    from connector.delivery import dkim

    signers = dkim.signers(settings_here())
    if not signers:
        raise Refused(
            "Letters are not signed here: [dkim] selector is empty. "
            "Make a key with: connector dkim new"
        )
    for number, signer in enumerate(signers):
        click.echo("\n" * bool(number), nl=False)
        _show(dkim.record(signer))


def _show(record: "Record") -> None:
    click.echo("A TXT record for the DNS:\n")
    click.echo(f"  Name   {record.name}")
    click.echo(f"  Value  {record.value}\n")
    click.echo("The same for a zone file:\n")
    click.echo(f"  {record.name}. IN TXT (")
    for string in record.strings:
        click.echo(f'    "{string}"')
    click.echo("  )")


def _selector(kind: str) -> str:
    """A name with the year in it, so that next year's key can stand beside this one."""
    year = clock.moment(clock.now()).year
    return f"connector-{year}" if kind == "rsa" else f"connector-{year}-{kind}"


def _beside(settings: "Settings", path: Path) -> Path:
    return path.relative_to(settings.root) if path.is_relative_to(settings.root) else path


def _save(path: Path, pem: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(
            f"{path} exists already, and letters may be signed with it. "
            "Name another file with --file, and another selector."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise ConnectorError(f"{path}: {error.strerror}. No key was made.") from None
