"""Lists that come in as CSV, and go out again.

Whoever is known already is left as they are, a row that cannot be taken is reported and
costs only itself, and no row is ever taken by half.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from connector import clock
from connector.database import Database, Transaction
from connector.delivery import address, mailings
from connector.delivery.address import Address
from connector.errors import InvalidAddress, Unavailable
from connector.readers import erasure, store
from connector.readers.columns import (
    Columns,
    guarded,
    member_until,
    name_in,
    since_in,
    standing_in,
    unguarded,
)
from connector.readers.refusals import Refusals
from connector.readers.sheet import Row, Sheet
from connector.settings import Settings

# Rows in one transaction: so many that its cost is small, so few that a sign-up waits a second.
BATCH = 50_000
EXPORTED = ("email", "name", "state", "since", "tier", "until")


class Marked(NamedTuple):
    """Somebody an import brought as a member, until a moment or for good (None)."""

    subscriber_id: int
    until: int | None


Members = Callable[[Transaction, Sequence[Marked], int], int]
Progress = Callable[[int, int, int], object]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file: `added + known + refused` is `rows`.

    `known` counts whoever was on the list already, or came earlier in the same file.
    `is_whole` is false when the import was stopped: what it counts is on the list, and
    running it again takes the rest.
    """

    rows: int
    added: int
    known: int
    refused: int
    members: int
    refused_file: Path | None
    is_whole: bool

    def __str__(self) -> str:
        counted = f"{self.added:,} added, {self.known:,} known already, {self.refused:,} refused"
        said = [f"{self.rows:,} rows: {counted}."]
        if self.members:
            said.append(f"{self.members:,} of those added are complimentary members.")
        if self.refused_file:
            said.append(f"The refused rows, and why: {self.refused_file}")
        if not self.is_whole:
            said.append("Stopped before the end. Import the same file again to take the rest.")
        return "\n".join(said)


def bring(
    db: Database,
    settings: Settings,
    path: Path,
    *,
    now: int,
    progress: Progress | None = None,
    members: Members | None = None,
) -> Report:
    """Take everybody in a CSV file onto the list, on the writer's word that they consented.

    `progress` is told (rows done, bytes read, bytes in all); `members` gives memberships to
    those the file marks, in the transaction that adds them. Refused rows go into
    `<name>.refused.csv`. Stopped by a signal, it reports what it did. Raises Refused for a
    file that is no list, with nothing changed; Unavailable names the rows that are done.
    """
    is_whole = True
    with Sheet(path) as sheet, Refusals(path, sheet.header) as refusals:
        importing = _Import(settings, sheet.columns, page=path.name, now=now, members=members)
        rows = iter(sheet)
        try:
            while batch := list(islice(rows, BATCH)):
                refusals.write(importing.take(db, batch))
                if progress:
                    progress(importing.rows, sheet.position, sheet.size)
        except KeyboardInterrupt:
            is_whole = False
        except Unavailable as error:
            raise type(error)(
                f"{error} {importing.rows:,} rows are done; import the same file again for the rest."
            ) from error
        return importing.report(refusals.path, is_whole=is_whole)


def export_rows(db: Database, *, now: int) -> Iterator[tuple[str, ...]]:
    """Everybody as rows of text for a CSV file, headings first, in flat memory.

    Safe to open in a spreadsheet, and `bring` takes it back as it was. Times are UTC. Use it
    up in the thread that asked.
    """
    yield EXPORTED
    with db.read() as connection:
        for email, name, state, since, tier, until in store.everybody(connection, now=now):
            yield (
                guarded(email),
                guarded(name),
                state,
                clock.utc(since),
                tier or "",
                "" if until is None else clock.utc(until),
            )


