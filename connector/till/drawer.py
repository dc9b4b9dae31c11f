"""The open drawer: everything the Till knows, for the length of one request, at one moment.

What is changed in it is written when it is closed, and its events with it. A drawer that is
thrown away instead has changed nothing, which is how a preview is made.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connector.clock import SECOND
from connector.database import Connection, Transaction
from connector.settings import Settings
from connector.till import store
from connector.till.refusal import missing
from connector.till.shapes import VERSION, Body, make


@dataclass
class Entry:
    """An object and what only the Till knows of it; `due` in seconds."""

    body: Body
    kind: str
    owner: str = ""
    due: int | None = None
    own: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return str(self.body["id"])


@dataclass
class Drawer:
    """`now` is the Till's own time, in seconds; `faults` are those that are still to come."""

    connection: Connection
    settings: Settings
    now: int
    at_last: str = "cancel"
    request_id: str | None = None
    idempotency_key: str | None = None
    _real: "Drawer | None" = None  # what a preview looks at
    _held: dict[str, Entry] = field(default_factory=dict)
    _kept: dict[str, store.Row] = field(default_factory=dict)
    _events: list[tuple[str, str, int, str]] = field(default_factory=list)
    _spent: list[str] = field(default_factory=list)

    # Looking

    def entry(self, key: str, noun: str = "", *, param: str = "id") -> Entry:
        """The object with this id, of this kind if one is named; raises Refusal."""
        found = self.look(key)
        if found is None or (noun and found.kind != noun):
            raise missing((noun or "object").rpartition(".")[2], key, param=param)
        return found

    def body(self, key: str) -> Body:
        return self.entry(key).body

    def look(self, key: str) -> Entry | None:
        if key not in self._held:
            if self._real is not None:
                return self._copy(self._real.look(key))
            row = store.find(self.connection, key)
            if row is None:
                return None
            self._take(row)
        return self._held[key]

    def all(self, kind: str, owner: str | None = None) -> list[Entry]:
        """Every object of a kind, or those of one owner, oldest first."""
        kept = self._kept_of(kind, owner)
        keys = {entry.key for entry in kept}
        kept += [one for key, one in self._held.items() if one.kind == kind and key not in keys]
        return [entry for entry in kept if owner is None or entry.owner == owner]

    def fault(self, kind: str) -> bool:
        """Whether this goes wrong now, as somebody asked for; it is used up by that."""
        left = store.faults(self.connection).get(kind, 0) - self._spent.count(kind)
        if left > 0:
            self._spent.append(kind)
        return left > 0

    def use_up(self, attempt: "Drawer") -> None:
        """The faults that came in a preview are used up, when that was all there will be."""
        self._spent += attempt._spent  # noqa: SLF001 - one drawer and its copy

    def _kept_of(self, kind: str, owner: str | None) -> list[Entry]:
        if self._real is not None:
            found = [self._copy(entry) for entry in self._real.all(kind, owner)]
            return [entry for entry in found if entry]
        rows = (
            store.of_kind(self.connection, kind)
            if owner is None
            else store.of_owner(self.connection, kind, owner)
        )
        return [self._held[row.key] if row.key in self._held else self._take(row) for row in rows]

    def _copy(self, entry: Entry | None) -> Entry | None:
        if entry is None:
            return None
        return self._held.setdefault(entry.key, copy.deepcopy(entry))

    def _take(self, row: store.Row) -> Entry:
        self._kept[row.key] = row
        entry = self._held[row.key] = _entry(row)
        return entry

    # Changing

    def add(self, kind: str, *, owner: str = "", due: int | None = None, **known: Any) -> Entry:
        """A new object of a kind."""
        entry = Entry(make(kind, created=self.now, **known), kind, owner, due)
        self._held[entry.key] = entry
        return entry

    @contextmanager
    def changing(self, key: str, event: str = "") -> Iterator[Entry]:
        """An object to change; when something did change, an event says what was there before."""
        entry = self.entry(key)
        before = copy.deepcopy(entry.body)
        yield entry
        if event and (previous := _previous(before, entry.body)):
            self.emit(event, entry.body, previous)

    def emit(self, type_: str, body: Body, previous: Body | None = None) -> None:
        """Something happened to an object; what is seen of it is as it stands now."""
        data: Body = {"object": body} | ({"previous_attributes": previous} if previous else {})
        event = make("event", created=self.now, type=type_, data=data, pending_webhooks=1)
        event |= {"api_version": VERSION}
        event["request"] = {"id": self.request_id, "idempotency_key": self.idempotency_key}
        self._events.append((event["id"], type_, self.now * SECOND, json.dumps(event)))

    def at(self, moment: int) -> None:
        """Move to another moment; never back."""
        self.now = max(self.now, moment)

    def next_due(self, *, by: int) -> Entry | None:
        """What wanted attention longest ago, if anything did by then; write before you ask."""
        row = store.next_due(self.connection, now=by * SECOND)
        return self.look(row.key) if row else None

    def preview(self) -> "Drawer":
        """A copy to try things in; it is never written."""
        return Drawer(self.connection, self.settings, self.now, self.at_last, _real=self)

    def write(self, tx: Transaction) -> None:
        """Keep every change, and its events."""
        rows = {key: _row(entry) for key, entry in self._held.items()}
        store.keep(tx, [row for key, row in rows.items() if row != self._kept.get(key)])
        self._kept |= rows
        store.add_events(tx, self._events)
        for kind in self._spent:
            store.take_fault(tx, kind)
        self._events, self._spent = [], []

    def forget(self) -> None:
        """Undo what was changed since the last writing; a fault that came stays used up."""
        self._held, self._kept, self._events = {}, {}, []

    def url(self, path: str) -> str:
        """A page of the Till on the site."""
        return f"{self.settings.publication.url.rstrip('/')}/till/{path}"


def time_of(connection: Connection, *, now: int) -> int:
    """The Till's time at the real time `now`, both in milliseconds."""
    return now + store.clock(connection).ahead


def _entry(row: store.Row) -> Entry:
    due = None if row.due_at is None else row.due_at // SECOND
    return Entry(json.loads(row.body), row.kind, row.owner, due, json.loads(row.own))


def _row(entry: Entry) -> store.Row:
    due = None if entry.due is None else entry.due * SECOND
    body, own = json.dumps(entry.body), json.dumps(entry.own)
    return store.Row(entry.key, entry.kind, entry.owner, due, body, own)


def _previous(before: Body, after: Body) -> Body:
    """The old values of what changed, down to the field."""
    changed: Body = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        changed[name] = _previous(old or {}, new or {}) if both else old
    return changed
