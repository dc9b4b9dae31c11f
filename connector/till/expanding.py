"""What `expand` puts in the place of an id, and lists that are only shown when asked for.

Four levels at most, as at Stripe; what cannot be expanded is refused.
"""

import copy
from typing import Any

from connector.till import checkout
from connector.till.drawer import Drawer
from connector.till.refusal import Refusal
from connector.till.shapes import Body, page

DEEPEST = 4


def expanded(drawer: Drawer, body: Body, paths: list[str]) -> Body:
    """A copy with every path in it expanded; raises Refusal."""
    body = copy.deepcopy(body)
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > DEEPEST:
            raise Refusal(
                f"You cannot expand more than {DEEPEST} levels of a property ({path}).",
                param="expand",
            )
        _open(drawer, body, parts, path)
    return body


def _open(drawer: Drawer, inside: Any, parts: list[str], path: str) -> None:
    if isinstance(inside, list):
        for one in inside:
            _open(drawer, one, parts, path)
        return
    if not parts or not isinstance(inside, dict):
        return
    name = parts[0]
    if name not in inside and not _add_list(drawer, inside, name):
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
    inside[name] = _in_full(drawer, inside[name])
    if isinstance(inside[name], str) and name != "data":
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
    _open(drawer, inside[name], parts[1:], path)


def _in_full(drawer: Drawer, value: Any) -> Any:
    if isinstance(value, list):
        return [_in_full(drawer, one) for one in value]
    if isinstance(value, str) and (found := drawer.look(value)):
        return copy.deepcopy(found.body)
    return value


def _add_list(drawer: Drawer, inside: Body, name: str) -> bool:
    """The lists that an object leaves out by itself."""
    key = inside.get("id", "")
    match inside.get("object"), name:
        case "invoice", "payments":
            inside[name] = _page(
                drawer, "invoice_payment", key, f"/v1/invoice_payments?invoice={key}"
            )
        case "charge", "refunds":
            inside[name] = _page(drawer, "refund", key, f"/v1/charges/{key}/refunds")
        case "customer", "subscriptions":
            url = f"/v1/customers/{key}/subscriptions"
            inside[name] = _page(drawer, "subscription", key, url)
        case "checkout.session", "line_items":
            lines = checkout.lines_of(drawer.entry(key))
            inside[name] = page(copy.deepcopy(lines), f"/v1/checkout/sessions/{key}/line_items")
        case _:
            return False
    return True


def _page(drawer: Drawer, kind: str, owner: str, url: str) -> Body:
    found = [entry.body for entry in reversed(drawer.all(kind, owner))]
    if kind == "subscription":
        found = [body for body in found if body["status"] != "canceled"]
    return page(copy.deepcopy(found[:10]), url, has_more=len(found) > 10)  # noqa: PLR2004
