"""The SQL of memberships, of what Stripe says, and of the audience of an issue.

It keeps facts and says who is a member at a moment; it never decides who should be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from connector.database import Connection, Transaction
from connector.membership.billing import Dispute, Payment, Refund, Subscription
from connector.membership.gift import Gift
from connector.membership.membership import Kind, Membership

# Everybody a letter may go to at :now, and in which words. Whether an address is suppressed
# is the post office's own question, asked at the freeze.
AUDIENCE = """
    SELECT subscribers.id AS recipient, subscribers.email AS address,
           subscribers.email_key AS address_key, subscribers.name AS name,
           CASE WHEN members.subscriber_id IS NULL THEN 'everyone' ELSE 'member' END AS audience
      FROM subscribers
      LEFT JOIN (SELECT DISTINCT subscriber_id FROM memberships
                  WHERE started_at <= :now AND (ends_at IS NULL OR ends_at > :now)) AS members
             ON members.subscriber_id = subscribers.id
     WHERE subscribers.state = 'active'
       AND (subscribers.paused_until IS NULL OR subscribers.paused_until <= :now)
     ORDER BY subscribers.id
"""

# Those of the audience who joined, or came back, since :since.
NEWCOMERS = f"""
    SELECT people.* FROM ({AUDIENCE}) AS people
     WHERE EXISTS (SELECT 1 FROM consents
                    WHERE consents.subscriber_id = people.recipient AND consents.at >= :since
                      AND consents.what IN ('confirmed', 'imported', 'added', 'resubscribed'))
"""

MEMBERSHIP = "SELECT subscriber_id, tier, kind, started_at, ends_at FROM memberships"


def of(connection: Connection, subscriber_id: int) -> list[Membership]:
    """Somebody's memberships, one of each kind at most, oldest first."""
    return connection.all(
        f"{MEMBERSHIP} WHERE subscriber_id = :id ORDER BY started_at, kind",
        into=Membership,
        id=subscriber_id,
    )


