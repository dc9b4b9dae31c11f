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

BUSY_SECONDS = 30  # how long a writer waits for the one before


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

    def write(
        self, *, durable: bool = False, side_by_side: bool = False
    ) -> AbstractContextManager[Transaction]:
        """The only way to change anything: begins at once, commits at the end, or undoes it all.

        One at a time: what is read in it stays true until it commits. With `side_by_side`
        others may write meanwhile, so each statement must itself name the state it moves from;
        such a one gives way soon, and its caller tries again.

        With `durable` the commit (and every earlier one) is on disk when this returns, so
        that a loss of power cannot take it back. Raises DatabaseUnavailable.
        """

    def copy_to(self, path: Path) -> None:
        """A consistent copy in a new file, made while others read and write.

        Raises Refused, with what to use instead, where a file cannot hold it.
        """

    def close(self) -> None:
        """Give back every connection."""

    @property
    def boot(self) -> str:
        """Names the run of the machine below; after a loss of power it is another.

        Empty when every commit is on disk at once, or when it cannot be told.
        """

    def skip_locked(self, table: str) -> str:
        """What a SELECT that claims rows of `table` ends with, so that no two take the same."""
