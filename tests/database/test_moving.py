"""From one database to another: all of it, unchanged, once; or nothing at all."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from connector import database
from connector.database import moving, opening
from connector.database.migrations import STEPS
from connector.database.moving import Moved, Stage
from connector.errors import (
    ConnectorError,
    DatabaseUnavailable,
    Misconfigured,
    Refused,
    WrongSchema,
)
from tests import clusters
from tests.database import files, publication, tables

NOW = publication.AT
WAYS = [(here, there) for here in clusters.ENGINES for there in clusters.ENGINES]


@contextlib.contextmanager
def place(engine: str, folder: Path, name: str) -> Iterator[str]:
    """The URL of a database that nobody has set up."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    with clusters.empty() as url:
        yield url


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where from and where to: the first is set up, the second is not."""
    here, there = request.param
    with place(here, tmp_path, "here") as source, place(there, tmp_path, "there") as target:
        database.open(source).close()
        yield source, target


@pytest.fixture
def full(way: tuple[str, str]) -> tuple[str, str]:
    """The same, and the first has something in every table."""
    with opened(way[0]) as db:
        publication.fill(db)
    return way


@contextlib.contextmanager
def opened(url: str) -> Iterator[database.Database]:
    with contextlib.closing(database.open(url)) as db:
        yield db


def move(
    source: str, target: str, tell: Callable[[Stage], None] = lambda _: None, *, now: int = NOW
) -> list[Moved]:
    return moving.move(source, target, now=now, tell=tell)


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything but what a database says of itself, marked or not."""
    with contextlib.closing(opening.engine(url)) as db:
        found = tables.dump(db)
    del found["moves"]
    return found


def is_new(url: str) -> bool:
    """Whether there is nothing but what setting it up makes."""
    with opened(url) as db:
        found = tables.dump(db)
    return {name for name, rows in found.items() if rows} == {"versions"}


# What arrives


def test_every_row_of_every_table_arrives_as_it_was(full: tuple[str, str]) -> None:
    source, target = full
    before = content(source)
    assert [name for name, rows in before.items() if not rows] == []

    moved = move(source, target)

    assert content(target) == before == content(source)
    assert {one.table: one.rows for one in moved} == {
        name: len(rows) for name, rows in before.items()
    }
    assert is_usable(target)


def is_usable(url: str) -> bool:
    with opened(url) as db, db.write():
        return True


def test_no_id_is_ever_given_again(full: tuple[str, str]) -> None:
    source, target = full
    with opened(source) as db, db.write() as tx:
        tx.run(NEW)  # its id is known to the world, and then it is gone
        last = tx.value("SELECT max(id) FROM confirmations")
        tx.run("DELETE FROM confirmations")

    move(source, target)

    with opened(target) as db, db.write() as tx:
        assert tx.value(f"{NEW} RETURNING id") == last + 1
        assert tx.value(f"{ADA} RETURNING id") == 18


NEW = "INSERT INTO confirmations (email_key, client, at) VALUES ('a', 'b', 1)"
ADA = (
    "INSERT INTO subscribers (email, email_key, state, source, created_at) "
    "VALUES ('x@example.org', 'x@example.org', 'active', 'form', 7)"
)


def test_there_and_back_again(full: tuple[str, str], tmp_path: Path) -> None:
    source, target = full
    before = content(source)

    move(source, target)
    move(target, f"sqlite:///{tmp_path / 'back.db'}")

    assert content(f"sqlite:///{tmp_path / 'back.db'}") == before


def test_an_empty_publication_moves_too(way: tuple[str, str]) -> None:
    source, target = way

    move(source, target)

    assert is_new(target)


TEXTS = st.text(st.characters(codec="utf-8"))
RARE = st.text(st.sampled_from("\0\\\n\r\t\x01\x80\u07ff\uffff\U0010ffff.N"))
NUMBERS = st.integers(publication.SMALLEST, publication.LARGEST)


