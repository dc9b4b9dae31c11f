"""What a command left in the ledger and in the Tray."""

from collections import Counter

from connector.database import Database


def rows(db: Database, sql: str, **values: object) -> list[tuple[object, ...]]:
    with db.read() as connection:
        return connection.rows(sql, **values)


def in_the_tray(db: Database) -> Counter[object]:
    """How many letters came to each address."""
    return Counter(address for (address,) in rows(db, "SELECT recipient FROM tray"))


def published(db: Database) -> list[object]:
    return [slug for (slug,) in rows(db, "SELECT slug FROM issues ORDER BY id")]


def mailings(db: Database) -> list[tuple[object, ...]]:
    """(about, size) of every mailing of an issue."""
    return rows(db, "SELECT about, size FROM mailings WHERE kind = 'issue' ORDER BY id")


def is_empty(db: Database) -> bool:
    """Whether nothing was published, mailed or queued."""
    return not any(
        rows(db, f"SELECT 1 FROM {table}")
        for table in ("issues", "editions", "images", "mailings", "letters", "deliveries")
    )
