"""What our account at Stripe holds for this site: products, prices, webhook, portal, promotion codes.

It asks and tells, in Stripe's own shapes; what there should be is for others to say.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connector.errors import NotFound
from connector.membership import billing
from connector.membership.billing import Raw
from connector.membership.stripe_api import PAGE, Client, asking, plain
from connector.settings import Settings

# At most ten in one question: https://docs.stripe.com/api/prices/list
KEYS = 10


def product(client: Client, product_id: str) -> Raw | None:
    """A product as it stands; None for one that is missing, or was deleted."""
    try:
        with asking():
            found = plain(client.v1.products.retrieve(product_id))
    except NotFound:
        return None
    return None if found.get("deleted") else found


def create_product(client: Client, wanted: Mapping[str, Any]) -> None:
    create: Any = client.v1.products.create
    with asking():
        create(dict(wanted))


def update_product(client: Client, product_id: str, wanted: Mapping[str, Any]) -> None:
    update: Any = client.v1.products.update
    with asking():
        update(product_id, dict(wanted))


def prices(client: Client, keys: list[str]) -> dict[str, Raw]:
    """The price that each lookup key names now, of those that name one."""
    found: dict[str, Raw] = {}
    for start in range(0, len(keys), KEYS):
        asked: Any = {"lookup_keys": keys[start : start + KEYS], "active": True, "limit": PAGE}
        with asking():
            for one in client.v1.prices.list(asked).auto_paging_iter():
                raw = plain(one)
                found[raw["lookup_key"]] = raw
    return found


# The webhook


def endpoints(client: Client) -> list[Raw]:
    """Every webhook endpoint of the account, oldest first."""
    asked: Any = {"limit": PAGE}
    with asking():
        found = [plain(one) for one in client.v1.webhook_endpoints.list(asked).auto_paging_iter()]
    return sorted(found, key=lambda one: (one["created"], one["id"]))


def create_endpoint(client: Client, wanted: Mapping[str, Any]) -> str:
    """The secret that it signs with, which Stripe shows this once."""
    create: Any = client.v1.webhook_endpoints.create
    with asking():
        return str(create(dict(wanted)).secret or "")


def update_endpoint(client: Client, endpoint_id: str, wanted: Mapping[str, Any]) -> None:
    update: Any = client.v1.webhook_endpoints.update
    with asking():
        update(endpoint_id, dict(wanted))


def delete_endpoint(client: Client, endpoint_id: str) -> None:
    with asking():
        client.v1.webhook_endpoints.delete(endpoint_id)


# The portal


def create_portal(client: Client, wanted: Mapping[str, Any]) -> None:
    create: Any = client.v1.billing_portal.configurations.create
    with asking():
        create(dict(wanted))


def update_portal(client: Client, configuration_id: str, wanted: Mapping[str, Any]) -> None:
    update: Any = client.v1.billing_portal.configurations.update
    with asking():
        update(configuration_id, dict(wanted))


# Promotion codes


def create_coupon(client: Client, wanted: Mapping[str, Any]) -> str:
    """The id of a discount."""
    create: Any = client.v1.coupons.create
    with asking():
        return str(create(dict(wanted)).id)


def delete_coupon(client: Client, coupon_id: str) -> None:
    """Nobody gets it any more; who has it keeps it."""
    with asking():
        client.v1.coupons.delete(coupon_id)


def create_code(client: Client, wanted: Mapping[str, Any]) -> Raw:
    """A promotion code, with its coupon."""
    create: Any = client.v1.promotion_codes.create
    with asking():
        return plain(create({**wanted, "expand": ["promotion.coupon"]}))


def codes(client: Client, settings: Settings) -> Iterator[Raw]:
    """Every promotion code of this site, newest first, with its coupon."""
    asked: Any = {"limit": PAGE, "expand": ["data.promotion.coupon"]}
    with asking():
        for one in client.v1.promotion_codes.list(asked).auto_paging_iter():
            found = plain(one)
            if billing.is_ours(settings, found):
                yield found


def active_code(client: Client, code: str) -> Raw | None:
    """The promotion code that can be used under this name, whoever made it."""
    asked: Any = {"code": code, "active": True, "limit": 1}
    with asking():
        found = client.v1.promotion_codes.list(asked).data
        return plain(found[0]) if found else None


def put_away_code(client: Client, code_id: str) -> None:
    """Nobody can use it any more; who has the discount keeps it."""
    with asking():
        client.v1.promotion_codes.update(code_id, {"active": False})


# Plans


def set_price(client: Client, subscription_id: str, item_id: str, price_id: str) -> None:
    """Charge another price from the next renewal on; nothing is asked for, or given back, now."""
    wanted: Any = {
        "items": [{"id": item_id, "price": price_id}],
        "proration_behavior": "none",
    }
    with asking():
        client.v1.subscriptions.update(subscription_id, wanted)
