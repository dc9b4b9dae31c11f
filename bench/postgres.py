"""What PostgreSQL gives: many senders at one ledger, a long mailing, a freeze, machines that die.

The bench starts a server of its own, which keeps its promises on disk as a real one does. With a
million letters it takes a quarter of an hour or more; `--letters` asks for fewer.
"""

import argparse
import contextlib
import functools
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import cluster, frame, post, relays
from bench.frame import Row, Run
from connector import database
from connector.clock import now as clock_now
from connector.delivery import mailings
from tests.clusters import Server

CLERKS = 4
GAIN = 1.2
END = 1.0
NOISE = 0.95  # two equal halves of one run differ by as much
FREEZE = 3
COST = 1.15
TWO = 1.9
NO_SINK = 9  # a port where nobody listens
AT = "SELECT settled_at FROM deliveries ORDER BY settled_at LIMIT 1 OFFSET :number"
BARE = """
    INSERT INTO bare (mailing_id, letter_id, recipient, address, address_key, name, state, due_at)
    SELECT 1, 1, people.recipient, people.address, people.address_key, people.name, 'queued', :now
      FROM ({people}) AS people
"""


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--letters", type=int, default=1_000_000, help="of the long mailings")
    arguments.add_argument("--few", type=int, default=10_000, help="of the short ones")
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16, help="of each sender")
    arguments.add_argument("--delay", type=float, default=20, help="of the sink, milliseconds")
    arguments.add_argument("--rounds", type=int, default=3, help="of the short measures")


def measure(chosen: argparse.Namespace) -> list[Row]:
    if why := cluster.why_no_server():
        return [frame.skipped("everything on PostgreSQL", why)]
    rows: list[Row] = []
    with cluster.cluster() as server:
        for part in (_ledger, _signed, _freeze, _distance, _three_hosts, _long):
            rows += part(server, chosen)
    return rows


# The ledger alone


def _ledger(server: Server, chosen: argparse.Namespace) -> list[Row]:
    """Claims and records by one process and by four, and of a long mailing its two ends."""
    found = frame.rounds(
        chosen.rounds,
        {
            "one": lambda: _clerks(server, 5 * chosen.few, clerks=1)[0],
            "four": lambda: _clerks(server, 5 * chosen.few, clerks=CLERKS)[0],
        },
    )
    frame.tell(f"Claim and record of {5 * chosen.few:,} letters, none of them sent", found)
    run, start, end = _clerks(server, chosen.letters, clerks=CLERKS)
    print(
        f"  {chosen.letters:,} by four: {run.rate:,.0f} letters/s; "
        f"the first tenth {start:,.0f}/s, the last {end:,.0f}/s"
    )
    share = end / start
    return [
        frame.at_least("claim + record, by four", found, "four", "one", GAIN),
        Row(
            f"the last tenth of {chosen.letters:,}",
            f"{end:,.0f}/s",
            f"the first {start:,.0f}/s",
            share,
            f">= {END:g}",
            share >= NOISE,
        ),
    ]


def _clerks(server: Server, letters: int, *, clerks: int) -> tuple[Run, float, float]:
    """All of it; and letters a second in the first and the last tenth."""
    with _publication(server, NO_SINK, connections=1) as folder, ExitStack() as stack:
        post.queue(folder, letters=letters, kilobytes=1)
        those = [stack.enter_context(frame.child("clerk", folder)) for _ in range(clerks)]
        frame.begin(*those)
        said = [frame.result(one) for one in those]
        began = min(one["began"] for one in said)
        tenth = letters // 10
        marks = _moments(folder, tenth - 1, letters - tenth, letters - 1)
    run = Run(letters, (marks[2] - began) / 1000, sum(one["processor"] for one in said))
    start, end = marks[0] - began, marks[2] - marks[1]
    return run, tenth / max(1, start) * 1000, tenth / max(1, end) * 1000


