"""The SQL of the list: subscribers, consents, what was asked for, who is signed in, erasures.

It keeps facts and moves states; whether a move is allowed is for the verbs to say.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.database import Connection, Transaction
from connector.readers.subscriber import (
    Change,
    Consent,
    Former,
    Session,
    Signin,
    State,
    Subscriber,
)

SUBSCRIBER = """
    SELECT id, email, email_key, name, state, source,
           created_at, confirmed_at, unsubscribed_at, paused_until
      FROM subscribers
"""


# One subscriber


def by_id(connection: Connection, subscriber_id: int) -> Subscriber | None:
    return connection.one(f"{SUBSCRIBER} WHERE id = :id", into=Subscriber, id=subscriber_id)


def by_key(connection: Connection, email_key: str) -> Subscriber | None:
    return connection.one(f"{SUBSCRIBER} WHERE email_key = :key", into=Subscriber, key=email_key)


def insert(
    tx: Transaction,
    *,
    email: str,
    email_key: str,
    name: str,
    state: State,
    source: str,
    confirmed_at: int | None,
    now: int,
) -> int:
    found: int = tx.value(
        """
        INSERT INTO subscribers (email, email_key, name, state, source, created_at, confirmed_at)
        VALUES (:email, :email_key, :name, :state, :source, :now, :confirmed_at)
        RETURNING id
        """,
        email=email,
        email_key=email_key,
        name=name,
        state=state,
        source=source,
        confirmed_at=confirmed_at,
        now=now,
    )
    return found


def set_name(tx: Transaction, subscriber_id: int, name: str) -> int:
    return tx.run("UPDATE subscribers SET name = :name WHERE id = :id", id=subscriber_id, name=name)


def set_active(tx: Transaction, subscriber_id: int, *, now: int) -> int:
    """The first confirmation stays the one that is remembered."""
    return tx.run(
        """
        UPDATE subscribers
           SET state = 'active', confirmed_at = COALESCE(confirmed_at, :now),
               unsubscribed_at = NULL, paused_until = NULL
         WHERE id = :id AND state <> 'active'
        """,
        id=subscriber_id,
        now=now,
    )


def set_unsubscribed(tx: Transaction, subscriber_id: int, *, now: int) -> int:
    return tx.run(
        """
        UPDATE subscribers
           SET state = 'unsubscribed', unsubscribed_at = :now, paused_until = NULL
         WHERE id = :id AND state <> 'unsubscribed'
        """,
        id=subscriber_id,
        now=now,
    )


def set_paused(tx: Transaction, subscriber_id: int, *, until: int | None) -> int:
    return tx.run(
        "UPDATE subscribers SET paused_until = :until WHERE id = :id AND state = 'active'",
        id=subscriber_id,
        until=until,
    )


def delete(tx: Transaction, subscriber_id: int) -> int:
    """Consents and a membership go with their subscriber."""
    return tx.run("DELETE FROM subscribers WHERE id = :id", id=subscriber_id)


# Consents


def insert_consent(tx: Transaction, subscriber_id: int, consent: Consent) -> None:
    tx.run(
        """
        INSERT INTO consents (subscriber_id, what, how, page, client, at)
        VALUES (:id, :what, :how, :page, :client, :at)
        """,
        id=subscriber_id,
        what=consent.what,
        how=consent.how,
        page=consent.page,
        client=consent.client,
        at=consent.at,
    )


def consents(connection: Connection, subscriber_id: int) -> list[Consent]:
    """Everything somebody agreed to or took back, oldest first."""
    return connection.all(
        "SELECT what, how, page, client, at FROM consents WHERE subscriber_id = :id ORDER BY id",
        into=Consent,
        id=subscriber_id,
    )


# Confirmations asked for


def insert_asking(tx: Transaction, *, email_key: str, client: str, now: int) -> None:
    tx.run(
        "INSERT INTO confirmations (email_key, client, at) VALUES (:key, :client, :now)",
        key=email_key,
        client=client,
        now=now,
    )


def letters_asked(connection: Connection, email_key: str, *, since: int) -> int:
    found: int = connection.value(
        "SELECT count(*) FROM confirmations WHERE email_key = :key AND at > :since",
        key=email_key,
        since=since,
    )
    return found


def askings(connection: Connection, client: str, *, since: int) -> list[int]:
    """When a client asked for letters, oldest first."""
    rows = connection.rows(
        "SELECT at FROM confirmations WHERE client = :client AND at > :since ORDER BY at",
        client=client,
        since=since,
    )
    return [at for (at,) in rows]


def askings_for(connection: Connection, email_key: str) -> list[int]:
    """When letters were asked for to an address, oldest first."""
    rows = connection.rows(
        "SELECT at FROM confirmations WHERE email_key = :key ORDER BY at", key=email_key
    )
    return [at for (at,) in rows]


def delete_askings(tx: Transaction, *, before: int) -> int:
    return tx.run("DELETE FROM confirmations WHERE at <= :before", before=before)


def delete_askings_for(tx: Transaction, email_key: str) -> int:
    return tx.run("DELETE FROM confirmations WHERE email_key = :key", key=email_key)


# Signing in


def insert_signin(
    tx: Transaction,
    *,
    subscriber_id: int | None,
    address: str,
    client: str,
    goes_to: str,
    now: int,
) -> int:
    found: int = tx.value(
        """
        INSERT INTO signins (subscriber_id, address, client, code, goes_to, at)
        VALUES (:subscriber_id, :address, :client, '', :goes_to, :now)
        RETURNING id
        """,
        subscriber_id=subscriber_id,
        address=address,
        client=client,
        goes_to=goes_to,
        now=now,
    )
    return found


def set_code(tx: Transaction, signin_id: int, code: str) -> int:
    return tx.run("UPDATE signins SET code = :code WHERE id = :id", id=signin_id, code=code)


def signin(connection: Connection, signin_id: int) -> Signin | None:
    return connection.one(
        """
        SELECT id, subscriber_id, code, goes_to, at, guesses, used_at
          FROM signins WHERE id = :id
        """,
        into=Signin,
        id=signin_id,
    )


def count_guess(tx: Transaction, signin_id: int, *, most: int) -> int:
    """One guess more; 0 when all of them are used up."""
    return tx.run(
        "UPDATE signins SET guesses = guesses + 1 WHERE id = :id AND guesses < :most",
        id=signin_id,
        most=most,
    )


def set_signin_used(tx: Transaction, signin_id: int, *, now: int) -> int:
    return tx.run(
        "UPDATE signins SET used_at = :now WHERE id = :id AND used_at IS NULL",
        id=signin_id,
        now=now,
    )


def signins_to(connection: Connection, address: str, *, since: int) -> int:
    found: int = connection.value(
        "SELECT count(*) FROM signins WHERE address = :address AND at > :since",
        address=address,
        since=since,
    )
    return found


def signins_by(connection: Connection, client: str, *, since: int) -> list[int]:
    """When a client asked to sign in, oldest first."""
    rows = connection.rows(
        "SELECT at FROM signins WHERE client = :client AND at > :since ORDER BY at",
        client=client,
        since=since,
    )
    return [at for (at,) in rows]


def delete_signins(tx: Transaction, *, before: int) -> int:
    return tx.run("DELETE FROM signins WHERE at <= :before", before=before)


def delete_signins_of(tx: Transaction, subscriber_id: int) -> int:
    return tx.run("DELETE FROM signins WHERE subscriber_id = :id", id=subscriber_id)


def insert_session(
    tx: Transaction, *, token: str, subscriber_id: int, now: int, ends_at: int
) -> None:
    tx.run(
        """
        INSERT INTO sessions (token, subscriber_id, begun_at, ends_at)
        VALUES (:token, :subscriber_id, :now, :ends_at)
        """,
        token=token,
        subscriber_id=subscriber_id,
        now=now,
        ends_at=ends_at,
    )


def session(connection: Connection, token: str, *, now: int) -> Session | None:
    return connection.one(
        """
        SELECT subscriber_id, begun_at, ends_at FROM sessions
         WHERE token = :token AND ends_at > :now
        """,
        into=Session,
        token=token,
        now=now,
    )


def sessions_of(connection: Connection, subscriber_id: int) -> list[Session]:
    """Where somebody is signed in, oldest first."""
    return connection.all(
        """
        SELECT subscriber_id, begun_at, ends_at FROM sessions
         WHERE subscriber_id = :id ORDER BY id
        """,
        into=Session,
        id=subscriber_id,
    )


def renew_session(tx: Transaction, token: str, *, ends_at: int) -> int:
    return tx.run(
        "UPDATE sessions SET ends_at = :ends_at WHERE token = :token", token=token, ends_at=ends_at
    )


def delete_session(tx: Transaction, token: str) -> int:
    return tx.run("DELETE FROM sessions WHERE token = :token", token=token)


def delete_sessions_of(tx: Transaction, subscriber_id: int) -> int:
    return tx.run("DELETE FROM sessions WHERE subscriber_id = :id", id=subscriber_id)


def delete_sessions(tx: Transaction, *, before: int) -> int:
    return tx.run("DELETE FROM sessions WHERE ends_at <= :before", before=before)


# Moving to another address


def insert_change(
    tx: Transaction, subscriber_id: int, *, email: str, email_key: str, now: int
) -> int:
    found: int = tx.value(
        """
        INSERT INTO address_changes (subscriber_id, email, email_key, at)
        VALUES (:subscriber_id, :email, :email_key, :now)
        RETURNING id
        """,
        subscriber_id=subscriber_id,
        email=email,
        email_key=email_key,
        now=now,
    )
    return found


CHANGE = """
    SELECT id, subscriber_id, email, email_key, at, old_at, new_at FROM address_changes
