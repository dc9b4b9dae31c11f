"""A line to a server that breaks at the worst moments: a small proxy for PostgreSQL's protocol."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

# How psycopg ends a transaction: a simple query.
COMMIT = b"COMMIT\0"
CHUNK = 1 << 16

# When the line breaks: before the server hears of the commit, or after it is kept and before
# the client hears of that.
Moment = Literal["before", "after"]


@dataclass
class BadLine:
    """Leads to a server's `port`; of every `every` commits one is cut off, `most` in all."""

    port: int
    every: int
    most: int
    chance: random.Random
    cuts: list[Moment] = field(default_factory=list)

    @contextlib.contextmanager
    def in_thread(self) -> Iterator[int]:
        """The port to be used instead, while this lasts."""
        loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        ports: list[int] = []

        async def serve() -> None:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await stop.wait()
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        try:
            assert started.wait(5)
            yield ports[0]
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self.port, limit=CHUNK)
            answers = asyncio.create_task(self._pass_on(there, writer))
            try:
                await self._listen(reader, back, answers)
            finally:
                answers.cancel()
                back.close()
                writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _listen(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        answers: "asyncio.Task[None]",
    ) -> None:
        while data := await reader.read(CHUNK):
            moment = self._moment() if COMMIT in data else None
            if moment == "before":
                return
            if moment == "after":
                answers.cancel()  # nobody hears the answer
                back.write(data)
                await back.drain()
                await asyncio.sleep(0.05)  # and the server has kept it by then
                return
            back.write(data)
            await back.drain()

    def _moment(self) -> Moment | None:
        if len(self.cuts) >= self.most or self.chance.randrange(self.every):
            return None
        moment: Moment = "before" if self.chance.randrange(2) else "after"
        self.cuts.append(moment)
        return moment
