"""One limit that all senders share: when its next letter may go, and the rate it has learned.

Pure: every verb answers with the row as it is afterwards; keeping it is the store's.
"""

from dataclasses import dataclass, replace

from connector.clock import HOUR, MINUTE, SECOND

# Rows count microseconds: at 1,000 letters a second a millisecond would be all there is.
MICRO = 1_000
# Letters get their turn this far ahead; it is also how long a new rate needs to be felt.
HORIZON = 15 * SECOND

# Letters a minute.
FIRST = 60  # when somebody who had no limit asks us to slow down
FLOOR = 6  # nobody is asked less often than this; a provider that wants less defers us
FREE = 6_000  # a learned rate that has grown to this is none


@dataclass(frozen=True, slots=True)
class Bucket:
    """`next_at` is in microseconds, `learned` in letters a minute from `learned_at` on, 0 for none.

    `taken` counts letters, where that is the limit.
    """

    name: str
    next_at: int = 0
    learned: int = 0
    learned_at: int = 0
    taken: int = 0

    def learned_rate(self, *, now: int) -> int:
        """What it has learned, doubled for each quiet minute since; 0 when it has forgotten."""
        if not self.learned:
            return 0
        quiet = max(0, now - self.learned_at) // MINUTE
        rate = self.learned << min(quiet, 20)
        return 0 if rate >= FREE else rate

    def rate(self, told: int, *, now: int) -> int:
        """Letters a minute: the lower of what it was told and what it has learned; 0 for no limit."""
        learned = self.learned_rate(now=now)
        return min(told, learned) if told and learned else told or learned

    def grant(
        self, count: int, *, rate: int, now: int, horizon: int = HORIZON
    ) -> tuple["Bucket", list[int]]:
        """Up to `count` turns before `now + horizon`, each at its time in milliseconds.

        One letter at a time at an even pace (GCRA with no burst): turns of all grants together
        are never closer than the rate allows.
        """
        gap, first = _gap(rate), self._open(now)
        room = -((first - (now + horizon) * MICRO) // gap)
        granted = max(0, min(count, room))
        turns = [-(-(first + gap * turn) // MICRO) for turn in range(granted)]
        return (replace(self, next_at=first + gap * granted) if granted else self), turns

    def pass_by(self, count: int, *, rate: int, now: int) -> "Bucket":
        """`count` letters that wait for nobody; those behind them wait the longer."""
        return replace(self, next_at=self._open(now) + _gap(rate) * count)

    def slowed(self, told: int, *, measured: int = 0, now: int) -> "Bucket":
        """After “not so fast”: half the rate it had, or of the `measured` one; at least FLOOR.

        Turns given before it slowed down are not held against the new rate.
        """
        if self.learned and self.learned_at <= now < self.learned_at + HORIZON:
            return self
        had = self.rate(told, now=now) or measured or 2 * FIRST
        learned = max(FLOOR, had // 2)
        return replace(
            self, next_at=self._open(now) + _gap(learned), learned=learned, learned_at=now
        )

    def opens_at(self, *, now: int) -> int:
        """When there is room again, in milliseconds."""
        return -(-self._open(now) // MICRO)

    def _open(self, now: int) -> int:
        # A clock that was wrong for a while must not close it for ever.
        return min(max(self.next_at, now * MICRO), (now + HOUR) * MICRO)


def _gap(rate: int) -> int:
    """Microseconds between two letters, rounded so that the rate is never passed."""
    return -(-MINUTE * MICRO // rate)
