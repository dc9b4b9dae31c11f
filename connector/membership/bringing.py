"""A list that comes in with its members: the import of the readers' room, and a gift for those it marks.

It brings nobody by itself; what is taken and what is refused is decided there.
"""

from pathlib import Path

from connector.database import Database
from connector.membership import complimentary
from connector.readers import importing
from connector.readers.importing import Progress, Report
from connector.settings import Settings


def bring(
    db: Database, settings: Settings, path: Path, *, now: int, progress: Progress | None = None
) -> Report:
    """Import a CSV file as `importing.bring` does, with a membership for whoever it marks."""
    return importing.bring(
        db, settings, path, now=now, progress=progress, members=complimentary.give
    )
