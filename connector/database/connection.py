"""What a database can be asked, whatever engine is behind it. Knows no table.

SQL is text in the portable subset: `:named` values, integer milliseconds, 0/1 flags.
Where engines differ there is a named method here, never an `if` in a caller.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Connection(Protocol):
    """A consistent view of the database for as long as it is held."""

    def all(self, sql: str, /, *, into: type[T], **values: Any) -> list[T]:
        """Every row, as `into(**row)`."""

    def one(self, sql: str, /, *, into: type[T], **values: Any) -> T | None:
        """The first row, as `into(**row)`."""

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """Every row, as a tuple."""

    def stream(self, sql: str, /, **values: Any) -> Iterator[Row]:
        """Rows one by one in flat memory; use it up before the view is given back."""

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row, or None."""


class Transaction(Connection, Protocol):
    """The same, and it may change things; all of it is kept, or none."""

    def run(self, sql: str, /, **values: Any) -> int:
        """Execute one statement; the number of rows it changed."""

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | Row], /) -> int:
        """Execute one statement for each of `rows`; the number of rows changed.

        A statement with `:named` values takes mappings.
        """


class Database(Protocol):
    """One database, safe to share between threads."""

    url: str

    def read(self) -> AbstractContextManager[Connection]:
        """A consistent view; raises DatabaseUnavailable."""

    def write(self, *, durable: bool = False) -> AbstractContextManager[Transaction]:
        """The only way to change anything: begins at once, commits at the end, or undoes it all.

        With `durable` the commit (and every earlier one) is on disk when this returns, so
        that a loss of power cannot take it back. Raises DatabaseUnavailable.
        """

    def copy_to(self, path: Path) -> None:
        """A consistent copy in a new file, made while others read and write."""

    def close(self) -> None:
        """Give back every connection."""

    @property
    def boot(self) -> str:
        """Names the run of the machine below; after a loss of power it is another.

        Empty when every commit is on disk at once, or when it cannot be told.
        """

    @property
    def skip_locked(self) -> str:
        """What a claiming SELECT ends with, so that two claimants never take the same row."""