"""


def change(connection: Connection, change_id: int) -> Change | None:
    return connection.one(f"{CHANGE} WHERE id = :id", into=Change, id=change_id)


def change_of(connection: Connection, subscriber_id: int) -> Change | None:
    return connection.one(f"{CHANGE} WHERE subscriber_id = :id", into=Change, id=subscriber_id)


def set_old_agreed(tx: Transaction, change_id: int, *, now: int) -> int:
    return tx.run(
        "UPDATE address_changes SET old_at = :now WHERE id = :id AND old_at IS NULL",
        id=change_id,
        now=now,
    )


def set_new_agreed(tx: Transaction, change_id: int, *, now: int) -> int:
    return tx.run(
        "UPDATE address_changes SET new_at = :now WHERE id = :id AND new_at IS NULL",
        id=change_id,
        now=now,
    )


def delete_change_of(tx: Transaction, subscriber_id: int) -> int:
    return tx.run("DELETE FROM address_changes WHERE subscriber_id = :id", id=subscriber_id)


def set_address(tx: Transaction, subscriber_id: int, *, email: str, email_key: str) -> int:
    return tx.run(
        "UPDATE subscribers SET email = :email, email_key = :email_key WHERE id = :id",
        id=subscriber_id,
        email=email,
        email_key=email_key,
    )


def keep_former(
    tx: Transaction, subscriber_id: int, *, email: str, email_key: str, now: int
) -> None:
    tx.run(
        """
        INSERT INTO former_addresses (subscriber_id, email, email_key, until)
        VALUES (:id, :email, :email_key, :now)
        ON CONFLICT (subscriber_id, email_key) DO UPDATE SET until = excluded.until
        """,
        id=subscriber_id,
        email=email,
        email_key=email_key,
        now=now,
    )


def former(connection: Connection, subscriber_id: int) -> list[Former]:
    """Addresses somebody had before and nobody on the list has now, oldest first."""
    return connection.all(
        """
        SELECT email, email_key, until FROM former_addresses
         WHERE subscriber_id = :id
           AND NOT EXISTS (SELECT 1 FROM subscribers
                            WHERE subscribers.email_key = former_addresses.email_key)
         ORDER BY until
        """,
        into=Former,
        id=subscriber_id,
    )


def moved_to(connection: Connection, email_key: str) -> str | None:
    """Where somebody reads now who had this address before."""
    found: str | None = connection.value(
        """
        SELECT subscribers.email FROM former_addresses
          JOIN subscribers ON subscribers.id = former_addresses.subscriber_id
         WHERE former_addresses.email_key = :key ORDER BY former_addresses.until DESC LIMIT 1
        """,
        key=email_key,
    )
    return found


def has_former(connection: Connection) -> bool:
    return connection.value("SELECT 1 FROM former_addresses LIMIT 1") is not None


# Erasures


def insert_erasure(tx: Transaction, proof: str, *, now: int) -> None:
    tx.run(
        "INSERT INTO erasures (proof, at) VALUES (:proof, :now) ON CONFLICT (proof) DO NOTHING",
        proof=proof,
        now=now,
    )


def is_erased(connection: Connection, proof: str) -> bool:
    found = connection.value("SELECT 1 FROM erasures WHERE proof = :proof", proof=proof)
    return found is not None


def erased_at(connection: Connection, proof: str) -> int | None:
    found: int | None = connection.value(
        "SELECT at FROM erasures WHERE proof = :proof", proof=proof
    )
    return found


def has_erasures(connection: Connection) -> bool:
    return connection.value("SELECT 1 FROM erasures LIMIT 1") is not None


def delete_erasure(tx: Transaction, proof: str) -> int:
    return tx.run("DELETE FROM erasures WHERE proof = :proof", proof=proof)


# Imports


def newest(connection: Connection) -> int:
    """Every subscriber that comes after this moment has a higher id."""
    found: int = connection.value("SELECT COALESCE(max(id), 0) FROM subscribers")
    return found


def insert_imported(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Add whoever is not known yet; the number added. Nobody known is touched."""
    return tx.many(
        """
        INSERT INTO subscribers
               (email, email_key, name, state, source, created_at, confirmed_at, unsubscribed_at)
        VALUES (:email, :key, :name, :state, 'import', :since, :confirmed_at, :unsubscribed_at)
        ON CONFLICT (email_key) DO NOTHING
        """,
        rows,
    )


