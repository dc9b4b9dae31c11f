"""An issue's page from memory, beside a bare Starlette route with the same bytes.

Run as `python -m bench.page`. Both servers run under uvicorn with uvloop and httptools and are
asked in turn, by a client in a process of its own. It prints a ratio, and the machine.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast
from urllib.request import urlopen

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bench.machine import machine
from connector import clock, database, settings, templates
from connector.publishing import publish
from connector.web.app import create_app

ROUNDS = 11
SECONDS = 1.0
CONNECTIONS = 32
PROMISE = 0.7
SLUG = "a-long-letter"
SETTINGS = """
[publication]
title = "The Commons Desk"
author = "Ines Marlow"
email = "ines@letters.example.org"
address = "12 Harbour Row, Port Ellery"
"""
PARAGRAPH = (
    "The bench stood at the end of Harbour Row for forty years before anyone asked whose it was. "
    "People ate there, quarrelled there, and waited for the *number nine*. When the second slat "
    "broke in March, [three offices](https://example.org) wrote three letters to say that it "
    "belonged to somebody else.\n\n"
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _publication(root)
        with _server("memory", root) as memory:
            with urlopen(f"http://127.0.0.1:{memory.port}/p/{SLUG}") as answer:
                (root / "page.html").write_bytes(answer.read())
            size = (root / "page.html").stat().st_size
            with _server("bare", root) as bare:
                rounds = [(_ask(memory), _ask(bare)) for _ in range(ROUNDS + 1)][1:]
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"page from memory: {ours:,.0f} requests/s; bare route: {theirs:,.0f} requests/s")
    print(f"ratio {ratio:.2f} (promised: at least {PROMISE}); higher is better")
    print(
        f"median of {ROUNDS} alternated rounds of {SECONDS:g} s, {CONNECTIONS} connections, "
        f"{size / 1000:.1f} kB page"
    )
    print(machine())


class _Served:
    def __init__(self, process: "subprocess.Popen[str]", path: str) -> None:
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.path = path


@contextlib.contextmanager
def _server(kind: str, root: Path) -> Iterator[_Served]:
    command = [sys.executable, "-m", "bench.page", "--serve", kind, "--root", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield _Served(process, f"/p/{SLUG}")
    finally:
        process.terminate()
        process.wait()


def _ask(served: _Served) -> float:
    """Requests a second, counted by a client in another process."""
    command = [sys.executable, "-m", "bench.page", "--ask", f"{served.port}{served.path}"]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _publication(root: Path) -> None:
    (root / "issues").mkdir()
    (root / "connector.toml").write_text(SETTINGS, encoding="utf-8")
    path = root / "issues" / f"{SLUG}.md"
    path.write_text(f"---\ntitle: A Long Letter\n---\n{PARAGRAPH * 75}", encoding="utf-8")
    configured = settings.load(root, {})
    now = clock.now()
    prepared = publish.prepare(path, configured, templates.environment(root), now=now)
    db = database.open(configured.database)
    with db.write() as tx:
        publish.save(tx, prepared, at=now, now=now)
    db.close()


def _serve(kind: str, root: Path) -> None:
    app = _memory(root) if kind == "memory" else _bare((root / "page.html").read_bytes())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            app, loop="uvloop", http="httptools", access_log=False, log_level="warning"
        )
        uvicorn.Server(config).run(sockets=[listener])


def _memory(root: Path) -> ASGIApp:
    configured = settings.load(root, {})
    return create_app(configured, database.open(configured.database))


def _bare(body: bytes) -> ASGIApp:
    async def page(_request: Request) -> Response:
        return Response(body, media_type="text/html")

    return Starlette(routes=[Route("/p/{slug}", page)])


class _Client(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again. All answers are as long as the first."""

    def __init__(self, path: str) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self.length = 0
        self.received = 0
        self.answers = 0
        self.head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self.length:
            self.head += data
            self.length = _length(self.head)
        if self.length and self.received >= self.length:
            self.received -= self.length
            self.answers += 1
            self.transport.write(self.request)


def _length(answer: bytes) -> int:
    head, end, _ = answer.partition(b"\r\n\r\n")
    if not end:
        return 0
    assert head.startswith(b"HTTP/1.1 200"), head
    stated = next(
        line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    )
    return len(head) + len(end) + int(stated.partition(b":")[2])


async def _count(port: int, path: str) -> float:
    loop = asyncio.get_running_loop()
    clients = [_Client(path) for _ in range(CONNECTIONS)]
    for client in clients:
        await loop.create_connection(partial(_same, client), "127.0.0.1", port)
    await asyncio.sleep(0.1)
    before, started = sum(client.answers for client in clients), time.perf_counter()
    await asyncio.sleep(SECONDS)
    after, ended = sum(client.answers for client in clients), time.perf_counter()
    for client in clients:
        client.transport.abort()
    return (after - before) / (ended - started)


def _same(client: _Client) -> _Client:
    return client


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=("memory", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, default=Path(os.curdir), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        _serve(chosen.serve, chosen.root)
    elif chosen.ask:
        asked_port, _, asked_path = chosen.ask.partition("/")
        print(uvloop.run(_count(int(asked_port), f"/{asked_path}")))
    else:
        main()
