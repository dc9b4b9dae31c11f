"""A door for the mail server on this machine: it hands over what came back by LMTP (RFC 2033).

A message is answered with 250 only when it is recorded; until then the mail server keeps it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from connector import clock
from connector.database import Database
from connector.delivery.reception import Arrived, Reception
from connector.errors import ConnectorError, Refused
from connector.inbound import bounces, report
from connector.inbound.bounces import Leave
from connector.settings import Settings

log = logging.getLogger(__name__)

UNIX = "unix:"


@asynccontextmanager
async def listening(
    db: Database, settings: Settings, where: str, *, leave: Leave
) -> AsyncIterator[str]:
    """Take messages in at `HOST:PORT` or `unix:/path` for as long as the block runs.

    Gives the place it listens at, in the same form. Raises Refused when it cannot.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lmtp")

    def receive(message: bytes, recipient: str) -> str:
        try:
            received = bounces.receive(
                db,
                settings,
                message,
                recipient=recipient,
                source="lmtp",
                leave=leave,
                now=clock.now(),
            )
        except ConnectorError as error:
            log.warning("A message has to come again: %s", error)
            return "451 4.3.0 not now, please try again"
        return f"250 2.0.0 {received.kind}, {received.effect}"

    async def take(letter: Arrived) -> list[str]:
        loop = asyncio.get_running_loop()
        return [
            await loop.run_in_executor(thread, receive, letter.message, recipient)
            for recipient in letter.recipients
        ]

    reception = Reception(
        take,
        name=settings.host or "localhost",
        greeting="tell me what came back",
        speech="lmtp",
        # Even when every other dot is only there for the journey, what is left is too large to read.
        keep=2 * report.LARGEST,
    )
    server = await _open(reception, where)
    try:
        yield _place(server, where)
    finally:
        server.close()
        await reception.close()
        thread.shutdown()


async def _open(reception: Reception, where: str) -> asyncio.Server:
    try:
        if where.startswith(UNIX):
            return await asyncio.start_unix_server(reception.accept, where.removeprefix(UNIX))
        host, _, port = where.rpartition(":")
        if not host or not port.isdecimal():
            raise Refused(f"“{where}” is no place to listen at; write it like 127.0.0.1:2424.")
        return await asyncio.start_server(reception.accept, host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise Refused(f"Cannot listen at {where}: {error}") from None


def _place(server: asyncio.Server, where: str) -> str:
    if where.startswith(UNIX):
        return where
    host, port = server.sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
