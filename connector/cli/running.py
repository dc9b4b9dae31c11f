"""`serve`, `work` and `demo`: the processes that stay."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from connector.cli.listening import listening
from connector.cli.publication import opened, settings_here

if TYPE_CHECKING:
    from connector.settings import Settings

log = logging.getLogger(__name__)

RESTART_SECONDS = (1, 2, 5, 10, 30)
DRAIN_SECONDS = 30


@click.command()
@click.option("--host", help="The address to listen on, instead of the one in connector.toml.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one.")
@click.option("--no-sender", is_flag=True, help="Serve pages only; run `connector work` elsewhere.")
def serve(host: str | None, port: int | None, *, no_sender: bool) -> None:
    """Serve the site, and send letters in a process beside it. Stop with Ctrl-C."""
    settings = settings_here()
    with _listening(settings, host, port) as listener:
        says = f"{settings.publication.title} is at"
        _serve(_at_home(settings, listener), listener, sender=not no_sender, says=says)


@click.command()
@click.option("--until-done", is_flag=True, help="Stop when nothing is left to send now.")
@click.option("--beside", type=int, hidden=True, help="Stop when this process is gone.")
def work(*, until_done: bool, beside: int | None) -> None:
    """Send letters, without serving pages. Stop with Ctrl-C; what is under way is finished."""
    from connector import sending
    from connector.cli import inbound, paying
    from connector.delivery import worker

    settings = settings_here()
    with opened(settings) as db:
        stop = asyncio.Event()

        def begin(now: int) -> None:
            sending.begin_due(db, now=now)

        def watch(_now: int) -> None:
            if beside is not None and os.getppid() != beside:
                stop.set()

        async def run() -> None:
            stop_on_signals(stop)
            with inbound.watching(db, settings, idle=until_done) as look:
                chores = (begin, watch, look, inbound.tidying(db))
                with paying.rounds(db, settings, idle=until_done):
                    await worker.run(db, settings, stop=stop, chores=chores, until_done=until_done)

        if not until_done and beside is None:
            click.echo("Sending whatever is due. Stop with Ctrl-C.")
        _run(run())


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one.")
def demo(port: int | None) -> None:
    """Fill this publication with sample readers, publish its issues, and serve it."""
    from connector.cli import sample

    settings = settings_here()
    with _listening(settings, None, port) as listener:
        here = _at_home(settings, listener)
        with opened(here) as db:
            for line in sample.prepare(db, here):
                click.echo(line)
        _serve(here, listener, sender=True, says="Read it at")


def _serve(settings: "Settings", listener: socket.socket, *, sender: bool, says: str) -> None:
    import uvicorn

    from connector.web.app import create_app

    with opened(settings) as db:
        config = uvicorn.Config(
            create_app(settings, db),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.web.proxies,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)

        def stop(_signal: int, _frame: object) -> None:
            # Raising here could end in whatever code happens to run, and be lost there.
            server.should_exit = True

        # For the moments when uvicorn does not listen itself; it passes the signal on to us.
        signal.signal(signal.SIGTERM, stop)
        host, port = listener.getsockname()[:2]
        local = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        click.echo(f"{says} {local}/")
        if not settings.has_relay and settings.is_local:
            click.echo(f"Letters stay on this machine; read them in the Tray: {local}/tray")
        if settings.stripe.is_till and settings.takes_payments and settings.is_local:
            click.echo(f"Become a member with play money: {local}/subscribe")
            click.echo("A month later at the Till: connector till advance 32 days")
        click.echo("Stop with Ctrl-C.")
        beside = _sender_beside(settings) if sender else contextlib.nullcontext()
        with contextlib.suppress(KeyboardInterrupt), beside:
            server.run(sockets=[listener])
        click.echo("Stopped.")


def _listening(
    settings: "Settings", host: str | None, port: int | None
) -> contextlib.AbstractContextManager[socket.socket]:
    return listening(host or settings.web.host, settings.web.port if port is None else port)


def _at_home(settings: "Settings", listener: socket.socket) -> "Settings":
    """On this machine the site lives where it listens, so that links in letters lead there."""
    url = urlsplit(settings.publication.url)
    if not settings.is_local or url.scheme != "http":
        return settings
    host = f"[{url.hostname}]" if ":" in settings.host else url.hostname
    here = f"http://{host}:{listener.getsockname()[1]}"
    return replace(settings, publication=replace(settings.publication, url=here))


@contextlib.contextmanager
def _sender_beside(settings: "Settings") -> Iterator[None]:
    """A sender process that is started again when it dies, and drained when we stop."""
    stopping = threading.Event()
    running: list[subprocess.Popen[bytes]] = []
    command = [sys.executable, "-m", "connector", "-C", str(settings.root), "work", "--beside"]
    environment = {**os.environ, "CONNECTOR_PUBLICATION_URL": settings.publication.url}
    thread = threading.Thread(
        target=_supervise,
        args=([*command, str(os.getpid())], environment, stopping, running),
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        for process in running:
            process.terminate()
        thread.join(DRAIN_SECONDS)


def _supervise(
    command: list[str],
    environment: Mapping[str, str],
    stopping: threading.Event,
    running: list[subprocess.Popen[bytes]],
) -> None:
    deaths = 0
    while not stopping.is_set():
        process = subprocess.Popen(command, env=environment)
        running[:] = [process]
        if stopping.is_set():  # told to stop while this one was being started
            process.terminate()
        code = process.wait()
        pause = RESTART_SECONDS[min(deaths, len(RESTART_SECONDS) - 1)]
        deaths += 1
        # A signal to the whole group reaches the sender a moment before it reaches us.
        if not stopping.wait(pause):
            log.warning("The sender stopped (exit %s); starting another.", code)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at Ctrl-C, and when the system asks us to end."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)


def _run(main: Coroutine[None, None, None]) -> None:
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
