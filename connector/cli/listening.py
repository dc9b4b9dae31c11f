"""A port to be found at, or one sentence on why there is none. It never answers anybody."""

import contextlib
import socket
from collections.abc import Iterator

from connector.errors import Refused


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on `port`, or on a free one with 0; raises Refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, UnicodeError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else "that is no name of a host"
            raise Refused(
                f"Cannot listen on {host} port {port}: {why}. "
                "Stop what listens there, or choose another with --port."
            ) from None
        listener.listen(1024)
        yield listener
