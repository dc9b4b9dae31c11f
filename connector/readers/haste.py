"""How often one client may ask for something within an hour; what they ask is for others to count.

Pure: it is told when they asked, and raises when that was too often.
"""

from collections.abc import Sequence

from connector.clock import HOUR, SECOND
from connector.errors import TooManyRequests


def refuse(words: str, asked: Sequence[int], *, most: int, now: int) -> None:
    """Raises TooManyRequests, in these `words`, when there are `most` or more.

    `asked` is when one client asked within the last hour, oldest first.
    """
    if len(asked) >= most:
        free_at = asked[-most] + HOUR
        raise TooManyRequests(words, retry_after=max(1, -(-(free_at - now) // SECOND)))