def insert_imported_consents(tx: Transaction, *, newer_than: int, page: str, now: int) -> int:
    """One consent for each imported subscriber that has none yet."""
    return tx.run(
        """
        INSERT INTO consents (subscriber_id, what, how, page, at)
        SELECT id, CASE state WHEN 'unsubscribed' THEN 'unsubscribed' ELSE 'imported' END,
               'csv', :page, :now
          FROM subscribers
         WHERE id > :newer_than AND source = 'import'
           AND NOT EXISTS (SELECT 1 FROM consents WHERE consents.subscriber_id = subscribers.id)
        """,
        newer_than=newer_than,
        page=page,
        now=now,
    )


def imported_id(connection: Connection, email_key: str, *, newer_than: int) -> int | None:
    found: int | None = connection.value(
        "SELECT id FROM subscribers WHERE email_key = :key AND id > :newer_than",
        key=email_key,
        newer_than=newer_than,
    )
    return found


# Looking


def find(connection: Connection, *, state: State | None, text: str, limit: int) -> list[Subscriber]:
    """Newest first."""
    pattern = "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in text)
    return connection.all(
        f"""{SUBSCRIBER}
         WHERE (:state = '' OR state = :state)
           AND (:text = '' OR email_key LIKE :key ESCAPE '\\' OR lower(name) LIKE :name ESCAPE '\\')
         ORDER BY id DESC LIMIT :limit
        """,
        into=Subscriber,
        state=state or "",
        text=text,
        key=f"%{pattern.casefold()}%",
        name=f"%{pattern.lower()}%",
        limit=limit,
    )


