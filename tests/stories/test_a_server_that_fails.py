"""A server that restarts, lines that break, machines that die: no letter is lost, none comes twice.

Real processes, a real PostgreSQL server; see also test_many_at_once.py.
"""

import contextlib
import random
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import clock, database, sending, templates
from connector.database import Database
from connector.delivery import ledger, mailings
from connector.errors import DatabaseUnavailable
from connector.publishing import publish as pages
from connector.readers import signup
from connector.settings import Settings
from tests import clusters
from tests.clusters import Server
from tests.delivery import post
from tests.delivery.promise import check_the_promise
from tests.fakes.line import BadLine
from tests.fakes.smtp import FakeRelay
from tests.stories import sender, site
from tests.waiting import until

LETTERS = 1_500
CONNECTIONS = 4
WINDOW = 4
HANG_UP = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = 'letters' AND application_name = 'connector' AND pid <> pg_backend_pid()
"""
ISSUE = "---\ntitle: {title}\n---\n\nNobody owns the bench.\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that keeps what it promises, and that a test may stop."""
    clusters.running()
    with clusters.own() as one:
        yield one


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    server.tell("CREATE DATABASE letters")
    yield server.url_by_network("letters")
    server.tell("DROP DATABASE letters WITH (FORCE)")


@pytest.fixture
def kept(url: str) -> Iterator[Database]:
    """The database, as the test itself looks at it."""
    with contextlib.closing(database.open(url)) as opened:
        yield opened


@pytest.fixture
def chance() -> random.Random:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")  # shown when a test fails
    return random.Random(seed)  # noqa: S311 - no secret hangs on it


def is_finished(db: Database, mailing: int) -> bool:
    with contextlib.suppress(DatabaseUnavailable):
        return post.look(db, mailing).finished_at is not None
    return False


def complaints(root: Path) -> list[str]:
    return (root / "complaints.txt").read_text(encoding="utf-8").splitlines()


# The server


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_in_the_middle_of_a_mailing_is_not_felt_by_anybody(
    server: Server, url: str, kept: Database, root: Path, how: str
) -> None:
    mailing = post.mail(kept, LETTERS, now=clock.now())

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60, connections=CONNECTIONS)
        with sender.running(root, database=url) as one, sender.running(root, database=url) as two:
            for letters in (LETTERS // 5, LETTERS // 2):
                await_letters(relay, letters)
                server.stop(how)
                server.start()
            until(lambda: is_finished(kept, mailing), "the mailing to finish")
            assert (one.poll(), two.poll()) == (None, None), "nobody gave up"

    assert post.counts(kept, mailing) == {"sent": LETTERS}
    check_the_promise(kept, relay)


def test_a_long_outage_is_said_once_by_each_sender(
    server: Server, url: str, kept: Database, root: Path
) -> None:
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60, connections=CONNECTIONS)
        with sender.running(root, database=url), sender.running(root, database=url):
            until(lambda: senders(kept) == 2, "two senders")
            server.stop("fast")
            time.sleep(3)
            server.start()
            mailing = post.mail(database.open(url), 20, now=clock.now())
            until(lambda: is_finished(kept, mailing), "the mailing to finish")
            until(lambda: len(complaints(root)) >= 4, "both to say that it is over")

    said = Counter(line.partition(": ")[2].split(",")[0] for line in complaints(root))
    assert len(complaints(root)) == 4, said


def senders(db: Database) -> int:
    with db.read() as connection:
        return int(connection.value("SELECT count(*) FROM senders"))


