"""Runs the preview: watches the folder, reads the file again when it is saved, serves what it became."""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import jinja2
import uvicorn
import watchfiles

from connector import clock, database, sending, templates
from connector.cli.listening import listening
from connector.errors import NotFound, Unpublishable
from connector.publishing import publish as pages
from connector.web import preview
from connector.web.app import create_app

if TYPE_CHECKING:
    from connector.database import Database
    from connector.settings import Settings


def run(settings: "Settings", file: Path, *, port: int) -> None:
    """Serve the preview of `file` on this machine until Ctrl-C."""
    path = (file if file.exists() or file.is_absolute() else settings.root / file).resolve()
    if not path.is_file():
        raise NotFound(f"There is no file {file}.")
    with listening("127.0.0.1", port) as listener, _apart(settings, listener) as (here, db):
        draft = preview.Draft(path.name)
        app = preview.create_preview(create_app(here, db, remembers=False), draft)
        click.echo(f"{path.name} is at {here.publication.url}/preview")
        click.echo("It follows when you save. Stop with Ctrl-C.")
        # uvicorn raises the signal that stopped it once more, when it is done.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(app, listener, _Reading(here, db, path, draft)))


class _Reading:
    """The file, read into the preview's own database each time it is saved."""

    def __init__(
        self, settings: "Settings", db: "Database", path: Path, draft: preview.Draft
    ) -> None:
        self.settings = settings
        self.db = db
        self.path = path
        self.draft = draft

    def read(self) -> None:
        environment = templates.environment(self.settings.root)
        now = clock.now()
        try:
            prepared = pages.prepare(self.path, self.settings, environment)
            sending.publish(self.db, prepared, at=now, web_only=True, now=now)
        except Unpublishable as error:
            self.draft.renew(None, error.findings)  # type: ignore[arg-type]
        except jinja2.TemplateError as error:
            click.echo(f"templates: {error}", err=True)
        else:
            self.draft.renew(prepared, prepared.findings)

    async def follow(self, stop: asyncio.Event) -> None:
        """Read again whenever the issue, a picture beside it or a template is saved."""
        self.read()
        folders = [self.path.parent, self.settings.root / "templates"]
        watched = [folder for folder in folders if folder.is_dir()]
        async for _ in watchfiles.awatch(*watched, stop_event=stop, debounce=200):
            self.read()


class _Server(uvicorn.Server):
    """Lets go of the pages that wait for a change before it waits for them to finish."""

    def __init__(self, config: uvicorn.Config, draft: preview.Draft) -> None:
        super().__init__(config)
        self._draft = draft

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._draft.close()
        await super().shutdown(sockets)


async def _serve(app: object, listener: socket.socket, reading: _Reading) -> None:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    stop = asyncio.Event()
    following = asyncio.create_task(reading.follow(stop))
    try:
        await _Server(config, reading.draft).serve(sockets=[listener])
    finally:
        stop.set()
        await following


@contextlib.contextmanager
def _apart(
    settings: "Settings", listener: socket.socket
) -> Iterator[tuple["Settings", "Database"]]:
    """A site of its own on this machine, with a database that is thrown away."""
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        here = replace(
            settings,
            publication=replace(settings.publication, url=url),
            mail=replace(settings.mail, host=""),
            database=f"sqlite:///{Path(folder) / 'preview.db'}",
        )
        db = database.open(here.database)
        try:
            yield here, db
        finally:
            db.close()