@pytest.mark.parametrize("there", clusters.ENGINES)
@hypothesis.settings(max_examples=12, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    rows=st.lists(
        st.tuples(TEXTS | RARE, st.none() | NUMBERS, st.none() | st.binary(max_size=300)),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_whatever_a_text_a_number_or_bytes_can_be(
    there: str, rows: list[tuple[str, int | None, bytes | None]]
) -> None:
    with tempfile.TemporaryDirectory() as folder, place(there, Path(folder), "there") as target:
        source, back = f"sqlite:///{folder}/here.db", f"sqlite:///{folder}/back.db"
        with opened(source) as db, db.write() as tx:
            tx.many(
                "INSERT INTO inbound (received_at, source, digest, kind, effect, seen_at, raw) "
                "VALUES (1, ?, ?, '', '', ?, ?)",
                [(text, str(i), number, raw) for i, (text, number, raw) in enumerate(rows)],
            )

        move(source, target)
        move(target, back)

        holds_nul = there == "sqlite"
        with opened(back) as db, db.read() as connection:
            assert connection.rows("SELECT source, seen_at, raw FROM inbound ORDER BY id") == [
                (text if holds_nul else text.replace("\0", ""), number, raw)
                for text, number, raw in rows
            ]


def test_what_differs_on_arrival_is_found_and_nothing_is_moved(
    full: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = full
    monkeypatch.setattr(moving, "_copy", spoiling(moving._copy))

    with pytest.raises(ConnectorError, match=r"The table suppressions in .* Nothing was moved"):
        move(source, target)

    assert is_new(target)
    assert is_usable(source)


def spoiling(copy: Any) -> Any:
    def spoilt(ours: Any, theirs: Any, target: Any, *, tell: Any) -> Any:
        def telling(stage: Stage) -> None:
            if stage.what == "Comparing" and stage.table == "suppressions":
                theirs.tx.run("UPDATE suppressions SET at = at - 1")
            tell(stage)

        return copy(ours, theirs, target, tell=telling)

    return spoilt


# The old one


def test_the_old_one_is_not_opened_any_more(full: tuple[str, str]) -> None:
    source, target = full
    move(source, target)

    with pytest.raises(Misconfigured, match=r"was moved to .*there|letters_.* on 2026-09-2"):
        database.open(source)


def test_who_has_the_old_one_open_reads_but_writes_no_more(full: tuple[str, str]) -> None:
    source, target = full
    with opened(source) as db:
        move(source, target)

        with pytest.raises(DatabaseUnavailable, match="was moved to"), db.write():
            pass
        with pytest.raises(DatabaseUnavailable, match="was moved to"), db.write(side_by_side=True):
            pass
        with db.read() as connection:
            assert connection.value("SELECT count(*) FROM subscribers") == 2


def test_who_waits_to_write_meanwhile_is_told_and_loses_nothing_unsaid(
    full: tuple[str, str],
) -> None:
    source, target = full
    said: list[str] = []

    def write() -> None:
        try:
            publication.put(db, "suppressions", {"address_key": "new", "why": "x", "at": 1})
        except DatabaseUnavailable as error:
            said.append(str(error))

    thread = threading.Thread(target=write)

    def tell(stage: Stage) -> None:
        if stage.table == "subscribers" and not thread.ident:
            thread.start()

    with opened(source) as db:
        move(source, target, tell)
        thread.join(30)

    assert len(said) == 1
    assert "was moved to" in said[0]
    assert content(source) == content(target)


def test_it_is_not_moved_twice(full: tuple[str, str], tmp_path: Path) -> None:
    source, target = full
    move(source, target)

    with pytest.raises(Refused, match="was moved to"):
        move(source, f"sqlite:///{tmp_path / 'third.db'}")
    with pytest.raises(Refused, match="was moved to"):
        move(source, target)


# Refusals


def test_nothing_is_moved_while_a_sender_lives(full: tuple[str, str]) -> None:
    source, target = full
    with opened(source) as db:
        publication.put(db, "senders", {"name": "s", "started_at": 1, "seen_at": NOW - 5_000})

    with pytest.raises(Refused, match="Stop every connector serve and connector work first"):
        move(source, target)

    assert is_new(target)
    move(source, target, now=NOW + 20_000)


def test_nothing_is_moved_while_a_sender_that_vanished_may_hold_letters(
    full: tuple[str, str],
) -> None:
    source, target = full
    with opened(source) as db, db.write() as tx:
        tx.run("UPDATE leases SET held_by = 's', held_until = :until", until=NOW + 90_000)

    with pytest.raises(Refused, match="run this again in 90 seconds"):
        move(source, target)

    assert is_new(target)
    move(source, target, now=NOW + 90_000)


def test_letters_of_a_sender_that_died_are_not_doubted_for_the_other_machine(
    full: tuple[str, str],
) -> None:
    source, target = full
    boot = opening.engine(source).boot
    with opened(source) as db:
        lease = {"mailing_id": 6, "lane": 1, "first_delivery": 1, "last_delivery": 6}
        publication.put(db, "leases", {**lease, "held_by": "s", "held_until": 5, "boot": boot})
        publication.put(db, "leases", {**lease, "held_by": "s", "held_until": 5, "boot": "past"})

    move(source, target)

    with opened(target) as db, db.read() as connection:
        assert connection.rows("SELECT boot FROM leases ORDER BY id") == [("",), ("",), ("past",)]


def test_one_that_has_anything_in_it_is_left_alone(full: tuple[str, str]) -> None:
    source, target = full
    with opened(target) as db:
        publication.put(db, "suppressions", {"address_key": "x", "why": "x", "at": 1})
    before = content(target)

    with pytest.raises(Refused, match=r"is not empty \(suppressions\)"):
        move(source, target)

    assert content(target) == before
    assert is_usable(source)


def test_one_of_another_version_is_left_alone(full: tuple[str, str]) -> None:
    source, target = full
    database.open(target).close()
    files.forget_newest_step(target)

    with pytest.raises(WrongSchema, match="was set up by another version of Connector"):
        move(source, target)
    files.forget_newest_step(source)
    with pytest.raises(WrongSchema, match="run: connector migrate"):
        move(source, target)


def test_one_of_another_program_is_left_alone(full: tuple[str, str]) -> None:
    source, target = full
    files.of_another_program(target)

    with pytest.raises(WrongSchema, match="belongs to another program"):
        move(source, target)


def test_it_does_not_move_onto_itself(way: tuple[str, str], tmp_path: Path) -> None:
    source, _ = way

    with pytest.raises(Refused, match="is the one in use"):
        move(source, source)


def test_a_file_does_not_move_onto_itself_by_another_name(tmp_path: Path) -> None:
    database.open(f"sqlite:///{tmp_path / 'a.db'}").close()
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")

    with pytest.raises(Refused, match="is the one in use"):
        move(f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}")


def test_nothing_is_nothing_to_move(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has nothing in it yet"):
        move(f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}")


# Interruptions


@pytest.mark.parametrize(
    "at",
    [("Copying", "subscribers"), ("Copying", "deliveries"), ("Comparing", "versions")],
    ids=str,
)
def test_ctrl_c_leaves_both_as_they_were(full: tuple[str, str], at: tuple[str, str]) -> None:
    source, target = full
    before = content(source)

    def press(stage: Stage) -> None:
        if (stage.what, stage.table) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, press)

    assert is_new(target)
    assert is_usable(source)
    assert len(move(source, target)) == len(before)
    assert content(target) == content(source)


KILLED = """
import os, signal, sys
from connector.database import moving

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def tell(stage):
    if (stage.what, stage.table) == ("Copying", "suppressions"):
        die()

when, source, target = sys.argv[1:]
put = moving.marks.put
if when == "after the copy":
    moving.marks.put = lambda tx, mark: die() if mark.state == "gone" else put(tx, mark)
if when == "before the last word":
    moving.marks.remove = die
moving.move(source, target, now=1790000000000, tell=tell if when == "half way" else lambda _: None)
"""


def killed(when: str, source: str, target: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, when, source, target], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_death_half_way_leaves_both_as_they_were(full: tuple[str, str]) -> None:
    source, target = full

    killed("half way", source, target)

    assert is_new(target)
    assert is_usable(source)
    move(source, target)
    assert content(target) == content(source)


def test_a_death_before_the_old_one_is_given_up_leaves_the_old_one_in_use(
    full: tuple[str, str],
) -> None:
    source, target = full

    killed("after the copy", source, target)

    with pytest.raises(Misconfigured, match=r"that was not finished\. Run connector move again"):
        database.open(target)
    assert is_usable(source)
    move(source, target)
    assert content(target) == content(source)
    assert is_usable(target)


def test_a_death_before_the_last_word_leaves_only_that(
    full: tuple[str, str], tmp_path: Path
) -> None:
    source, target = full

    killed("before the last word", source, target)

    for one in full:
        with pytest.raises(Misconfigured):
            database.open(one)
    with pytest.raises(Refused, match="was moved to"):
        move(source, f"sqlite:///{tmp_path / 'third.db'}")
    assert move(source, target) == []
    assert content(target) == content(source)
    assert is_usable(target)


# Size

# Not getrusage: on Linux its maximum begins with that of the process that started this one.
MEASURED = """
import sys
from pathlib import Path
from connector.database import moving
moved = moving.move(sys.argv[1], sys.argv[2], now=1, tell=lambda _: None)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(sum(one.rows for one in moved), int(peak) // 1024)
"""


def test_hundreds_of_thousands_of_rows_and_large_ones_take_little_memory(
    way: tuple[str, str],
) -> None:
    source, target = way
    with opened(source) as db, db.write() as tx:
        tx.run(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200000)
            INSERT INTO deliveries (mailing_id, letter_id, address, address_key, state, due_at, reply)
            SELECT 1, 1, n || '@example.org', n || '@example.org', 'sent', 1, '250 2.0.0 Ok' FROM numbers
            """
        )
        for number in range(30):
            tx.run(
                "INSERT INTO images VALUES (:digest, 'image/png', 1, 1, :raw)",
                digest=str(number),
                raw=bytes([number]) * 4_000_000,
            )

    said = subprocess.run(
        [sys.executable, "-c", MEASURED, source, target], capture_output=True, text=True, check=True
    ).stdout

    rows, megabytes = map(int, said.split())
    assert rows == 200_031
    assert megabytes < 160


# Ids after a table was rebuilt


@pytest.mark.parametrize("kind", clusters.ENGINES)
def test_migrating_never_gives_an_id_again(kind: str, tmp_path: Path) -> None:
    before = [step.name for step in STEPS].index("m008_states")
    put = (
        "INSERT INTO deliveries (mailing_id, letter_id, address, address_key, state, due_at) "
        "VALUES (1, 1, 'a', 'a', 'sent', 1) RETURNING id"
    )
    with place(kind, tmp_path, "old") as url:
        with contextlib.closing(opening.engine(url)) as older:
            older.apply(STEPS[:before])
            with older.write() as tx:
                ids = [tx.value(put) for _ in range(5)]
                tx.run("DELETE FROM deliveries WHERE id > 3")

        opening.upgrade(url)

        with opened(url) as db, db.write() as tx:
            assert tx.value(put) == ids[-1] + 1
