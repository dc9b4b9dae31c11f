"""The stretches of letters a sender holds, dealt out in order a few at a time.

It knows how many letters of each stretch are under way, and gives a stretch back when none
is; it never sends.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from connector.database import Database
from connector.delivery import ledger
from connector.delivery.mailing import Delivery, Kind, Lease
from connector.delivery.outage import Outage
from connector.delivery.pace import Pace, Turns
from connector.delivery.providers import group_of
from connector.delivery.steady import Steady
from connector.errors import DatabaseUnavailable

# So many stretches whose letters all wait for their turn are taken at one moment: a notice
# shall not wait until hundreds are.
TAKES = 4


@dataclass(slots=True, eq=False)
class Stretch:
    """A stretch in our hands: `waiting` letters still to go, `open` ones without a recorded outcome.

    `soon` are letters whose turn comes at a time, in milliseconds and in order; `returned`
    counts those that came back and may go again.
    """

    lane: "Stretches"
    lease: Lease
    turns: Turns
    taken_at: int
    waiting: deque[Delivery]
    soon: deque[tuple[int, Delivery]]
    open: int = 0
    returned: int = 0

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.open and not self.soon

    @property
    def unsent(self) -> int:
        """How many letters had their turn and did not go."""
        return len(self.waiting) + len(self.soon) + self.returned


@dataclass(slots=True, eq=False)
class Hand:
    """Letters of one stretch, dealt: open until each has a recorded outcome."""

    stretch: Stretch
    letters: list[Delivery]


class Stretches:
    """What a sender holds of one lane; `hold` is how long a stretch is ours, in milliseconds."""

    def __init__(
        self,
        db: Database,
        kind: Kind,
        *,
        worker: str,
        hold: int,
        pace: Pace,
        steady: Steady,
        outage: Outage,
    ) -> None:
        self.kind: Kind = kind
        self._db = db
        self._worker = worker
        self._hold = hold
        self._pace = pace
        self._steady = steady
        self._outage = outage
        self._held: list[Stretch] = []
        self._is_dry = False

    def look_again(self) -> None:
        """Let the next `deal` ask the database, although nothing was due a moment ago."""
        self._is_dry = False

    @property
    def held(self) -> list[int]:
        """The leases of what we hold."""
        return [stretch.lease.id for stretch in self._held]

    @property
    def has_more(self) -> bool:
        """Whether another `deal` may give something."""
        return not self._is_dry or any(stretch.waiting for stretch in self._held)

    def deal(self, count: int) -> list[Hand]:
        """Up to `count` letters, open from now on; none when none may go now."""
        hands: list[Hand] = []
        while count > 0:
            stretch = self._ready() or self._take()
            if stretch is None:
                break
            waiting = stretch.waiting
            letters = [waiting.popleft() for _ in range(min(count, len(waiting)))]
            stretch.open += len(letters)
            count -= len(letters)
            hands.append(Hand(stretch, letters))
        return hands

    def take_back(self, hand: Hand, *, but: int = 0) -> None:
        """Letters that were dealt and are not handed over wait again, `but` for the first few."""
        back = hand.letters[but:]
        hand.stretch.waiting.extendleft(reversed(back))
        hand.stretch.open -= len(back)
        hand.letters = hand.letters[:but]

    def _ready(self) -> Stretch | None:
        for stretch in self._held:
            if stretch.soon:
                now = self._steady.now()
                while stretch.soon and stretch.soon[0][0] <= now:
                    stretch.waiting.append(stretch.soon.popleft()[1])
            if stretch.waiting:
                return stretch
        return None

    def _take(self) -> Stretch | None:
        """Hold one more stretch that has letters which may go now, if there is one.

        Once nothing is due it does not ask again before `look_again`: it is called whenever
        a connection of the lane has nothing to send.
        """
        for _ in range(TAKES):
            if self._is_dry:
                return None
            now = self._steady.now()
            try:
                lease = ledger.take(
                    self._db, self.kind, worker=self._worker, hold=self._hold, now=now
                )
                if lease is None:
                    self._is_dry = True
                    return None
                turns = self._pace.turns(lease, ledger.due(self._db, lease, now=now), now=now)
            except DatabaseUnavailable as error:
                self._outage.tell(error)
                self._is_dry = True
                return None
            stretch = Stretch(self, lease, turns, now, deque(turns.now), deque(turns.soon))
            self._held.append(stretch)
            if stretch.waiting:
                return stretch
        return None

    def put_aside(self, providers: Collection[str]) -> None:
        """Letters to a provider that wants fewer go back, to wait for their turn with the others."""
        for stretch in self._held:
            kept = [one for one in stretch.waiting if group_of(one.address) not in providers]
            stretch.returned += len(stretch.waiting) - len(kept)
            stretch.waiting = deque(kept)

    def release(self, *, everything: bool = False) -> None:
        """Give back what is done; with `everything` also what has only waiting letters."""
        for stretch in [one for one in self._held if one.is_done or (everything and not one.open)]:
            try:
                self._give_back(stretch)
            except DatabaseUnavailable as error:
                self._outage.tell(error)
            else:
                self._held.remove(stretch)

    def _give_back(self, stretch: Stretch) -> None:
        now, turns = self._steady.now(), stretch.turns
        self._pace.give_back(turns, stretch.unsent)
        stretch.turns = replace(turns, day="")
        if turns.again_at and not stretch.unsent:
            ledger.put_off(
                self._db,
                stretch.lease,
                worker=self._worker,
                again_at=turns.again_at,
                taken_at=stretch.taken_at,
                now=now,
            )
        else:
            ledger.release(self._db, stretch.lease, worker=self._worker, now=now)
