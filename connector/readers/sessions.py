"""Who is signed in, and in how many browsers: begun, found, renewed, ended.

The browser holds a random word; only its digest is kept, so that nobody who reads the
database is signed in by it.
"""

import secrets
from hashlib import sha256

from connector.clock import DAY
from connector.database import Database
from connector.readers import store
from connector.readers.subscriber import Subscriber

LASTS = 60 * DAY
# A visit renews a session once a day, so that most visits write nothing.
RENEWED = LASTS - DAY


def begin(db: Database, subscriber_id: int, *, now: int) -> str:
    """Sign somebody in for 60 days from their last visit; the word their browser keeps."""
    word = secrets.token_urlsafe(32)
    with db.write() as tx:
        store.delete_sessions(tx, before=now)
        store.insert_session(
            tx, token=_digest(word), subscriber_id=subscriber_id, now=now, ends_at=now + LASTS
        )
    return word


def find(db: Database, word: str, *, now: int) -> Subscriber | None:
    """Whose browser this is, and 60 days more; None for a session that has ended."""
    token = _digest(word)
    with db.read() as connection:
        found = store.session(connection, token, now=now)
        reader = store.by_id(connection, found.subscriber_id) if found else None
    if found is not None and found.ends_at < now + RENEWED:
        with db.write() as tx:
            store.renew_session(tx, token, ends_at=now + LASTS)
    return reader


def end(db: Database, word: str) -> None:
    """Sign one browser out; twice is harmless."""
    with db.write() as tx:
        store.delete_session(tx, _digest(word))


def end_all(db: Database, subscriber_id: int) -> None:
    """Sign somebody out in every browser; letters that would sign in work no more either."""
    with db.write() as tx:
        store.delete_sessions_of(tx, subscriber_id)
        store.delete_signins_of(tx, subscriber_id)


def _digest(word: str) -> str:
    # 256 random bits need no key and no salt.
    return sha256(word.encode(errors="surrogatepass")).hexdigest()
