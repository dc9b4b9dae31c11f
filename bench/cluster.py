"""A PostgreSQL server of a bench's own: on a free port, in a temporary folder, removed after.

It is set as a careful owner sets it: what it says is kept is on the disk.
"""

from contextlib import AbstractContextManager

from tests import clusters
from tests.clusters import Server


def why_no_server() -> str:
    """Why no server can be started here; empty when one can."""
    return "" if clusters.programs() else "no PostgreSQL server was found"


def cluster() -> AbstractContextManager[Server]:
    return clusters.own(autovacuum="on", shared_buffers="256MB", max_wal_size="4GB")


def database(server: Server) -> AbstractContextManager[str]:
    """The URL of a new database; it is gone afterwards."""
    return clusters.empty_on(server)
