"""What passed through the Till: one request, and the answer it got.

Whoever wants to look at everything that passes adds a watcher; at run time there is none,
and nothing is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, as bytes on a wire would have carried them."""

    method: str
    path: str
    form: str  # the body of a POST, the query of anything else
    parameters: str  # the class in stripe.params that describes the form; empty when none does
    status: int
    answer: bytes


# Called with each exchange, before the answer goes back; what they raise, the caller gets.
watchers: list[Callable[[Exchange], None]] = []
# Called with the raw body of each event, before it is delivered.
event_watchers: list[Callable[[bytes], None]] = []


def show(exchange: Exchange) -> None:
    """Let every watcher see it."""
    for watcher in watchers:
        watcher(exchange)


def show_event(body: bytes) -> None:
    """Let every watcher see an event on its way out."""
    for watcher in event_watchers:
        watcher(body)