def _moments(folder: Path, *numbers: int) -> list[int]:
    """When the letters with these numbers, in the order of time, were written down as sent."""
    with contextlib.closing(post.opened(folder)) as db, db.read() as connection:
        return [int(connection.value(AT, number=number)) for number in numbers]


def _signed(server: Server, chosen: argparse.Namespace) -> list[Row]:
    """Whether one process at the ledger does more than one that signs and sends can ask of it."""
    with relays.own_sink() as port:
        ways: dict[str, Callable[[], Run]] = {
            "ledger": lambda: _clerks(server, 5 * chosen.few, clerks=1)[0],
            "signed": lambda: _send(server, port, chosen, letters=chosen.few // 2, is_signed=True),
            "unsigned": lambda: _send(server, port, chosen, letters=2 * chosen.few),
        }
        found = frame.rounds(chosen.rounds, ways)
    frame.tell("The ledger alone, and one sender to our own sink", found)
    return [
        frame.at_least("the ledger, one process", found, "ledger", "signed", 1),
        frame.at_least("the ledger, unsigned letters", found, "ledger", "unsigned", 1),
    ]


# Sending


def _long(server: Server, chosen: argparse.Namespace) -> list[Row]:
    few, many = f"of {chosen.few:,}", f"of {chosen.letters:,}"
    with relays.own_sink() as port:
        send = functools.partial(_send, server, port, chosen)
        found: dict[str, Sequence[Run]] = {
            few: [send(letters=chosen.few) for _ in range(chosen.rounds)],
            many: [send(letters=chosen.letters)],
        }
    frame.tell("One sender on PostgreSQL to our own sink", found)
    cost = {name: frame.median(found, name, frame.cost) for name in found}
    share = cost[many] / cost[few]
    return [
        Row(
            f"a letter {many}, processor",
            f"{cost[many]:.1f} us",
            f"{few} {cost[few]:.1f} us",
            share,
            f"<= {COST:g}",
            share <= COST,
        )
    ]


def _distance(server: Server, chosen: argparse.Namespace) -> list[Row]:
    with relays.own_sink(chosen.delay) as port:
        send = functools.partial(_send, server, port, chosen)
        found = frame.rounds(
            chosen.rounds,
            {
                "one sender": lambda: send(letters=chosen.few),
                "two senders": lambda: send(letters=2 * chosen.few, senders=2),
            },
        )
    frame.tell(f"Senders to a sink whose answers come {chosen.delay:g} ms late", found)
    return [frame.at_least("two senders, letters/s", found, "two senders", "one sender", TWO)]


def _send(
    server: Server,
    port: int,
    chosen: argparse.Namespace,
    *,
    letters: int,
    senders: int = 1,
    is_signed: bool = False,
) -> Run:
    with cluster.database(server) as url:
        return post.ours(
            port,
            letters=letters,
            kilobytes=chosen.kilobytes,
            connections=chosen.connections,
            is_signed=is_signed,
            senders=senders,
            database=url,
        )


def _three_hosts(server: Server, chosen: argparse.Namespace) -> list[Row]:
    """One of three senders is killed and one stands still for longer than its lease."""
    letters = 2 * chosen.few
    with (
        relays.own_sink() as port,
        _publication(server, port, connections=chosen.connections, lease=2) as folder,
        ExitStack() as stack,
    ):
        post.queue(folder, letters=letters, kilobytes=chosen.kilobytes)
        three = [stack.enter_context(frame.child("sender", folder, "--stay")) for _ in range(3)]
        frame.begin(*three)
        _wait(lambda: relays.tally(port)["letters"] > letters / 4)
        three[0].kill()
        three[1].send_signal(signal.SIGSTOP)
        # One that holds the rows of others while it stands still is waited for.
        _wait(lambda: _open(folder) == 0, most=30)
        three[1].send_signal(signal.SIGCONT)
        _wait(lambda: _open(folder) == 0)
        for one in three[1:]:
            one.terminate()
            frame.result(one)
        taken = int(relays.tally(port)["letters"])
        sent, doubtful = _counts(folder)
    lost, doubled = (
        letters - sent - doubtful + max(0, sent - taken),
        max(0, taken - sent - doubtful),
    )
    print(
        f"\nThree senders, one killed and one cut off: {sent:,} sent, {doubtful} uncertain; "
        f"the sink has {taken:,}"
    )
    most = 2 * 4 * chosen.connections
    return [
        Row("of three hosts two fail: lost", str(lost), "", None, "0", lost == 0),
        Row("of three hosts two fail: doubled", str(doubled), "", None, "0", doubled == 0),
        Row("of three hosts two fail: uncertain", str(doubtful), "", None, f"<= {most}",
            doubtful <= most),
    ]  # fmt: skip


def _open(folder: Path) -> int:
    return _ask(folder, "SELECT count(*) FROM mailings WHERE finished_at IS NULL")


def _counts(folder: Path) -> tuple[int, int]:
    sent = _ask(folder, "SELECT count(*) FROM deliveries WHERE state = 'sent'")
    return sent, _ask(folder, "SELECT count(*) FROM deliveries WHERE state = 'uncertain'")


def _ask(folder: Path, sql: str) -> int:
    with contextlib.closing(post.opened(folder)) as db, db.read() as connection:
        return int(connection.value(sql))


def _wait(is_so: Callable[[], bool], *, most: float = 0, seconds: float = 120) -> None:
    """Until it is so; with `most`, for that many seconds at most, whether it is or not."""
    began = time.monotonic()
    while not is_so():
        waited = time.monotonic() - began
        if most and waited > most:
            return
        if waited > seconds:
            sys.exit("What this measure waits for did not come.")
        time.sleep(0.2)


# The freeze


def _freeze(server: Server, chosen: argparse.Namespace) -> list[Row]:
    found: dict[str, list[float]] = {"bare": [], "freeze": []}
    for number in range(chosen.rounds):
        ways = list(found) if number % 2 == 0 else list(found)[::-1]
        for way in ways:
            with cluster.database(server) as url:
                found[way].append(_filled(url, way, chosen.letters))
    bare, ours = (statistics.median(found[way]) for way in ("bare", "freeze"))
    share = statistics.median(
        mine / theirs for mine, theirs in zip(found["freeze"], found["bare"], strict=True)
    )
    print(f"\nA list of {chosen.letters:,} fixed: {ours:.1f} s; as bare rows {bare:.1f} s")
    return [
        Row(
            f"a freeze of {chosen.letters:,}",
            f"{ours:.1f} s",
            f"bare INSERT … SELECT {bare:.1f} s",
            share,
            f"<= {FREEZE:g}",
            share <= FREEZE,
        )
    ]


def _filled(url: str, way: str, rows: int) -> float:
    """Seconds to queue so many people, as a freeze does or in one bare statement."""
    with contextlib.closing(database.open(url)) as db:
        with db.write() as tx:
            tx.run("CREATE TABLE people AS " + post.PEOPLE.replace(":count", str(rows)))
            tx.run("CREATE TABLE bare (LIKE deliveries INCLUDING ALL)")
            mailing = mailings.announce(
                tx, {"everyone": post.essay(1)}, about="bench", once="issue:bench",
                starts_at=clock_now(), now=clock_now(),
            )  # fmt: skip
        assert mailing is not None
        people, now = "SELECT * FROM people", clock_now()
        began = time.perf_counter()
        with db.write(durable=True) as tx:
            if way == "bare":
                tx.run(BARE.format(people=people), now=now)
            else:
                mailings.freeze(tx, mailing, audience=people, values={}, now=now)
        return time.perf_counter() - began


@contextlib.contextmanager
def _publication(server: Server, port: int, *, connections: int, lease: int = 60) -> Iterator[Path]:
    with (
        cluster.database(server) as url,
        post.publication(port, connections=connections, database=url, lease=lease) as folder,
    ):
        yield folder


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