def test_a_standby_takes_over_in_the_middle_of_a_mailing(root: Path) -> None:
    with two_servers() as (primary, standby):
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/letters"
        url += "?target_session_attrs=read-write"
        with contextlib.closing(database.open(url)) as kept, FakeRelay().in_thread() as relay:
            mailing = post.mail(kept, LETTERS, now=clock.now())
            sender.relayed(root, relay, lease=60, connections=CONNECTIONS)
            with (
                sender.running(root, database=url) as one,
                sender.running(root, database=url) as two,
            ):
                await_letters(relay, LETTERS // 4)
                primary.stop("immediate")
                standby.promote()
                until(lambda: is_finished(kept, mailing), "the mailing to finish")
                assert (one.poll(), two.poll()) == (None, None), "nobody gave up"

            assert len(relay.received) > LETTERS // 4
            assert post.counts(kept, mailing) == {"sent": LETTERS}
            check_the_promise(kept, relay)


@contextlib.contextmanager
def two_servers() -> Iterator[tuple[Server, Server]]:
    """A primary with a database for letters, and a standby that has every commit."""
    clusters.running()
    with clusters.own(wal_level="replica", max_wal_senders="4") as primary:
        primary.tell("CREATE DATABASE letters")
        standby = Server(primary.folder.parent / "standby")
        try:
            standby.follow(primary)
            yield primary, standby
        finally:
            with contextlib.suppress(AssertionError):
                standby.stop()


# The lines


def test_lines_that_are_cut_at_any_moment_lose_nothing(
    server: Server, url: str, kept: Database, root: Path, chance: random.Random
) -> None:
    mailing = post.mail(kept, LETTERS, now=clock.now())
    is_over = threading.Event()

    def cut() -> None:
        while not is_over.wait(chance.uniform(0.02, 0.4)):
            server.tell(HANG_UP)

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=60, connections=CONNECTIONS)
        cutter = threading.Thread(target=cut)
        with sender.running(root, database=url), sender.running(root, database=url):
            until(lambda: len(relay.received) > 50, "letters")
            cutter.start()
            try:
                until(lambda: len(relay.received) > LETTERS * 2 // 3, "most letters")
            finally:
                is_over.set()
                cutter.join()
            until(lambda: is_finished(kept, mailing), "the mailing to finish")

    assert post.counts(kept, mailing) == {"sent": LETTERS}
    check_the_promise(kept, relay)


def test_a_commit_of_which_nobody_knows_whether_it_was_kept(
    server: Server, url: str, kept: Database, root: Path, chance: random.Random
) -> None:
    mailing = post.mail(kept, LETTERS, now=clock.now())
    line = BadLine(server.port, every=12, most=8, chance=chance)

    with FakeRelay().in_thread() as relay, line.in_thread() as port:
        bad = url.replace(f":{server.port}/", f":{port}/")
        sender.relayed(root, relay, lease=60, connections=CONNECTIONS)
        with sender.running(root, database=bad), sender.running(root, database=bad):
            until(lambda: is_finished(kept, mailing), "the mailing to finish")

    assert len(line.cuts) == line.most
    assert post.counts(kept, mailing) == {"sent": LETTERS}, line.cuts
    check_the_promise(kept, relay)


# The machines


def test_of_three_machines_one_dies_and_one_is_cut_off(
    url: str, kept: Database, root: Path
) -> None:
    mailing = post.mail(kept, LETTERS, now=clock.now())

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=1, connections=CONNECTIONS)
        with (
            sender.running(root, database=url) as dies,
            sender.running(root, database=url) as sleeps,
            sender.running(root, database=url) as lives,
        ):
            until(lambda: senders(kept) == 3, "three senders")
            until(lambda: len(relay.received) > LETTERS // 5, "letters")
            sleeps.send_signal(signal.SIGSTOP)
            dies.kill()
            until(lambda: is_finished(kept, mailing), "the last to finish alone")
            sleeps.send_signal(signal.SIGCONT)
            until(lambda: not ledger.is_open(kept, now=clock.now()), "nothing to be open")
            for one in (sleeps, lives):
                one.send_signal(signal.SIGTERM)
            assert (sleeps.wait(20), lives.wait(20)) == (0, 0)

    counts = post.counts(kept, mailing)
    assert set(counts) <= {"sent", "uncertain"}
    assert counts.get("uncertain", 0) <= 2 * CONNECTIONS * WINDOW
    check_the_promise(kept, relay)


def test_what_is_scheduled_begins_once_though_a_machine_dies(
    db: Database, root: Path, configured: Settings
) -> None:
    now = clock.now()
    people = [f"reader{number}@example.org" for number in range(30)]
    for email in people:
        signup.add(db, configured, email=email, now=now)
    letters = {"everyone": post.LETTER, "member": post.LETTER}

    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay, lease=1, connections=CONNECTIONS)
        with sender.running(root) as dies, sender.running(root), sender.running(root):
            until(lambda: senders(db) == 3, "three senders")
            with db.write() as tx:
                mailing = mailings.announce(
                    tx, letters, about="bench", once="issue:bench", now=now,
                    starts_at=clock.now() + 500,
                )  # fmt: skip
            assert mailing is not None
            dies.kill()
            until(lambda: is_finished(db, mailing), "the mailing to finish", seconds=20)

    assert sorted(relay.recipients) == sorted(people)
    assert post.look(db, mailing).size == len(people)
    check_the_promise(db, relay)


# The readers


def test_readers_see_at_most_a_page_that_asks_them_to_come_back(
    server: Server, url: str, tmp_path: Path
) -> None:
    root = site.found(tmp_path)

    with site.serving(root, "serve", "--no-sender", database=url, complaints=1) as ours:
        publish(ours.settings, "The bench", root)
        assert ours.get("/p/the-bench").status_code == 200
        server.stop("fast")

        in_memory, away = ours.get("/p/the-bench"), ours.get("/archive")
        began = time.monotonic()
        asked = ours.post("/subscribe", email="ada@example.org")
        waited = time.monotonic() - began
        server.start()
        until(lambda: ours.get("/archive").status_code == 200, "the site", seconds=10)

    assert in_memory.status_code == 200
    for answer in (away, asked):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) <= 60
        assert len(answer.text) < 10_000
        assert "Closed for a moment" in answer.text
    assert waited < 2


def test_a_publish_is_seen_on_every_machine_within_a_second(
    engine_of_story: str, tmp_path: Path
) -> None:
    with clusters.place(engine_of_story) as url, contextlib.ExitStack() as stack:
        place = url or f"sqlite:///{tmp_path}/letters.db"
        roots = [tmp_path / name for name in ("one", "two")]
        sites = []
        for root in roots:
            root.mkdir()
            site.found(root)
            sites.append(
                stack.enter_context(site.serving(root, "serve", "--no-sender", database=place))
            )
        for _ in range(2):
            assert all("The bench" not in one.get("/").text for one in sites)

        publish(sites[0].settings, "The bench", roots[0])
        began = time.monotonic()
        for one in sites:
            await_issue(one)

        assert time.monotonic() - began < 1


def await_letters(relay: FakeRelay, many: int) -> None:
    until(lambda: len(relay.received) > many, "letters")


def await_issue(one: site.Site) -> None:
    until(lambda: "The bench" in one.get("/").text, "the issue", seconds=5)


def publish(here: Settings, title: str, root: Path) -> None:
    file = root / "issues" / f"{title.lower().replace(' ', '-')}.md"
    file.write_text(ISSUE.format(title=title), encoding="utf-8")
    now = clock.now()
    prepared = pages.prepare(file, here, templates.environment(root), now=now)
    with contextlib.closing(database.open(here.database)) as db:
        sending.publish(db, prepared, at=now, web_only=False, now=now)