def live(connection: Connection, *, now: int) -> list[Membership]:
    """Memberships that are live at `now`, oldest first."""
    return connection.all(
        f"""{MEMBERSHIP}
         WHERE started_at <= :now AND (ends_at IS NULL OR ends_at > :now)
         ORDER BY started_at, subscriber_id
        """,
        into=Membership,
        now=now,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A live membership on the roll, with whose it is, and the plan that pays for it."""

    subscriber_id: int
    address: str
    name: str
    tier: str
    kind: Kind
    started_at: int
    ends_at: int | None
    status: str
    every: str
    cents: int
    currency: str
    period_end: int | None


def roll(connection: Connection, *, mode: str, now: int) -> list[Entry]:
    """Everything that makes somebody a member at `now`, oldest first."""
    return connection.all(
        """
        SELECT memberships.subscriber_id AS subscriber_id, subscribers.email AS address,
               subscribers.name AS name, memberships.tier AS tier, memberships.kind AS kind,
               memberships.started_at AS started_at, memberships.ends_at AS ends_at,
               COALESCE(plans.status, '') AS status, COALESCE(plans.every, '') AS every,
               COALESCE(plans.cents, 0) AS cents, COALESCE(plans.currency, '') AS currency,
               plans.period_end AS period_end
          FROM memberships
          JOIN subscribers ON subscribers.id = memberships.subscriber_id
          LEFT JOIN subscriptions AS plans
                 ON plans.subscriber_id = memberships.subscriber_id AND plans.mode = :mode
                AND plans.is_current = 1 AND memberships.kind = 'paid'
         WHERE memberships.started_at <= :now
           AND (memberships.ends_at IS NULL OR memberships.ends_at > :now)
         ORDER BY memberships.started_at, memberships.subscriber_id, memberships.kind
        """,
        into=Entry,
        mode=mode,
        now=now,
    )


def insert(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> int:
    """Complimentary memberships for whoever has none; the number given."""
    return tx.many(
        """
        INSERT INTO memberships (subscriber_id, tier, kind, started_at, ends_at)
        VALUES (:subscriber_id, :tier, 'complimentary', :now, :ends_at)
        ON CONFLICT (subscriber_id, kind) DO NOTHING
        """,
        rows,
    )


def upsert(
    tx: Transaction, subscriber_id: int, *, tier: str, ends_at: int | None, now: int
) -> None:
    """Complimentary, until then: a live one keeps its beginning, one that had ended begins again."""
    tx.run(
        """
        INSERT INTO memberships (subscriber_id, tier, kind, started_at, ends_at)
        VALUES (:id, :tier, 'complimentary', :now, :ends_at)
        ON CONFLICT (subscriber_id, kind) DO UPDATE
           SET started_at = CASE WHEN memberships.ends_at <= :now THEN :now
                                 ELSE memberships.started_at END,
               tier = excluded.tier, ends_at = excluded.ends_at
        """,
        id=subscriber_id,
        tier=tier,
        ends_at=ends_at,
        now=now,
    )


def keep_membership(tx: Transaction, membership: Membership) -> None:
    """Exactly this one, of its kind."""
    tx.run(
        """
        INSERT INTO memberships (subscriber_id, tier, kind, started_at, ends_at)
        VALUES (:subscriber_id, :tier, :kind, :started_at, :ends_at)
        ON CONFLICT (subscriber_id, kind) DO UPDATE
           SET started_at = excluded.started_at, tier = excluded.tier, ends_at = excluded.ends_at
        """,
        **asdict(membership),
    )


def delete_membership(tx: Transaction, subscriber_id: int, kind: Kind) -> int:
    return tx.run(
        "DELETE FROM memberships WHERE subscriber_id = :id AND kind = :kind",
        id=subscriber_id,
        kind=kind,
    )


def set_ended(tx: Transaction, subscriber_id: int, *, now: int) -> int:
    """Of what was given for free, whatever is not over yet; how many."""
    return tx.run(
        """
        UPDATE memberships SET ends_at = :now
         WHERE subscriber_id = :id AND kind = 'complimentary'
           AND (ends_at IS NULL OR ends_at > :now)
        """,
        id=subscriber_id,
        now=now,
    )


def delete_paid_of_other_modes(tx: Transaction, *, mode: str) -> int:
    """Memberships that were paid for in play, once real money moves; and the other way round."""
    return tx.run(
        """
        DELETE FROM memberships
         WHERE kind IN ('paid', 'gift')
           AND NOT EXISTS (SELECT 1 FROM subscriptions
                            WHERE subscriptions.subscriber_id = memberships.subscriber_id
                              AND subscriptions.mode = :mode AND memberships.kind = 'paid')
           AND NOT EXISTS (SELECT 1 FROM gifts
                            WHERE gifts.taken_by = memberships.subscriber_id
                              AND gifts.mode = :mode AND memberships.kind = 'gift')
        """,
        mode=mode,
    )


# What Stripe says


def _columns(noun: type[Any]) -> str:
    return ", ".join(item.name for item in fields(noun))


def _keeping(table: str, noun: type[Any]) -> str:
    """Keep one row, unless the answer to a later question is there already."""
    names = [item.name for item in fields(noun)]
    return f"""
        INSERT INTO {table} ({", ".join(names)}, asked)
        VALUES ({", ".join(f":{name}" for name in names)}, :asked)
        ON CONFLICT (id) DO UPDATE
           SET {", ".join(f"{name} = excluded.{name}" for name in names if name != "id")},
               asked = excluded.asked
         WHERE {table}.asked < excluded.asked
    """


KEEP_SUBSCRIPTION = _keeping("subscriptions", Subscription)
KEEP_PAYMENT = _keeping("payments", Payment)
KEEP_REFUND = _keeping("refunds", Refund)
KEEP_DISPUTE = _keeping("disputes", Dispute)
SUBSCRIPTION = f"SELECT {_columns(Subscription)} FROM subscriptions"
PAYMENT = f"SELECT {_columns(Payment)} FROM payments"
REFUND = f"SELECT {_columns(Refund)} FROM refunds"
DISPUTE = f"SELECT {_columns(Dispute)} FROM disputes"


def ask(tx: Transaction) -> int:
    """A number for a question to Stripe, higher than every one before."""
    number: int = tx.value(
        """
        INSERT INTO askings (name, number) VALUES ('stripe', 1)
        ON CONFLICT (name) DO UPDATE SET number = askings.number + 1
        RETURNING number
        """
    )
    return number


def keep_subscription(tx: Transaction, one: Subscription, *, asked: int) -> bool:
    """Whether it was kept: False when the answer to a later question is there already."""
    return bool(tx.run(KEEP_SUBSCRIPTION, **asdict(one), asked=asked))


def keep_payment(tx: Transaction, one: Payment, *, asked: int) -> bool:
    return bool(tx.run(KEEP_PAYMENT, **asdict(one), asked=asked))


def keep_refund(tx: Transaction, one: Refund, *, asked: int) -> bool:
    return bool(tx.run(KEEP_REFUND, **asdict(one), asked=asked))


def keep_dispute(tx: Transaction, one: Dispute, *, asked: int) -> bool:
    return bool(tx.run(KEEP_DISPUTE, **asdict(one), asked=asked))


def subscription(connection: Connection, subscription_id: str) -> Subscription | None:
    return connection.one(f"{SUBSCRIPTION} WHERE id = :id", into=Subscription, id=subscription_id)


def subscriptions_of(
    connection: Connection, subscriber_id: int, *, mode: str
) -> list[Subscription]:
    """Somebody's subscriptions, oldest first."""
    return connection.all(
        f"{SUBSCRIPTION} WHERE subscriber_id = :id AND mode = :mode ORDER BY created_at, id",
        into=Subscription,
        id=subscriber_id,
        mode=mode,
    )


def subscriptions(connection: Connection, *, mode: str) -> list[Subscription]:
    """Every subscription of one mode, oldest first."""
    return connection.all(
        f"{SUBSCRIPTION} WHERE mode = :mode ORDER BY created_at, id", into=Subscription, mode=mode
    )


def payers(connection: Connection, *, mode: str) -> list[int]:
    """Everybody who has a subscription or took a gift."""
    rows = connection.rows(
        """
        SELECT subscriber_id FROM subscriptions
         WHERE mode = :mode AND subscriber_id IS NOT NULL
        UNION
        SELECT taken_by FROM gifts WHERE mode = :mode AND taken_by IS NOT NULL
        ORDER BY 1
        """,
        mode=mode,
    )
    return [subscriber_id for (subscriber_id,) in rows]


def subscriptions_by(connection: Connection, customer_id: str) -> list[str]:
    rows = connection.rows(
        "SELECT id FROM subscriptions WHERE customer_id = :id ORDER BY id", id=customer_id
    )
    return [key for (key,) in rows]


def current(connection: Connection, subscriber_id: int, *, mode: str) -> Subscription | None:
    """The one live subscription that counts."""
    return connection.one(
        f"{SUBSCRIPTION} WHERE subscriber_id = :id AND mode = :mode AND is_current = 1",
        into=Subscription,
        id=subscriber_id,
        mode=mode,
    )


def duplicates(connection: Connection, *, mode: str) -> list[Subscription]:
    """Live subscriptions of people who have another that counts."""
    return connection.all(
        f"""{SUBSCRIPTION}
         WHERE mode = :mode AND is_current = 0 AND subscriber_id IS NOT NULL
           AND status IN ('active', 'trialing', 'past_due')
         ORDER BY created_at, id
        """,
        into=Subscription,
        mode=mode,
    )


def unclaimed(connection: Connection, *, mode: str) -> list[Subscription]:
    """Live subscriptions of nobody we know: somebody pays and is not on the list."""
    return connection.all(
        f"""{SUBSCRIPTION}
         WHERE mode = :mode AND subscriber_id IS NULL
           AND status IN ('active', 'trialing', 'past_due')
         ORDER BY created_at, id
        """,
        into=Subscription,
        mode=mode,
    )


def set_current(tx: Transaction, subscriber_id: int, subscription_id: str, *, mode: str) -> None:
    """Let this one count and no other; with an empty id, none."""
    tx.run(
        """
        UPDATE subscriptions SET is_current = 0
         WHERE subscriber_id = :id AND mode = :mode AND is_current = 1 AND id <> :one
        """,
        id=subscriber_id,
        mode=mode,
        one=subscription_id,
    )
    tx.run(
        "UPDATE subscriptions SET is_current = 1 WHERE id = :one AND is_current = 0",
        one=subscription_id,
    )


def payments_of(connection: Connection, subscriber_id: int, *, mode: str) -> list[Payment]:
    """What somebody paid or owes, newest first."""
    return connection.all(
        f"{PAYMENT} WHERE subscriber_id = :id AND mode = :mode ORDER BY created_at DESC, id",
        into=Payment,
        id=subscriber_id,
        mode=mode,
    )


def payments_for(connection: Connection, subscription_id: str) -> list[Payment]:
    """The invoices of a subscription, newest first."""
    return connection.all(
        f"""{PAYMENT}
         WHERE subscription_id = :id AND subscription_id <> '' ORDER BY created_at DESC, id
        """,
        into=Payment,
        id=subscription_id,
    )


def payment(connection: Connection, payment_id: str) -> Payment | None:
    return connection.one(f"{PAYMENT} WHERE id = :id", into=Payment, id=payment_id)


def refund(connection: Connection, refund_id: str) -> Refund | None:
    return connection.one(f"{REFUND} WHERE id = :id", into=Refund, id=refund_id)


def dispute(connection: Connection, dispute_id: str) -> Dispute | None:
    return connection.one(f"{DISPUTE} WHERE id = :id", into=Dispute, id=dispute_id)


def payment_by_intent(connection: Connection, intent_id: str) -> Payment | None:
    return connection.one(
        f"{PAYMENT} WHERE intent_id = :id AND intent_id <> ''", into=Payment, id=intent_id
    )


def refunds_of(connection: Connection, intent_id: str) -> list[Refund]:
    return connection.all(
        f"{REFUND} WHERE intent_id = :id ORDER BY created_at, id", into=Refund, id=intent_id
    )


def refunds_to(connection: Connection, subscriber_id: int, *, mode: str) -> list[Refund]:
    """What somebody was given back, oldest first."""
    return connection.all(
        f"""{REFUND}
         WHERE intent_id IN (SELECT intent_id FROM payments
                              WHERE subscriber_id = :id AND mode = :mode AND intent_id <> '')
         ORDER BY created_at, id
        """,
        into=Refund,
        id=subscriber_id,
        mode=mode,
    )


def disputes(connection: Connection, *, mode: str) -> list[Dispute]:
    """Newest first."""
    return connection.all(
        f"{DISPUTE} WHERE mode = :mode ORDER BY created_at DESC, id", into=Dispute, mode=mode
    )


# Customers


def customer_of(connection: Connection, subscriber_id: int, *, mode: str) -> str | None:
    found: str | None = connection.value(
        "SELECT id FROM customers WHERE subscriber_id = :id AND mode = :mode",
        id=subscriber_id,
        mode=mode,
    )
    return found


def subscriber_of(connection: Connection, customer_id: str) -> int | None:
    found: int | None = connection.value(
        "SELECT subscriber_id FROM customers WHERE id = :id", id=customer_id
    )
    return found


def keep_customer(
    tx: Transaction, customer_id: str, *, subscriber_id: int, mode: str, now: int
) -> None:
    """Who a customer is; a new one takes the place of one that was deleted at Stripe."""
    tx.run(
        """
        UPDATE customers SET subscriber_id = NULL
         WHERE subscriber_id = :subscriber_id AND mode = :mode AND id <> :id
        """,
        id=customer_id,
        subscriber_id=subscriber_id,
        mode=mode,
    )
    tx.run(
        """
        INSERT INTO customers (id, mode, subscriber_id, created_at)
        VALUES (:id, :mode, :subscriber_id, :now)
        ON CONFLICT (id) DO UPDATE SET subscriber_id = excluded.subscriber_id
        """,
        id=customer_id,
        mode=mode,
        subscriber_id=subscriber_id,
        now=now,
    )


# What is not ours


def note_foreign(
    tx: Transaction, subscription_id: str, *, mode: str, customer_id: str, product: str, now: int
) -> None:
    tx.run(
        """
        INSERT INTO foreign_subscriptions (id, mode, customer_id, product, seen_at)
        VALUES (:id, :mode, :customer_id, :product, :now)
        ON CONFLICT (id) DO UPDATE SET product = excluded.product
        """,
        id=subscription_id,
        mode=mode,
        customer_id=customer_id,
        product=product,
        now=now,
    )


def foreign(connection: Connection, *, mode: str) -> list[tuple[str, str, str]]:
    """(subscription, customer, product) of each that is in the account and not ours."""
    rows = connection.rows(
        """
        SELECT id, customer_id, product FROM foreign_subscriptions
         WHERE mode = :mode ORDER BY seen_at, id
        """,
        mode=mode,
    )
    return [(key, customer, product) for key, customer, product in rows]


# Events


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that was verified, and not looked at yet."""

    id: str
    type: str
    body: bytes
    attempts: int


def insert_event(
    tx: Transaction, event_id: str, *, mode: str, kind: str, body: bytes, now: int
) -> bool:
    """Whether it is new; one that is known is never kept twice."""
    return bool(
        tx.run(
            """
            INSERT INTO webhook_events (id, mode, type, received_at, body, due_at)
            VALUES (:id, :mode, :kind, :now, :body, :now)
            ON CONFLICT (id) DO NOTHING
            """,
            id=event_id,
            mode=mode,
            kind=kind,
            body=body,
            now=now,
        )
    )


def waiting_events(connection: Connection, *, mode: str, limit: int, now: int) -> list[Waiting]:
    return connection.all(
        """
        SELECT id, type, body, attempts FROM webhook_events
         WHERE due_at <= :now AND mode = :mode AND body IS NOT NULL
         ORDER BY due_at, received_at, id LIMIT :limit
        """,
        into=Waiting,
        mode=mode,
        limit=limit,
        now=now,
    )


def settle_event(tx: Transaction, event_id: str, *, why: str, now: int) -> None:
    tx.run(
        """
        UPDATE webhook_events SET due_at = NULL, settled_at = :now, why = :why WHERE id = :id
        """,
        id=event_id,
        why=why,
        now=now,
    )


def defer_event(tx: Transaction, event_id: str, *, why: str, due_at: int) -> None:
    tx.run(
        """
        UPDATE webhook_events SET due_at = :due_at, attempts = attempts + 1, why = :why
         WHERE id = :id
        """,
        id=event_id,
        why=why,
        due_at=due_at,
    )


def empty_events(tx: Transaction, *, before: int) -> int:
    """Let go of what events said; that they came stays known."""
    return tx.run(
        "UPDATE webhook_events SET body = NULL WHERE settled_at < :before AND body IS NOT NULL",
        before=before,
    )


# Notes owed to somebody, each written once


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader or the writer is to be told, once."""

    key: str
    what: str
    to_whom: str
    subscriber_id: int | None
    about: str
    at: int


def key_of(what: str, *, about: str, to_whom: str) -> str:
    """What a note is kept under, so that each is owed once."""
    return f"{what}:{about}:{to_whom}"


def owe(
    tx: Transaction, what: str, *, to_whom: str, about: str, subscriber_id: int | None, now: int
) -> bool:
    """Whether it was not owed before."""
    return bool(
        tx.run(
            """
            INSERT INTO notes (key, what, to_whom, subscriber_id, about, at)
            VALUES (:key, :what, :to_whom, :subscriber_id, :about, :now)
            ON CONFLICT (key) DO NOTHING
            """,
            key=key_of(what, about=about, to_whom=to_whom),
            what=what,
            to_whom=to_whom,
            subscriber_id=subscriber_id,
            about=about,
            now=now,
        )
    )


def owed(connection: Connection, *, limit: int) -> list[Note]:
    return connection.all(
        """
        SELECT key, what, to_whom, subscriber_id, about, at FROM notes
         WHERE sent_at IS NULL ORDER BY at, key LIMIT :limit
        """,
        into=Note,
        limit=limit,
    )


def set_written(tx: Transaction, key: str, *, now: int) -> int:
    """One, for whoever writes the letter; nought when another did."""
    return tx.run(
        "UPDATE notes SET sent_at = :now WHERE key = :key AND sent_at IS NULL", key=key, now=now
    )


def was_owed(connection: Connection, what: str, *, to_whom: str, about: str) -> bool:
    found = connection.value(
        "SELECT 1 FROM notes WHERE key = :key", key=key_of(what, about=about, to_whom=to_whom)
    )
    return found is not None


def last_told(
    connection: Connection, subscriber_id: int, *, to_whom: str
) -> tuple[str, str] | None:
    """Of somebody's joining and leaving, what was last written about: (what, about)."""
    rows = connection.rows(
        """
        SELECT what, about FROM notes
         WHERE subscriber_id = :id AND to_whom = :to_whom AND what IN ('joined', 'left')
           AND mailing_id IS NOT NULL
         ORDER BY mailing_id DESC LIMIT 1
        """,
        id=subscriber_id,
        to_whom=to_whom,
    )
    return (rows[0][0], rows[0][1]) if rows else None


def set_mailing(tx: Transaction, key: str, mailing: int) -> None:
    """By which mailing a note was written."""
    tx.run("UPDATE notes SET mailing_id = :mailing WHERE key = :key", key=key, mailing=mailing)


def over(connection: Connection, *, since: int, now: int) -> list[Membership]:
    """Gifts of the writer or of others that ended lately, and nothing else makes them members."""
    return connection.all(
        f"""{MEMBERSHIP}
         WHERE ends_at > :since AND ends_at <= :now AND kind IN ('gift', 'complimentary')
           AND NOT EXISTS (SELECT 1 FROM memberships AS other
                            WHERE other.subscriber_id = memberships.subscriber_id
                              AND (other.ends_at IS NULL OR other.ends_at > :now))
         ORDER BY ends_at, subscriber_id
        """,
        into=Membership,
        since=since,
        now=now,
    )


def paying_unread(
    connection: Connection, *, mode: str, since: int, until: int
) -> list[tuple[str, int, int]]:
    """(subscription, subscriber, when they unsubscribed) of those who pay and get no letters."""
    rows = connection.rows(
        """
        SELECT subscriptions.id, subscribers.id, subscribers.unsubscribed_at
          FROM subscriptions JOIN subscribers ON subscribers.id = subscriptions.subscriber_id
         WHERE subscriptions.is_current = 1 AND subscriptions.mode = :mode
           AND subscriptions.cancel_at IS NULL AND subscribers.state = 'unsubscribed'
           AND subscribers.unsubscribed_at > :since AND subscribers.unsubscribed_at <= :until
         ORDER BY subscriptions.id
        """,
        mode=mode,
        since=since,
        until=until,
    )
    return [(one, who, at) for one, who, at in rows]


# Gifts

GIFT = f"SELECT {_columns(Gift)} FROM gifts"


def insert_gift(tx: Transaction, gift: Gift) -> bool:
    """Whether it is new: a payment makes one gift."""
    return bool(
        tx.run(
            """
            INSERT INTO gifts (payment_id, mode, code, tier, months, buyer_id, address, send_at,
                               created_at, words, buyer, buyer_key)
            VALUES (:payment_id, :mode, :code, :tier, :months,
                    (SELECT id FROM subscribers WHERE id = :buyer_id), :address, :send_at,
                    :created_at, :words, :buyer, :buyer_key)
            ON CONFLICT (payment_id) DO NOTHING
            """,
            **asdict(gift),
        )
    )


def gift_by_code(connection: Connection, code: str) -> Gift | None:
    return connection.one(f"{GIFT} WHERE code = :code", into=Gift, code=code)


def gift_by_payment(connection: Connection, payment_id: str) -> Gift | None:
    return connection.one(f"{GIFT} WHERE payment_id = :id", into=Gift, id=payment_id)


def gifts_taken_by(connection: Connection, subscriber_id: int, *, mode: str) -> list[Gift]:
    """In the order they were taken."""
    return connection.all(
        f"{GIFT} WHERE taken_by = :id AND mode = :mode ORDER BY taken_at, payment_id",
        into=Gift,
        id=subscriber_id,
        mode=mode,
    )


def gifts_bought_by(connection: Connection, subscriber_id: int, *, mode: str) -> list[Gift]:
    """Newest first."""
    return connection.all(
        f"{GIFT} WHERE buyer_id = :id AND mode = :mode ORDER BY created_at DESC, payment_id",
        into=Gift,
        id=subscriber_id,
        mode=mode,
    )


def gifts_bought_from(connection: Connection, email_key: str, *, mode: str) -> list[Gift]:
    """Those that were bought with an address, by somebody who was not signed in; newest first."""
    return connection.all(
        f"""{GIFT}
         WHERE buyer_key = :key AND buyer_key <> '' AND mode = :mode
         ORDER BY created_at DESC, payment_id
        """,
        into=Gift,
        key=email_key,
        mode=mode,
    )


def gifts(connection: Connection, *, mode: str) -> list[Gift]:
    """Every gift, newest first."""
    return connection.all(
        f"{GIFT} WHERE mode = :mode ORDER BY created_at DESC, payment_id", into=Gift, mode=mode
    )


def take_gift(tx: Transaction, code: str, *, subscriber_id: int, now: int) -> bool:
    return bool(
        tx.run(
            """
            UPDATE gifts SET taken_by = :id, taken_at = :now
             WHERE code = :code AND taken_at IS NULL AND ended_at IS NULL
            """,
            code=code,
            id=subscriber_id,
            now=now,
        )
    )


def receivers(connection: Connection) -> list[tuple[str, str]]:
    """Whom gifts are for: the payment of each, and the address."""
    found = connection.rows("SELECT payment_id, address FROM gifts WHERE address <> ''")
    return [(payment_id, address) for payment_id, address in found]


def forget_receiver(tx: Transaction, payment_id: str) -> int:
    """Whom a gift was for."""
    return tx.run("UPDATE gifts SET address = '' WHERE payment_id = :id", id=payment_id)


def forget_buyer(tx: Transaction, email_key: str, *, now: int) -> int:
    """Who bought a gift without being signed in; what they were owed is not written any more."""
    tx.run(
        """
        UPDATE notes SET sent_at = :now
         WHERE sent_at IS NULL
           AND key IN (SELECT 'gift:' || payment_id || ':reader' FROM gifts
                        WHERE buyer_key = :key AND buyer_key <> '')
        """,
        key=email_key,
        now=now,
    )
    return tx.run(
        "UPDATE gifts SET buyer = '', buyer_key = '' WHERE buyer_key = :key AND buyer_key <> ''",
        key=email_key,
    )


def end_gift(tx: Transaction, payment_id: str, *, now: int) -> int:
    """One that was paid back is worth nothing."""
    return tx.run(
        "UPDATE gifts SET ended_at = :now WHERE payment_id = :id AND ended_at IS NULL",
        id=payment_id,
        now=now,
    )


def gifts_to_send(connection: Connection, *, mode: str, now: int, limit: int) -> list[Gift]:
    """Those whose day has come, and whom nobody wrote to yet."""
    return connection.all(
        f"""{GIFT}
         WHERE sent_at IS NULL AND taken_at IS NULL AND ended_at IS NULL AND address <> ''
           AND COALESCE(send_at, 0) <= :now AND mode = :mode
         ORDER BY created_at, payment_id LIMIT :limit
        """,
        into=Gift,
        mode=mode,
        now=now,
        limit=limit,
    )


def set_gift_sent(tx: Transaction, payment_id: str, *, now: int) -> int:
    """One, for whoever writes the letter; nought when another did, or when nobody should."""
    return tx.run(
        """
        UPDATE gifts SET sent_at = :now
         WHERE payment_id = :id AND sent_at IS NULL AND taken_at IS NULL AND ended_at IS NULL
        """,
        id=payment_id,
        now=now,
    )


# Visits to the checkout by people who are not signed in


def insert_visit(tx: Transaction, client: str, *, now: int) -> int:
    return tx.run("INSERT INTO visits (client, at) VALUES (:client, :now)", client=client, now=now)


def visits_by(connection: Connection, client: str, *, since: int) -> list[int]:
    """When a client went to the checkout, oldest first."""
    rows = connection.rows(
        "SELECT at FROM visits WHERE client = :client AND at > :since ORDER BY at",
        client=client,
        since=since,
    )
    return [at for (at,) in rows]


def delete_visits(tx: Transaction, *, before: int) -> int:
    return tx.run("DELETE FROM visits WHERE at <= :before", before=before)


# What is done from time to time


@dataclass(frozen=True, slots=True)
class Standing:
    """How a round stands: when it is due, and how it went the last time."""

    name: str
    due_at: int
    holder: str
    held_until: int
    done_at: int | None
    failures: int
    said: str


ROUND = f"SELECT {_columns(Standing)} FROM rounds"


def rounds(connection: Connection) -> dict[str, Standing]:
    return {one.name: one for one in connection.all(ROUND, into=Standing)}


def insert_round(tx: Transaction, name: str, *, due_at: int) -> int:
    return tx.run(
        """
        INSERT INTO rounds (name, due_at) VALUES (:name, :due_at) ON CONFLICT (name) DO NOTHING
        """,
        name=name,
        due_at=due_at,
    )


def take_round(
    tx: Transaction, name: str, *, holder: str, now: int, until: int, latest: int
) -> bool:
    """Whether it is ours: it was due, and nobody held it, or whoever did seems to have died.

    Nobody holds one beyond `latest`: whoever seems to died before the clock was set back.
    """
    return bool(
        tx.run(
            """
            UPDATE rounds SET holder = :holder, held_until = :until
             WHERE name = :name AND due_at <= :now
               AND (held_until <= :now OR held_until > :latest)
            """,
            name=name,
            holder=holder,
            now=now,
            until=until,
            latest=latest,
        )
    )


def hold_round(tx: Transaction, name: str, *, holder: str, until: int) -> bool:
    """Whether it still is ours."""
    return bool(
        tx.run(
            "UPDATE rounds SET held_until = :until WHERE name = :name AND holder = :holder",
            name=name,
            holder=holder,
            until=until,
        )
    )


def end_round(
    tx: Transaction,
    name: str,
    *,
    holder: str,
    due_at: int,
    failures: int,
    said: str,
    now: int,
) -> None:
    """Give it back until it is due again; one that another took meanwhile is theirs."""
    tx.run(
        """
        UPDATE rounds
           SET due_at = :due_at, holder = '', held_until = 0, failures = :failures, said = :said,
               done_at = CASE WHEN :failures = 0 THEN :now ELSE done_at END
         WHERE name = :name AND holder = :holder
        """,
        name=name,
        holder=holder,
        due_at=due_at,
        failures=failures,
        said=said,
        now=now,
    )


def heard(connection: Connection, *, mode: str) -> tuple[int | None, int, int]:
    """(when an event last came, how many wait, how many of them failed before)."""
    last = connection.value(
        "SELECT max(received_at) FROM webhook_events WHERE mode = :mode", mode=mode
    )
    rows = connection.rows(
        """
        SELECT count(*), count(CASE WHEN attempts > 0 THEN 1 END) FROM webhook_events
         WHERE due_at IS NOT NULL AND mode = :mode
        """,
        mode=mode,
    )
    return last, int(rows[0][0]), int(rows[0][1])


def has_money(connection: Connection, *, mode: str) -> bool:
    """Whether anything was ever paid for, or tried to be."""
    found = connection.value(
        """
        SELECT 1 WHERE EXISTS (SELECT 1 FROM customers WHERE mode = :mode)
                    OR EXISTS (SELECT 1 FROM payments WHERE mode = :mode)
                    OR EXISTS (SELECT 1 FROM webhook_events WHERE mode = :mode)
        """,
        mode=mode,
    )
    return found is not None


# Figures


def paying(connection: Connection, *, mode: str, now: int) -> list[tuple[str, str, int]]:
    """(currency, every, cents together) of subscriptions that will be paid again."""
    rows = connection.rows(
        """
        SELECT subscriptions.currency, subscriptions.every,
               CAST(sum(subscriptions.cents - subscriptions.off_cents) AS bigint)
          FROM subscriptions
          JOIN memberships ON memberships.subscriber_id = subscriptions.subscriber_id
                          AND memberships.kind = 'paid'
                          AND (memberships.ends_at IS NULL OR memberships.ends_at > :now)
         WHERE subscriptions.mode = :mode AND subscriptions.is_current = 1
           AND subscriptions.cancel_at IS NULL
           AND subscriptions.status IN ('active', 'past_due')
         GROUP BY subscriptions.currency, subscriptions.every
         ORDER BY subscriptions.currency, subscriptions.every
        """,
        mode=mode,
        now=now,
    )
    return [(currency, every, int(cents)) for currency, every, cents in rows]


def members_by_kind(connection: Connection, *, now: int) -> dict[str, int]:
    """How many live memberships there are of each kind; together, how many people."""
    rows = connection.rows(
        """
        SELECT kind, count(*) FROM memberships
         WHERE started_at <= :now AND (ends_at IS NULL OR ends_at > :now)
         GROUP BY kind
        """,
        now=now,
    )
    people = connection.value(
        """
        SELECT count(DISTINCT subscriber_id) FROM memberships
         WHERE started_at <= :now AND (ends_at IS NULL OR ends_at > :now)
        """,
        now=now,
    )
    return {**dict(rows), "people": people}


def joined_and_left(
    connection: Connection, *, mode: str, since: int, until: int
) -> tuple[int, int, int]:
    """(paying at :since, of those ended before :until, begun from :since to :until) in people."""
    begun = "SELECT DISTINCT subscriber_id FROM subscriptions WHERE mode = :mode AND subscriber_id IS NOT NULL"
    began = "status NOT IN ('incomplete', 'incomplete_expired')"
    at_first = (
        f"{begun} AND {began} AND created_at < :since AND (ended_at IS NULL OR ended_at >= :since)"
    )
    at_last = (
        f"{begun} AND {began} AND created_at < :until AND (ended_at IS NULL OR ended_at >= :until)"
    )
    count = "SELECT count(*) FROM"
    values = {"mode": mode, "since": since, "until": until}
    before = connection.value(f"{count} ({at_first}) AS first", mode=mode, since=since)
    stayed = connection.value(
        f"{count} ({at_first}) AS first JOIN ({at_last}) AS last "
        "ON last.subscriber_id = first.subscriber_id",
        **values,
    )
    after = connection.value(f"{count} ({at_last}) AS last", mode=mode, until=until)
    return int(before), int(before - stayed), int(after - stayed)


def income(
    connection: Connection, *, mode: str, since: int, until: int
) -> list[tuple[str, int, int]]:
    """(currency, cents that came in, cents given back) from `since` to `until`."""
    rows = connection.rows(
        """
        SELECT currency, CAST(sum(came) AS bigint), CAST(sum(back) AS bigint) FROM (
            SELECT currency, cents AS came, 0 AS back FROM payments
             WHERE mode = :mode AND status = 'paid' AND paid_at >= :since AND paid_at < :until
            UNION ALL
            SELECT currency, 0 AS came, cents AS back FROM refunds
             WHERE mode = :mode AND status = 'succeeded'
               AND created_at >= :since AND created_at < :until
        ) AS moved GROUP BY currency ORDER BY currency
        """,
        mode=mode,
        since=since,
        until=until,
    )
    return [(currency, int(came), int(back)) for currency, came, back in rows]
