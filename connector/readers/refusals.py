"""The rows an import refused, in a file of their own: line, reason, and the row to mend.

Mended, the file can be imported itself; it is made only when there is something to say.
"""

import contextlib
import csv
from pathlib import Path
from typing import Self, TextIO

from connector.errors import Unavailable
from connector.readers.columns import guarded
from connector.readers.sheet import Row

LONGEST_CELL = 300


class Refusals:
    """Writes `<name>.refused.csv` beside the source, or here when that is not allowed."""

    def __init__(self, source: Path, header: list[str]) -> None:
        self.path: Path | None = None
        self._places = [source.with_suffix(".refused.csv"), Path(f"{source.stem}.refused.csv")]
        self._header = header
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def write(self, refused: list[tuple[Row, str]]) -> None:
        """Report rows, each with the reason; raises Unavailable when they cannot be written."""
        if not refused:
            return
        try:
            file = self._open()
            writer = csv.writer(file)
            writer.writerows(
                [
                    row.line,
                    why,
                    *(guarded(cell[:LONGEST_CELL]) for cell in row.cells[: len(self._header)]),
                ]
                for row, why in refused
            )
            file.flush()
        except OSError as error:
            place = self.path or self._places[-1]
            raise Unavailable(f"{place} cannot be written: {error.strerror}.") from None

    def _open(self) -> TextIO:
        if self._file is None:
            self._file = self._first_writable()
            csv.writer(self._file).writerow(["line", "reason", *self._header])
        return self._file

    def _first_writable(self) -> TextIO:
        beside, here = self._places
        with contextlib.suppress(OSError):
            file = beside.open("w", encoding="utf-8", newline="")
            self.path = beside
            return file
        self.path = here.absolute()
        return here.open("w", encoding="utf-8", newline="")
