"""Moves all that a database holds into another, of whatever engine: every row, under its own id.

Nothing is ever left half moved: the copy becomes usable only after the old database has said,
on disk, that it is not to be used any more. Whoever has the old one open writes nothing there
after that, so no letter leaves from both.
"""

import contextlib
import marshal
import secrets
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from connector.clock import HOUR, SECOND
from connector.database import mark as marks
from connector.database.connection import Row, Transaction
from connector.database.mark import Mark
from connector.database.migrations import STEPS
from connector.database.opening import Engine, check, engine, migrate
from connector.database.tables import Tables, keep_counting
from connector.errors import ConnectorError, Refused, WrongSchema

# A sender says every five seconds that it lives, and holds letters for an hour at most.
ALIVE = 15 * SECOND
LONGEST_HOLD = HOUR
STRIDE = 256  # rows between two words on how it goes
OWN = "moves"  # what each database says of itself is not moved
MADE_WITH_IT = "versions"  # has a row from the day it was set up

SENDERS = "SELECT max(seen_at) FROM senders WHERE seen_at >= :since"
HELD = """
    SELECT max(held_until) FROM leases
     WHERE held_by <> '' AND held_until > :now AND held_until <= :latest
"""
# With this commit all marks before it are on disk, and the loss of power that `boot` is kept
# for can take none of them back.
ON_DISK = "UPDATE leases SET boot = '' WHERE boot = :boot"


class Stage(NamedTuple):
    """How far a move is: so many rows copied, or compared, of so many."""

    what: str
    table: str
    done: int
    total: int


class Moved(NamedTuple):
    """A table, and the sum of its rows, which is the same on both sides."""

    table: str
    rows: int
    checksum: str


