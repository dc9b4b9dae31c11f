"""The `connector` command: finds a subcommand, and turns errors into one line and an exit code.

Exit codes: 0 done, 1 refused or failed, 2 not understood, 130 interrupted.
"""

import importlib
import io
import logging
import os
import sys
from typing import Any

import click

from connector import __version__
from connector.errors import ConnectorError

log = logging.getLogger(__name__)

COMMANDS = {
    "new": "writing",
    "check": "writing",
    "publish": "writing",
    "test": "writing",
    "preview": "writing",
    "serve": "running",
    "work": "running",
    "demo": "running",
    "status": "mailings",
    "pause": "mailings",
    "resume": "mailings",
    "cancel": "mailings",
    "resend": "deciding",
    "uncertain": "deciding",
    "trace": "tracing",
    "inbound": "inbound",
    "readers": "readers",
    "members": "members",
    "gifts": "giving",
    "offers": "giving",
    "prices": "account",
    "stripe": "account",
    "till": "till",
    "dkim": "dkim",
    "doctor": "operating",
    "migrate": "operating",
    "backup": "operating",
    "move": "moving",
}


class Commands(click.Group):
    """Subcommands in the manual's order, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"connector.cli.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name)
        return found


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="Connector %(version)s")
@click.option(
    "-C",
    "--directory",
    type=click.Path(file_okay=False),
    default=lambda: os.environ.get("CONNECTOR_DIRECTORY", "."),
    help="The publication's folder, if it is not this one.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more about what is going on.")
@click.pass_context
def connector(ctx: click.Context, directory: str, *, verbose: bool) -> None:
    """Publish a newsletter from your own server: one Markdown file becomes a page and a letter."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    ctx.obj = directory


def main() -> Any:
    """Run the command line; never shows a traceback for a deliberate error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no “✓” must not stop a command half-way.
            stream.reconfigure(errors="replace")
    try:
        code = connector(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Our reader has gone, as `head` does: nothing to say, and nobody to say it to.
        _let_go_of_stdout()
        sys.exit(1)
    except ConnectorError as error:
        for line in str(error).split("\n"):
            click.echo(f"connector: {line}", err=True)
        sys.exit(1)
    except OSError as error:
        log.info("The machine said no:", exc_info=True)
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"connector: {where}{error.strerror or error}.", err=True)
        _let_go_of_stdout()
        sys.exit(1)


def _let_go_of_stdout() -> None:
    """What could not be written is not tried once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
