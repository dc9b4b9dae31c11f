"""A PostgreSQL server of a bench's own: on a free port, in a temporary folder, removed after.

It is set as a careful owner sets it: what it says is kept is on the disk.
"""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.clusters import Server, programs

CAREFUL = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}


def why_no_server() -> str:
    """Why no server can be started here; empty when one can."""
    return "" if programs() else "no PostgreSQL server was found"


@contextlib.contextmanager
def cluster() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="connector-"))
    folder.chmod(0o755)
    server = Server(folder / "server", **CAREFUL)
    try:
        server.start()
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def database(server: Server) -> Iterator[str]:
    """The URL of a new database; it is gone afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    server.tell(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.tell(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
