"""Memberships bought for somebody else: taken once by their code, one after the other.

No money moves here, and nobody is written to.
"""

import base64
import secrets

from connector.clock import utc
from connector.database import Database, Transaction
from connector.delivery import address as post
from connector.delivery import mailings
from connector.delivery.address import Address
from connector.errors import InvalidAddress, NotFound, Refused
from connector.membership import store
from connector.membership.billing import Checkout, Payment
from connector.membership.gift import FROM_WRITER, Gift
from connector.membership.membership import Membership
from connector.readers import erasure
from connector.readers import store as readers
from connector.readers.preferences import in_months
from connector.settings import FREE, TIP, Settings

LONGEST = 500
GONE = "There is no gift with this code. Look at it again; it has twelve letters and digits."


def record(tx: Transaction, settings: Settings, checkout: Checkout, payment: Payment) -> Gift:
    """The gift that a payment bought; again is the same gift."""
    buyer = _stranger(tx, settings, checkout, payment)
    gift = Gift(
        payment_id=payment.id,
        mode=payment.mode,
        code=_code(settings, payment.id),
        tier=checkout.tier,
        months=max(checkout.months, 1),
        buyer_id=payment.subscriber_id,
        address=checkout.address,
        send_at=checkout.send_at,
        created_at=payment.created_at,
        words=checkout.words,
        buyer=buyer.display if buyer else "",
        buyer_key=buyer.key if buyer else "",
    )
    store.insert_gift(tx, gift)
    return store.gift_by_payment(tx, payment.id) or gift


def _stranger(
    tx: Transaction, settings: Settings, checkout: Checkout, payment: Payment
) -> Address | None:
    """Where to write to a buyer we do not know; None for who was erased since they bought it."""
    if payment.subscriber_id is not None:
        return None
    try:
        found = post.parse(checkout.email)
    except InvalidAddress:
        return None
    erased_at = erasure.erased_at(tx, settings, found.key)
    return found if erased_at is None or erased_at < payment.created_at else None


def give(
    db: Database,
    settings: Settings,
    *,
    address: str,
    months: int,
    tier: str = "",
    send_at: int | None = None,
    words: str = "",
    now: int,
) -> Gift:
    """A gift of the writer's own: for an address that is written to at `send_at`, or a code.

    An empty `tier` is the first that is paid. Raises NotFound for a tier that is none,
    InvalidAddress, and Refused for a time that is past or an address that cannot be reached.
    """
    to = post.parse(address) if address else None
    if send_at is not None and send_at <= now:
        raise Refused(f"{utc(send_at)} is past; a gift can only go out at a time to come.")
    payment_id = f"{FROM_WRITER}{secrets.token_hex(16)}"
    gift = Gift(
        payment_id=payment_id,
        mode=settings.stripe.mode,
        code=_code(settings, payment_id),
        tier=_paid_tier(settings, tier),
        months=months,
        buyer_id=None,
        address=to.display if to else "",
        send_at=(send_at or now) if to else None,
        created_at=now,
        words=words.strip()[:LONGEST],
    )
    with db.write(durable=True) as tx:
        if to and mailings.suppression(tx, to.key):
            raise Refused(
                f"Letters to {to.display} come back, or are not wanted. Leave the address out, "
                "and hand the code over yourself."
            )
        store.insert_gift(tx, gift)
    return gift


def listed(db: Database, settings: Settings) -> list[Gift]:
    """Every gift, newest first."""
    with db.read() as connection:
        return store.gifts(connection, mode=settings.stripe.mode)


def take_back(db: Database, settings: Settings, gift: Gift, *, now: int) -> None:
    """Let a gift of the writer's be worth nothing any more; raises Refused for one that was paid."""
    if not gift.is_from_writer:
        raise Refused("A reader paid for this gift. Give the payment back, and it ends by itself.")
    with db.write(durable=True) as tx:
        end(tx, settings, gift.payment_id, now=now)


def find(db: Database, settings: Settings, code: str) -> Gift:
    """What a code is worth, typed as people type; raises NotFound."""
    with db.read() as connection:
        found = store.gift_by_code(connection, read_code(code))
    if found is None or found.mode != settings.stripe.mode:
        raise NotFound(GONE)
    return found


def bought(db: Database, checkout: Checkout) -> Gift | None:
    """The gift that a visit to the checkout paid for; None until it is paid."""
    with db.read() as connection:
        return store.gift_by_payment(connection, checkout.intent_id or checkout.id)


def take(
    db: Database, settings: Settings, code: str, *, subscriber_id: int, now: int
) -> Membership:
    """Make somebody a member by a gift; a second one goes on where the first ends.

    Raises NotFound, or Refused for one that somebody else took or that was paid back.
    """
    find(db, settings, code)
    with db.write(durable=True) as tx:
        if readers.by_id(tx, subscriber_id) is None:
            raise NotFound(f"There is no subscriber {subscriber_id}.")
        if not store.take_gift(tx, read_code(code), subscriber_id=subscriber_id, now=now):
            again = store.gift_by_code(tx, read_code(code))
            if again is None or again.taken_by != subscriber_id:
                raise Refused("This gift has been taken already.")
        membership = settle(tx, settings, subscriber_id)
    if membership is None:
        raise Refused("This gift was paid back, and is worth nothing any more.")
    return membership


def settle(tx: Transaction, settings: Settings, subscriber_id: int) -> Membership | None:
    """Write what somebody's gifts come to: one after the other, in the order they were taken."""
    begins: int | None = None
    ends, tier = 0, ""
    for gift in store.gifts_taken_by(tx, subscriber_id, mode=settings.stripe.mode):
        if gift.ended_at is not None or gift.taken_at is None:
            continue
        if begins is None or gift.taken_at >= ends:  # after a gap it begins anew
            begins, ends = gift.taken_at, gift.taken_at
        ends = in_months(gift.months, now=ends, zone=settings.publication.zone)
        tier = gift.tier
    if begins is None:
        store.delete_membership(tx, subscriber_id, "gift")
        return None
    membership = Membership(subscriber_id, tier, "gift", begins, ends)
    store.keep_membership(tx, membership)
    return membership


def end(tx: Transaction, settings: Settings, payment_id: str, *, now: int) -> None:
    """One that was paid back makes no member any more."""
    found = store.gift_by_payment(tx, payment_id)
    if found is None:
        return
    store.end_gift(tx, payment_id, now=now)
    if found.taken_by is not None:
        settle(tx, settings, found.taken_by)


def read_code(text: str) -> str:
    """A code as it is kept, from how somebody typed it."""
    signs = "".join(sign for sign in text.upper() if sign.isalnum())
    return "-".join((signs[:4], signs[4:8], signs[8:12]))


def _paid_tier(settings: Settings, wanted: str) -> str:
    paid = [one.key for one in settings.tiers if one.key not in (FREE, TIP)]
    if not wanted and paid:
        return paid[0]
    if wanted not in paid:
        names = ", ".join(paid) or "none in connector.toml"
        raise NotFound(f"There is no paid tier “{wanted}”. There are: {names}.")
    return wanted


def _code(settings: Settings, payment_id: str) -> str:
    # From the payment, so that a second telling of it makes no second code. Base32 has no 0, 1, 8.
    return read_code(base64.b32encode(settings.keys.proof("gift", payment_id)).decode()[:12])