def counts(connection: Connection) -> dict[State, int]:
    """How many subscribers are in each state; states nobody is in are left out."""
    return dict(connection.rows("SELECT state, count(*) FROM subscribers GROUP BY state"))


def memberships(connection: Connection, subscriber_id: int) -> list[tuple[Any, ...]]:
    """(tier, kind, started_at, ends_at) of somebody's memberships, for showing them."""
    return connection.rows(
        """
        SELECT tier, kind, started_at, ends_at FROM memberships
         WHERE subscriber_id = :id ORDER BY started_at, kind
        """,
        id=subscriber_id,
    )


def everybody(connection: Connection, *, now: int) -> Iterator[tuple[Any, ...]]:
    """(email, name, state, since, tier, tier ends) of everybody, oldest first, one by one.

    The state of an address we no longer write to is `suppressed`.
    """
    return connection.stream(
        """
        SELECT subscribers.email, subscribers.name,
               CASE WHEN suppressions.address_key IS NULL OR subscribers.state <> 'active'
                    THEN subscribers.state ELSE 'suppressed' END,
               COALESCE(subscribers.confirmed_at, subscribers.created_at),
               memberships.tier, memberships.ends_at
          FROM subscribers
          LEFT JOIN suppressions ON suppressions.address_key = subscribers.email_key
          LEFT JOIN memberships ON memberships.id = (
                    SELECT id FROM memberships
                     WHERE subscriber_id = subscribers.id AND (ends_at IS NULL OR ends_at > :now)
                     ORDER BY ends_at DESC NULLS FIRST, id LIMIT 1)
         ORDER BY subscribers.id
        """,
        now=now,
    )
