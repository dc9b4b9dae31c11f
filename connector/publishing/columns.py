"""How words fill the columns of plain text, in scripts with spaces and without.

It knows no Markdown; it only counts and breaks lines.
"""

import unicodedata
from collections.abc import Iterator

COLUMNS = 72
CLOSING = "、。，．）」』】〉》！？：；ー々"  # never at the start of a line (JIS X 4051)


def wide(text: str) -> int:
    """How many columns text takes: two for East Asian wide signs, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def wrapped(text: str, room: int) -> list[str]:
    """Lines of at most `room` columns; only a single word may be longer."""
    lines: list[str] = []
    line, length = "", 0
    for word, glued in _words(text):
        size = wide(word)
        space = 0 if glued or not line else 1
        if line and length + space + size > room:
            lines.append(line)
            line, length = word, size
        else:
            line += " " * space + word
            length += space + size
    return [*lines, line]


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Words, and whether each follows the one before without a space."""
    for word in text.split(" "):
        if not word:
            continue
        if word.isascii() or not any(_is_wide(sign) for sign in word):
            yield word, False
            continue
        piece, glued = "", False
        for sign in word:
            if piece and sign not in CLOSING and (_is_wide(sign) or _is_wide(piece[-1])):
                yield piece, glued
                piece, glued = "", True
            piece += sign
        yield piece, glued


def _is_wide(sign: str) -> bool:
    return unicodedata.east_asian_width(sign) in ("W", "F")


def _columns_of(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if _is_wide(sign) else 1
