"""A sender at work in this process: run until nothing is left to send, or while somebody watches."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any

from connector.clock import HOUR, SECOND
from connector.database import Database
from connector.delivery import worker
from connector.settings import RelaySettings, Settings
from tests.delivery.promise import check_the_promise
from tests.fakes.clock import Clock
from tests.fakes.smtp import FakeRelay

TICK = 0.01


def relayed(configured: Settings, fake: FakeRelay, **values: Any) -> Settings:
    """Settings that lead to the fake relay."""
    relay = fake.relay()
    mail = dataclasses.replace(
        configured.mail,
        **{
            "host": relay.host,
            "port": relay.port,
            "security": relay.security,
            **values,
        },
    )
    return dataclasses.replace(configured, mail=mail)


def further(name: str, fake: FakeRelay, **values: Any) -> RelaySettings:
    """Settings of one more fake relay."""
    relay = fake.relay()
    return RelaySettings(
        name, **{"host": relay.host, "port": relay.port, "security": relay.security, **values}
    )


async def until(is_so: Callable[[], object], *, seconds: float = 2 * HOUR / SECOND) -> None:
    """Look again and again while a sender works, until something is true."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(TICK)


@dataclasses.dataclass(frozen=True)
class Office:
    """A database, a relay that may misbehave, and a clock that does not wait for either.

    After every run the promise is checked: nobody is missing, nobody got two.
    """

    db: Database
    configured: Settings
    fake: FakeRelay
    clock: Clock
    further: Mapping[str, tuple[FakeRelay, Mapping[str, Any]]] = dataclasses.field(
        default_factory=dict
    )

    def send(self, *, senders: int = 1, **mail: Any) -> None:
        """Run senders until nothing is left to send now."""

        async def run() -> None:
            async with self._relays(), asyncio.TaskGroup() as tasks:
                self._begin(tasks, senders, asyncio.Event(), until_done=True, **mail)

        self._run(run())

    def keep_sending(self, *, runs: int = 3, **mail: Any) -> None:
        """Send, and again an hour later: what is to be tried again is due by then."""
        for _ in range(runs):
            self.send(**mail)
            self.clock.turn(HOUR)

    def send_while(
        self, watch: Callable[[], Awaitable[None]], *, senders: int = 1, **mail: Any
    ) -> None:
        """Run senders for as long as `watch` takes; then stop them and see them end."""

        async def run() -> None:
            async with self._relays(), asyncio.TaskGroup() as tasks:
                stop = asyncio.Event()
                self._begin(tasks, senders, stop, until_done=False, **mail)
                await watch()
                stop.set()

        self._run(run())

    @contextlib.asynccontextmanager
    async def _relays(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for fake in self.fakes:
                await stack.enter_async_context(fake)
            yield

    @property
    def fakes(self) -> tuple[FakeRelay, ...]:
        """Every relay that letters may leave through."""
        return (self.fake, *(fake for fake, _ in self.further.values()))

    def _begin(
        self,
        tasks: asyncio.TaskGroup,
        senders: int,
        stop: asyncio.Event,
        *,
        until_done: bool,
        **mail: Any,
    ) -> None:
        here = dataclasses.replace(
            relayed(self.configured, self.fake, **mail),
            further_relays=tuple(
                further(name, fake, **values) for name, (fake, values) in self.further.items()
            ),
        )
        for _ in range(senders):
            tasks.create_task(worker.run(self.db, here, stop=stop, until_done=until_done))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.clock.run(work)
        check_the_promise(self.db, *self.fakes)
