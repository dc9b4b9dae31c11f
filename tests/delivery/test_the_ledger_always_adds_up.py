"""Whatever senders do, in whatever order, and whoever dies: nobody is lost, nobody gets two."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from connector import database
from connector.clock import SECOND
from connector.delivery import decisions, ledger, mailings
from connector.delivery.decisions import Reopened
from connector.delivery.mailing import Delivery, Lease
from connector.delivery.outcome import Outcome
from connector.errors import Refused
from tests import clusters
from tests.delivery import post

AUDIENCE = 6
NOW = 1_790_000_000_000
ANSWERS = {
    "sent": Outcome("sent", "250 Ok", 250, "", "content"),
    "deferred": Outcome("deferred", "451 Later", 451, "", "rcpt"),
    "refused": Outcome("refused", "550 No", 550, "", "rcpt"),
    "unreached": Outcome("unreached", "connection lost"),
    "uncertain": Outcome("uncertain", "connection lost after the dot"),
}


class Ledger(RuleBasedStateMachine):
    """Senders take, hand over, settle, release and die, while the author decides and readers leave."""

    held: Bundle[tuple[str, Lease]] = Bundle("held")
    under_way: Bundle[tuple[str, Lease, Delivery]] = Bundle("under_way")

    engine = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.at_the_end = contextlib.ExitStack()
        folder = self.at_the_end.enter_context(TemporaryDirectory())
        url = self.at_the_end.enter_context(clusters.place(self.engine))
        self.db = database.open(url or f"sqlite:///{Path(folder) / 'subscribers.db'}")
        self.at_the_end.callback(self.db.close)
        self.now = NOW
        self.boots = 0
        self.mailing = post.mail(self.db, AUDIENCE, now=NOW)
        self.accepted: Counter[int] = Counter()
        self.in_doubt: set[int] = set()
        self.sent_twice: Counter[int] = Counter()
        self.believed: set[int] = set()
        self.taken: dict[str, set[int]] = defaultdict(set)

    def teardown(self) -> None:
        self.at_the_end.close()

    @rule(target=held, worker=st.sampled_from(("anna", "boris", "clara")))
    def take(self, worker: str) -> tuple[str, Lease]:
        lease = ledger.take(self.db, "issue", worker=worker, hold=post.HOLD, now=self.now)
        if lease is not None:
            self.taken[worker].add(lease.id)
        return worker, lease or Lease(0, 0, "issue", 0, 0, 0, 0)

    @rule(target=under_way, holder=held, pick=st.integers(0, AUDIENCE - 1))
    def hand_over(self, holder: tuple[str, Lease], pick: int) -> tuple[str, Lease, Delivery]:
        worker, lease = holder
        letters = ledger.due(self.db, lease, now=self.now)
        wanted = letters[pick : pick + 1]
        granted = post.hand_over(self.db, lease, wanted, now=self.now, worker=worker)
        nothing = Delivery(0, 0, None, "", "", 0)
        return worker, lease, granted[0] if granted else nothing

    @rule(letter=consumes(under_way), answer=st.sampled_from(sorted(ANSWERS)))
    def settle(self, letter: tuple[str, Lease, Delivery], answer: str) -> None:
        _, lease, delivery = letter
        if not delivery.id:
            return
        if answer == "sent":
            self.accepted[delivery.id] += 1
        elif answer == "uncertain":
            self.in_doubt.add(delivery.id)
        post.settle(self.db, lease, [delivery], ANSWERS[answer], now=self.now)

    @rule(letter=consumes(under_way), arrived=st.booleans())
    def die_with_a_letter_at_the_relay(
        self, letter: tuple[str, Lease, Delivery], arrived: bool
    ) -> None:
        if letter[2].id and arrived:
            self.accepted[letter[2].id] += 1
            self.in_doubt.add(letter[2].id)

    @rule(holder=consumes(held))
    def release(self, holder: tuple[str, Lease]) -> None:
        worker, lease = holder
        ledger.release(self.db, lease, worker=worker, now=self.now)

    @rule(worker=st.sampled_from(("anna", "boris")))
    def renew(self, worker: str) -> None:
        held = self.taken[worker]
        ledger.renew(self.db, worker=worker, held=held, hold=post.HOLD, now=self.now)

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(seconds=st.sampled_from((60, 3600, 86_400)), is_back=st.booleans())
    def the_clock_is_set(self, seconds: int, *, is_back: bool) -> None:
        self.now += (-seconds if is_back else seconds) * SECOND

    @precondition(lambda self: self.engine == "sqlite")  # on a server every commit is on disk
    @rule()
    def the_machine_comes_back_after_a_loss_of_power(self) -> None:
        self.boots += 1
        self.db.boot = f"boot {self.boots}"  # type: ignore[misc]

    @rule(what=st.sampled_from((mailings.pause, mailings.resume)))
    def the_author_pauses_or_goes_on(self, what: Callable[..., object]) -> None:
        why = {"why": "a mistake"} if what is mailings.pause else {}
        with contextlib.suppress(Refused):
            what(self.db, self.mailing, now=self.now, **why)

    @rule(reader=st.integers(1, AUDIENCE))
    def unsubscribe(self, reader: int) -> None:
        with self.db.write() as tx:
            mailings.withdraw(tx, f"reader{reader}@example.org", why="unsubscribed", now=self.now)

    @rule(was=st.sampled_from(("refused", "uncertain")), reader=st.integers(0, AUDIENCE))
    def the_author_has_letters_sent_once_more(self, was: Reopened, reader: int) -> None:
        key = f"reader{reader}@example.org" if reader else ""
        before = self.in_state(was)
        with contextlib.suppress(Refused), self.db.write() as tx:
            decisions.resend(
                tx,
                self.mailing,
                was=was,
                audience=post.people(AUDIENCE),
                values={},
                key=key,
                now=self.now,
            )
        if was == "uncertain":
            self.sent_twice.update(before - self.in_state(was))

    @rule(is_sent=st.booleans())
    def the_author_settles_doubts(self, is_sent: bool) -> None:
        before = self.in_state("uncertain")
        with contextlib.suppress(Refused), self.db.write() as tx:
            (decisions.take_as_sent if is_sent else decisions.leave)(tx, self.mailing, now=self.now)
        self.believed |= before - self.in_state("uncertain")

    def in_state(self, state: str) -> set[int]:
        with self.db.read() as connection:
            rows = connection.rows("SELECT id FROM deliveries WHERE state = :state", state=state)
        return {row[0] for row in rows}

    @invariant()
    def states_add_up_to_the_audience(self) -> None:
        assert sum(post.counts(self.db, self.mailing).values()) == AUDIENCE

    @invariant()
    def nobody_gets_two_unless_the_author_wants_it(self) -> None:
        assert all(count <= 1 + self.sent_twice[one] for one, count in self.accepted.items())

    @invariant()
    def what_is_marked_sent_was_accepted(self) -> None:
        assert self.in_state("sent") <= set(self.accepted) | self.believed

    @invariant()
    def nobody_is_lost(self) -> None:
        with self.db.read() as connection:
            stuck = connection.value(
                """
                SELECT count(*) FROM deliveries
                 WHERE state IN ('queued', 'sending')
                   AND NOT EXISTS (SELECT 1 FROM leases WHERE due_at IS NOT NULL
                                      AND deliveries.id BETWEEN first_delivery AND last_delivery)
                """
            )
        assert stuck == 0


class LedgerOnAServer(Ledger):
    engine = "postgres"


TestLedger = Ledger.TestCase
TestLedger.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLedgerOnAServer = LedgerOnAServer.TestCase
TestLedgerOnAServer.settings = hypothesis_settings(
    max_examples=15, stateful_step_count=40, deadline=None
)
