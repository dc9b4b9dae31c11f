"""What preflight has to say about an issue: how bad, where, what, and the cure.

A finding is for the writer; it never reaches a reader.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """An error stops a publish, a warning asks, a note only tells. `place` is `file.md:12`."""

    severity: Severity
    place: str
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message} {self.cure}".strip()


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The cure for a word nobody knows: the closest one that is known, or `otherwise`."""
    words = list(known)
    swapped = [one for one in words if sorted(one) == sorted(word.lower())]
    close = swapped or difflib.get_close_matches(word.lower(), words, n=1)
    return f"Did you mean “{close[0]}”?" if close else otherwise
