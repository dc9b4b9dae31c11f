"""What is left of somebody who was erased: a proof that knows them again and names nobody.

It keeps an import from bringing them back; their own sign-up, confirmed, takes it away.
"""

from connector.database import Connection, Transaction
from connector.readers import store
from connector.settings import Settings
from connector.signing import Keys


def record(tx: Transaction, settings: Settings, email_key: str, *, now: int) -> None:
    store.insert_erasure(tx, _proofs(settings, email_key)[0], now=now)


def lift(tx: Transaction, settings: Settings, email_key: str) -> None:
    for proof in _proofs(settings, email_key):
        store.delete_erasure(tx, proof)


def is_erased(connection: Connection, settings: Settings, email_key: str) -> bool:
    return any(store.is_erased(connection, proof) for proof in _proofs(settings, email_key))


def erased_at(connection: Connection, settings: Settings, email_key: str) -> int | None:
    """When an address was erased; None when it was not, or has come back since."""
    times = (store.erased_at(connection, proof) for proof in _proofs(settings, email_key))
    return next((at for at in times if at is not None), None)


def _proofs(settings: Settings, email_key: str) -> list[str]:
    """One for each signing key, newest first, so that a changed key forgets no erasure."""
    return [Keys((secret,)).tag("erased", email_key) for secret in settings.keys.secrets]