@dataclass(slots=True)
class _Batch:
    """Some rows, judged: `people` as the list wants them, what else the file says of them by key."""

    people: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, int | None] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    refused: list[tuple[Row, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Import:
    """One file on its way in; the counts are of transactions that are done."""

    settings: Settings
    columns: Columns
    page: str
    now: int
    members: Members | None
    rows: int = 0
    added: int = 0
    refused: int = 0
    given: int = 0

    def take(self, db: Database, rows: list[Row]) -> list[tuple[Row, str]]:
        """Add whoever can be added, all at once; the rows refused, and why."""
        batch = self._judge(rows)
        with db.write() as tx:
            self._refuse_erased(tx, batch)
            self._leave_out_moved(tx, batch)
            newest = store.newest(tx)
            added = store.insert_imported(tx, batch.people)
            store.insert_imported_consents(tx, newer_than=newest, page=self.page, now=self.now)
            self._suppress(tx, batch, newest)
            given = self._give(tx, batch, newest)
        self.rows += len(rows)
        self.added += added
        self.refused += len(batch.refused)
        self.given += given
        return sorted(batch.refused)

    def report(self, refused_file: Path | None, *, is_whole: bool) -> Report:
        return Report(
            rows=self.rows,
            added=self.added,
            known=self.rows - self.added - self.refused,
            refused=self.refused,
            members=self.given,
            refused_file=refused_file,
            is_whole=is_whole,
        )

    def _judge(self, rows: list[Row]) -> _Batch:
        batch = _Batch()
        for row in rows:
            try:
                to = address.parse(_email(row, self.columns))
            except InvalidAddress as error:
                batch.refused.append((row, str(error)))
            else:
                self._add(batch, row, to)
        # In the order of its index a batch of a large list is written twice as fast.
        batch.people.sort(key=itemgetter("key"))
        return batch

    def _add(self, batch: _Batch, row: Row, to: Address) -> None:
        columns, cells = self.columns, row.cells
        since = since_in(columns, cells, now=self.now) if columns.since else self.now
        standing = standing_in(columns, cells) if columns.tell_standing else "active"
        is_active = standing in ("active", "suppressed")
        batch.people.append(
            {
                "line": row.line,
                "email": to.display,
                "key": to.key,
                "name": name_in(columns, cells) if columns.name else "",
                "state": "active" if is_active else standing,
                "since": since,
                "confirmed_at": since if is_active else None,
                "unsubscribed_at": self.now if standing == "unsubscribed" else None,
            }
        )
        if standing == "suppressed":
            batch.suppressed.add(to.key)
        if columns.tell_member:
            until = member_until(columns, cells, now=self.now)
            if until is not None:
                batch.members[to.key] = None if until == "always" else until

    def _refuse_erased(self, tx: Transaction, batch: _Batch) -> None:
        if not store.has_erasures(tx):
            return
        why = "This person asked to be forgotten. They can come back by signing up themselves."
        kept = []
        for person in batch.people:
            if erasure.is_erased(tx, self.settings, person["key"]):
                # Their row is not copied: they asked us to keep nothing.
                batch.refused.append((Row(person["line"], []), why))
            else:
                kept.append(person)
        batch.people = kept

    def _leave_out_moved(self, tx: Transaction, batch: _Batch) -> None:
        """Known already, under the address they moved to; nobody gets two letters."""
        if store.has_former(tx):
            batch.people = [
                person for person in batch.people if store.moved_to(tx, person["key"]) is None
            ]

    def _suppress(self, tx: Transaction, batch: _Batch, newest: int) -> None:
        for key in batch.suppressed:
            if store.imported_id(tx, key, newer_than=newest) is not None:
                mailings.suppress(tx, key, why="imported", detail=self.page, now=self.now)

    def _give(self, tx: Transaction, batch: _Batch, newest: int) -> int:
        if self.members is None:
            return 0
        marked = [
            Marked(found, until)
            for key, until in batch.members.items()
            if (found := store.imported_id(tx, key, newer_than=newest)) is not None
        ]
        return self.members(tx, marked, self.now) if marked else 0


def _email(row: Row, columns: Columns) -> str:
    if row.fault:
        raise InvalidAddress(row.fault)
    cell = row.cells[columns.email].strip() if columns.email < len(row.cells) else ""
    if not cell:
        raise InvalidAddress("There is no address in this row.")
    return unguarded(cell)