class _Sum:
    """The number of some rows, and a sum over all of their values, whatever their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        # Version 2 writes equal values as equal bytes; later ones abridge what was seen before.
        digest = blake2b(marshal.dumps(row, 2), digest_size=16).digest()
        self._sum += int.from_bytes(digest, "little")
        self.rows += 1

    @property
    def checksum(self) -> str:
        return f"{self._sum % (1 << 128):032x}"


Tell = Callable[[Stage], None]


def move(source_url: str, target_url: str, *, now: int, tell: Tell) -> list[Moved]:
    """Move everything into the empty database at `target_url`; every table, compared.

    An empty list says that an earlier move had all but its last word, and has it now. Raises
    Refused when somebody sends from the one, or the other has anything in it; WrongSchema
    when either is of another version. Interrupted at any moment it can be run again.
    """
    source, target = engine(source_url), engine(target_url)
    try:
        _refuse_itself(source, target)
        _refuse_nothing(source)
        check(source)
        source.adopt()
        _prepare(target)
        return _move(source, target, now=now, tell=tell)
    finally:
        target.close()
        source.close()


def _refuse_itself(source: Engine, target: Engine) -> None:
    if source.url == target.url or _is_same_file(source.url, target.url):
        raise Refused(f"The database {target.name} is the one in use. Name another with --to.")


def _refuse_nothing(source: Engine) -> None:
    if not source.tables():
        raise Refused(f"The database {source.name} has nothing in it yet; just name the other one.")


def _is_same_file(one: str, other: str) -> bool:
    paths = [Path(url.removeprefix("sqlite:///")) for url in (one, other)]
    return all(path.exists() for path in paths) and paths[0].samefile(paths[1])


def _prepare(target: Engine) -> None:
    """Set up a database with nothing in it at all; leave one of another version alone."""
    applied = set(target.applied())
    if applied and applied != {step.name for step in STEPS}:
        raise WrongSchema(
            f"The database {target.name} was set up by another version of Connector. "
            "Name an empty one with --to."
        )
    migrate(target)
    target.adopt()


def _move(source: Engine, target: Engine, *, now: int, tell: Tell) -> list[Moved]:
    with source.alone() as ours:
        mark = marks.mark(ours.tx)
        if mark is not None:
            _refuse_marked(mark, source, target)
            moved = []
        else:
            _refuse_busy(ours.tx, source, now=now)
            ours.tx.run(ON_DISK, boot=source.boot or "-")
            token = secrets.token_hex(16)
            with target.alone(is_new=True) as theirs:
                _make_room(theirs, target)
                moved = list(_copy(ours, theirs, target, tell=tell))
                marks.put(theirs.tx, Mark("arriving", token, source.name, now))
            marks.put(ours.tx, Mark("gone", token, target.name, now))
    with target.write(durable=True) as tx:
        marks.remove(tx)
    return moved


def _refuse_marked(mark: Mark, source: Engine, target: Engine) -> None:
    """Refuse a source that was moved before, unless the same move lacks no more than its end."""
    with target.read() as connection:
        theirs = marks.mark(connection)
    if mark.state == "arriving" or theirs is None or theirs.token != mark.token:
        raise Refused(mark.told_of(source.name))


def _refuse_busy(tx: Transaction, source: Engine, *, now: int) -> None:
    """Refuse while a sender may have letters in its hands."""
    if tx.value(SENDERS, since=now - ALIVE) is not None:
        raise Refused(
            f"A sender is at work on {source.name}. Stop every connector serve and connector "
            "work first, wait a quarter of a minute, and run this again."
        )
    until = tx.value(HELD, now=now, latest=now + LONGEST_HOLD)
    if until is not None:
        raise Refused(
            f"A sender on {source.name} vanished with letters in its hands, and may still be "
            f"sending them. See that it is gone, and run this again in {_seconds(until - now)}."
        )


def _seconds(span: int) -> str:
    return f"{-(-span // SECOND)} seconds"


def _make_room(theirs: Tables, target: Engine) -> None:
    """See that nothing is there but what setting up made, or a copy that was not finished."""
    names = theirs.names()
    if (mark := marks.mark(theirs.tx)) and mark.state == "arriving":
        for name in reversed(names):
            theirs.tx.run(f'DELETE FROM "{name}"')
    full = [
        name
        for name in names
        if name != MADE_WITH_IT and theirs.tx.rows(f'SELECT 1 FROM "{name}" LIMIT 1')
    ]
    if full:
        raise Refused(
            f"The database {target.name} is not empty ({', '.join(full[:3])}"
            f"{', …' if len(full) > 3 else ''}). Name an empty one with --to."  # noqa: PLR2004 - enough to know it by
        )
    theirs.tx.run(f'DELETE FROM "{MADE_WITH_IT}"')


def _copy(ours: Tables, theirs: Tables, target: Engine, *, tell: Tell) -> Iterator[Moved]:
    names = [name for name in ours.names() if name != OWN]
    total = sum(ours.tx.value(f'SELECT count(*) FROM "{name}"') for name in names)
    must_clean = ours.holds_nul and not theirs.holds_nul
    sums: dict[str, _Sum] = {}
    done = 0
    for name in names:
        columns, found = ours.columns(name), _Sum()
        stage = Stage("Copying", name, done, total)
        with contextlib.closing(ours.take(name, columns)) as taken:
            rows = map(_without_nul, taken) if must_clean else taken
            theirs.put(name, columns, _counted(rows, found, stage, tell))
        sums[name] = found
        done += found.rows
    keep_counting(theirs, ours.counters())
    done = 0
    for name in names:
        kept = _Sum()
        stage = Stage("Comparing", name, done, total)
        with contextlib.closing(theirs.take(name, ours.columns(name))) as taken:
            for _ in _counted(taken, kept, stage, tell):
                pass
        yield _agreed(name, sums[name], kept, target)
        done += kept.rows


def _counted(rows: Iterable[Row], found: _Sum, stage: Stage, tell: Tell) -> Iterator[Row]:
    """The same rows, each added to a sum as it passes."""
    tell(stage)
    for row in rows:
        found.add(row)
        if not found.rows % STRIDE:
            tell(stage._replace(done=stage.done + found.rows))
        yield row
    tell(stage._replace(done=stage.done + found.rows))


def _without_nul(row: Row) -> Row:
    """The character of number nought, which nobody typed, is left out where it cannot be kept."""
    if any(type(one) is str and "\0" in one for one in row):
        return tuple(one.replace("\0", "") if isinstance(one, str) else one for one in row)
    return row


def _agreed(name: str, sent: _Sum, kept: _Sum, target: Engine) -> Moved:
    if (sent.rows, sent.checksum) != (kept.rows, kept.checksum):
        raise ConnectorError(
            f"The table {name} in {target.name} is not what was written ({kept.rows:,} rows for "
            f"{sent.rows:,}). Nothing was moved; look into the log of that database."
        )
    return Moved(name, sent.rows, sent.checksum)
