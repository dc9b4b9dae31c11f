"""A CSV file of people, open for reading: encoding, delimiter and columns found, rows one by one.

Memory stays flat whatever the file holds, and a row that cannot be read costs one row.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self, TextIO

from connector.errors import Refused
from connector.readers.columns import Columns, columns_in

LONGEST_LINE = 1 << 20
CHUNK = 1 << 20
DELIMITERS = ",;\t"
NEEDED = "The first line names the columns, and one of them is “email”."
NOTHING_CHANGED = "Nothing was changed."


class Row(NamedTuple):
    """The cells of one record and the line it begins on; `fault` says why it cannot be read."""

    line: int
    cells: list[str]
    fault: str = ""


class Sheet:
    """Rows of a CSV file after its header; leaving `with` closes it.

    Raises Refused when the file cannot be opened, is not UTF-8, or has no addresses.
    """

    def __init__(self, path: Path) -> None:
        self.size = check_encoding(path)
        self._raw = path.open("rb")
        # errors: a file that changes while we read must not stop half-way.
        self._text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", errors="replace", newline="")
        self._lines = Lines(self._text)
        try:
            self._delimiter, self.header, self.columns = _head(self._lines, path.name)
        except BaseException:
            self._text.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[Row]:
        """Every record that has anything in it, in order."""
        for row in records(self._lines, self._delimiter):
            if row.fault or any(row.cells):
                yield row


class Lines:
    """Lines of a text, the last few of which can be taken back."""

    def __init__(self, text: TextIO) -> None:
        self.number = 0
        self._text = text
        self._ahead: list[str] = []
        self._given: list[str] = []

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._ahead.pop() if self._ahead else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self._given.append(line)
        if len(line) >= LONGEST_LINE:
            raise csv.Error("line too long")
        return line

    def settle(self) -> None:
        """Everything given so far is done with."""
        self._given.clear()

    def retreat(self, *, keep: int) -> None:
        """Take back what was given since the last `settle`, but for the first `keep` lines."""
        back = self._given[keep:]
        self._ahead.extend(reversed(back))
        self.number -= len(back)
        self._given.clear()

    def _read(self) -> str:
        """The next line, or as much of it as shows that it is too long."""
        line = rest = self._text.readline(LONGEST_LINE)
        while len(rest) == LONGEST_LINE and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(LONGEST_LINE)
        return line


def records(lines: Lines, delimiter: str) -> Iterator[Row]:
    """Every record; after one that cannot be read, reading goes on with the line below its first."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.retreat(keep=1)
            yield Row(line, [], _fault(str(error)))
            continue
        lines.settle()
        yield Row(line, cells)


def sniff(header: str) -> str:
    """The delimiter that finds most columns in a first line."""
    return max(DELIMITERS, key=lambda each: len(_cells(header, each)))


def check_encoding(path: Path) -> int:
    """The size of a file that is UTF-8 throughout; raises Refused with the line that is not."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = line = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                pending = decoder.getstate()[0]
                decoder.decode(chunk)
                size += len(chunk)
                line += (pending + chunk).count(b"\n")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n") + 1
        raise Refused(
            f"{path.name}, line {line}: this is not UTF-8 text. "
            f"Save the list as “CSV UTF-8” and import that. {NOTHING_CHANGED}"
        ) from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
    return size


def _head(lines: Lines, file: str) -> tuple[str, list[str], Columns]:
    first = _first_line(lines)
    if not first:
        raise Refused(f"{file} is empty. {NEEDED} {NOTHING_CHANGED}")
    delimiter = sniff(first)
    bare = _bare(_cells(first, delimiter))
    if bare is not None:
        return (
            delimiter,
            ["email" if cell == bare else "" for cell in range(bare + 1)],
            Columns(bare),
        )
    row = next(row for row in records(lines, delimiter) if row.fault or any(row.cells))
    columns = columns_in(row.cells)
    if columns is None:
        found = row.fault or f"It has: {', '.join(cell.strip()[:40] for cell in row.cells[:20])}."
        raise Refused(f"{file} has no column of addresses. {found} {NEEDED} {NOTHING_CHANGED}")
    return delimiter, row.cells, columns


def _first_line(lines: Lines) -> str:
    """The first line with anything on it, still to be read."""
    try:
        first = next((line for line in lines if line.strip()), "")
    except csv.Error:
        first = "email"  # too long to be a heading; reading it as one says so
    lines.retreat(keep=0)
    return first


def _bare(cells: list[str]) -> int | None:
    """Where the address is in a list without headings, whose first line is somebody already."""
    return next((index for index, cell in enumerate(cells) if "@" in cell), None)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _fault(error: str) -> str:
    if "field limit" in error or "line too long" in error:
        return "This row is too long to be about a person."
    return "The quotation marks in this row do not match."
