"""Which relay the next conversation is with, and how many at a time one stands.

Pure; which relays are broken is known to the ledger, and a conversation is smtp's.
"""

from collections.abc import Collection, Mapping

from connector.settings import RelaySettings


class Round:
    """Relays by turns, by weight, evenly mixed: 3 to 1 is a a b a, not a a a b.

    It is the smooth weighted round robin of nginx (ngx_http_upstream_round_robin.c).
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._credit = dict.fromkeys(self._weights, 0)
        self.owed = ""  # whose turn it was when it had no room

    @classmethod
    def of(cls, relays: Collection[RelaySettings]) -> "Round":
        return cls({relay.name: relay.weight for relay in relays})

    def choose(self, *, broken: Collection[str] = (), full: Collection[str] = ()) -> str | None:
        """Whose turn it is among those that work and have room; None when there is none.

        One with weight 0 stands by: it is asked only when every other is broken.
        """
        working = {name: weight for name, weight in self._weights.items() if name not in broken}
        regular = {name: weight for name, weight in working.items() if weight}
        usable = {name: weight or 1 for name, weight in (regular or working).items()}
        usable = {name: weight for name, weight in usable.items() if name not in full}
        if not usable:
            return None
        if self.owed in usable:
            chosen, self.owed = self.owed, ""
            return chosen
        for name, weight in usable.items():
            self._credit[name] += weight
        chosen = max(usable, key=lambda name: self._credit[name])
        self._credit[chosen] -= sum(usable.values())
        return chosen

    def owe(self, name: str) -> None:
        """It was the turn of one that has no room: the next turn is its as well."""
        self.owed = name


class Concurrency:
    """How many connections a relay stands: half as many when it refuses one, slowly more again.

    Postfix finds its concurrency the same way (SCHEDULER_README): grow by success, shrink by
    refusal. Many connections refused at one moment are one refusal.
    """

    def __init__(self, most: int, *, patience: int = 100) -> None:
        self.limit = self._most = most
        self._patience = patience
        self._worked = 0
        self._counts_from = 0

    @property
    def is_full(self) -> bool:
        """Whether it has as many connections as it was told."""
        return self.limit == self._most

    def refused(self, *, working: int = 0, now: int) -> None:
        """A connection was turned away for being one too many, or closed with 421.

        While others are `working`, so many are what the relay stands.
        """
        if working:
            self.limit = min(self.limit, working)
            self._worked = 0
            return
        if now < self._counts_from:
            return
        self.limit = max(1, self.limit // 2)
        self._worked = 0
        self._counts_from = now + 1_000

    def worked(self) -> None:
        """A letter was taken; after enough of them for each connection there may be one more."""
        self._worked += 1
        if self._worked >= self._patience * self.limit:
            self._worked = 0
            self.limit = min(self._most, self.limit + 1)
