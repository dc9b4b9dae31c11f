"""The Till's clock: what was due is done, each thing at its own moment, before anything else is.

Time only moves forward.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from connector.clock import DAY, SECOND
from connector.database import Database, Transaction
from connector.settings import Settings
from connector.till import checkout, store, subscriptions
from connector.till.drawer import Drawer, Entry

# Stripe, “Events”: they can be read for 30 days, and are sent again for three.
EVENTS_KEPT = 30 * DAY
EVENTS_SENT = 3 * DAY


@contextmanager
def opened(db: Database, settings: Settings, *, now: int) -> Iterator[Drawer]:
    """The drawer at the Till's present time; written when the block ends well.

    `now` is the real time in milliseconds.
    """
    with db.write() as tx:
        clock = store.clock(tx)
        drawer = Drawer(tx, settings, 0, clock.at_last)
        catch_up(tx, drawer, until=(now + clock.ahead) // SECOND)
        yield drawer
        drawer.write(tx)


def turn(db: Database, settings: Settings, seconds: int, *, now: int) -> int:
    """Move the Till's clock ahead and do what falls due; its new time in milliseconds."""
    with db.write() as tx:
        clock = store.clock(tx)
        clock.ahead += seconds * SECOND
        store.set_clock(tx, clock)
    with opened(db, settings, now=now) as drawer:
        return drawer.now * SECOND


def catch_up(tx: Transaction, drawer: Drawer, *, until: int) -> None:
    """Do everything that was due by `until`, in order, and move there."""
    while (entry := drawer.next_due(by=until)) is not None:
        drawer.at(entry.due or 0)
        _attend(drawer, entry)
        drawer.write(tx)
        drawer.forget()  # what is held is looked through at every writing
    drawer.at(until)
    store.lose_events(tx, before=until * SECOND - EVENTS_SENT)
    store.drop_events(tx, before=until * SECOND - EVENTS_KEPT)


def _attend(drawer: Drawer, entry: Entry) -> None:
    if entry.kind == "subscription":
        subscriptions.due(drawer, entry)
    elif entry.kind == "invoice":
        subscriptions.due_invoice(drawer, entry)
    else:
        checkout.over(drawer, entry)
