"""What every command starts from: the publication in this folder, and its open database."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.errors import ConnectorError, PaymentsUnavailable

if TYPE_CHECKING:
    from connector.database import Database
    from connector.membership.stripe_api import Client
    from connector.settings import Settings


def settings_here() -> "Settings":
    """Settings of the publication in this folder; raises Misconfigured, for keys as well."""
    from connector import settings

    found = settings.load(root())
    if found.dkim_keys:
        from connector.delivery import dkim

        dkim.signers(found)
    return found


def root() -> Path:
    """The publication's folder: the one given with -C, or this one."""
    return Path(click.get_current_context().find_root().obj).resolve()


@contextlib.contextmanager
def opened(settings: "Settings") -> Iterator["Database"]:
    """The publication's database, closed at the end."""
    from connector import database

    db = database.open(settings.database)
    try:
        yield db
    finally:
        db.close()


@contextlib.contextmanager
def paying(settings: "Settings", db: "Database") -> Iterator["Client"]:
    """Stripe, or the Till in its stead. When it says no, the error is in the operator's words."""
    from connector.till import opening

    told = logging.getLogger("connector.membership.stripe_api")
    level = told.level
    # What goes wrong is the command's one line, not a line of a log as well.
    told.setLevel(logging.CRITICAL)
    try:
        yield opening.client(settings, db)
    except PaymentsUnavailable as error:
        raise ConnectorError(error.why) from None
    finally:
        told.setLevel(level)
