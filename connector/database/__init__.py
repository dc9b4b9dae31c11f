"""One small surface over the engine: `open`, `read`, `write`, portable SQL with `:named` values."""

from connector.database.connection import Connection, Database, Transaction
from connector.database.opening import check, migrate, open  # noqa: A004 - design's own word

__all__ = ["Connection", "Database", "Transaction", "check", "migrate", "open"]
