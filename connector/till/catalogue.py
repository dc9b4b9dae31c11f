"""What can be bought: products, prices, coupons and promotion codes.

A price is never changed once it is made, as at Stripe; it is put away, and another is made.
"""

import secrets
from typing import Any

from connector.till import form as forms
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import Refusal, missing
from connector.till.shapes import Body, gone, make

INTERVALS = ("day", "week", "month", "year")
# Stripe, “Supported currencies”: those without a smaller unit, and the least that can be charged.
LEAST = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "chf": 50, "cad": 50, "aud": 50, "kwd": 50}


# Products


def create_product(drawer: Drawer, form: Form) -> Body:
    forms.required(form, "name")
    key = {"id": form["id"]} if form.get("id") else {}
    if key and drawer.look(key["id"]):
        raise Refusal("Product already exists.", param="id", code="resource_already_exists")
    product = drawer.add(
        "product",
        **key,
        active=forms.yes(form, "active", default=True),
        description=forms.text(form, "description"),
        images=form.get("images", []),
        marketing_features=form.get("marketing_features", []),
        metadata=forms.metadata(form),
        name=form["name"],
        statement_descriptor=forms.text(form, "statement_descriptor"),
        tax_code=forms.text(form, "tax_code"),
        type="service",
        unit_label=forms.text(form, "unit_label"),
        updated=drawer.now,
        url=forms.text(form, "url"),
    )
    drawer.emit("product.created", product.body)
    if "default_price_data" in form:
        price = create_price(drawer, {**form["default_price_data"], "product": product.key})
        product.body["default_price"] = price["id"]
    return product.body


def update_product(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "product")
    with drawer.changing(key, "product.updated") as product:
        for name in (
            "name",
            "description",
            "statement_descriptor",
            "tax_code",
            "unit_label",
            "url",
        ):
            if name in form:
                product.body[name] = forms.text(form, name)
        product.body["active"] = forms.yes(form, "active", default=product.body["active"])
        product.body["metadata"] = forms.metadata(form, product.body["metadata"])
        product.body["default_price"] = form.get("default_price", product.body["default_price"])
        product.body["updated"] = drawer.now
    return product.body


def delete_product(drawer: Drawer, _: Form, key: str) -> Body:
    product = drawer.entry(key, "product")
    if any(price.body["product"] == key for price in drawer.all("price")):
        raise Refusal(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    drawer.emit("product.deleted", product.body)
    product.body = gone("product", key)
    return product.body


# Prices


def create_price(drawer: Drawer, form: Form) -> Body:
    forms.required(form, "currency")
    forms.apart(form, "product", "product_data")
    forms.apart(form, "unit_amount", "custom_unit_amount", "unit_amount_decimal")
    product = _product_of(drawer, form)
    price = drawer.add(
        "price",
        active=forms.yes(form, "active", default=True),
        billing_scheme="per_unit",
        currency=str(form["currency"]).lower(),
        custom_unit_amount=_chosen_by_payer(form),
        metadata=forms.metadata(form),
        nickname=forms.text(form, "nickname"),
        product=product,
        recurring=_recurring(form),
        tax_behavior=form.get("tax_behavior", "unspecified"),
        type="recurring" if "recurring" in form else "one_time",
        **_unit_amount(form),
    )
    _look_up_by(drawer, price, form)
    drawer.emit("price.created", price.body)
    return price.body


def update_price(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "price")
    with drawer.changing(key, "price.updated") as price:
        price.body["active"] = forms.yes(form, "active", default=price.body["active"])
        price.body["metadata"] = forms.metadata(form, price.body["metadata"])
        if "nickname" in form:
            price.body["nickname"] = forms.text(form, "nickname")
        if "tax_behavior" in form:
            price.body["tax_behavior"] = form["tax_behavior"]
        _look_up_by(drawer, price, form)
    _show_everywhere(drawer, price.body)
    return price.body


def price_for(drawer: Drawer, item: Form, *, param: str, currency: str = "") -> Body:
    """The price an item names, or the one its price_data asks to be made."""
    forms.apart(item, "price", "price_data")
    if "price_data" in item:
        data = dict(item["price_data"])
        forms.required(data, "currency")
        if "unit_amount" not in data and "unit_amount_decimal" not in data:
            raise Refusal(
                "You must specify either `unit_amount` or `unit_amount_decimal`.",
                param=f"{param}[price_data][unit_amount]",
            )
        # Stripe, “Pricing models”: an inline price can be used once, and is not active.
        price = create_price(drawer, {**data, "active": "false"})
    else:
        forms.required(item, "price")
        price = drawer.entry(item["price"], "price", param=f"{param}[price]").body
        if not price["active"]:
            raise Refusal(
                "The price specified is inactive. This field only accepts active prices.",
                param=f"{param}[price]",
            )
    if currency and price["currency"] != currency:
        raise Refusal(
            f"The price specified only supports `{price['currency']}`. This doesn't match the "
            f"expected currency: `{currency}`.",
            param=f"{param}[price]",
        )
    return price


def plan_of(price: Body) -> Body:
    """The same price in the older words that subscription items still carry."""
    recurring = price["recurring"]
    return make(
        "plan",
        created=price["created"],
        id=price["id"],
        active=price["active"],
        amount=price["unit_amount"],
        amount_decimal=price["unit_amount_decimal"],
        billing_scheme=price["billing_scheme"],
        currency=price["currency"],
        interval=recurring["interval"],
        interval_count=recurring["interval_count"],
        metadata=price["metadata"],
        nickname=price["nickname"],
        product=price["product"],
        usage_type="licensed",
    )


def least(currency: str) -> int:
    """The least that can be charged, in the smallest unit."""
    return LEAST.get(currency, 50)


def _product_of(drawer: Drawer, form: Form) -> str:
    if "product_data" in form:
        return str(create_product(drawer, form["product_data"])["id"])
    forms.required(form, "product")
    product = drawer.entry(form["product"], "product", param="product").body
    if product.get("deleted") or not product["active"]:
        raise Refusal(
            "The product specified is not active.", param="product", code="resource_missing"
        )
    return str(form["product"])


def _unit_amount(form: Form) -> Body:
    if "custom_unit_amount" in form:
        return {}
    if "unit_amount_decimal" in form:
        text = str(form["unit_amount_decimal"])
        return {
            "unit_amount": int(text) if text.isdigit() else None,
            "unit_amount_decimal": text,
        }
    unit_amount = forms.amount(form, "unit_amount")
    if unit_amount is None:
        raise Refusal(
            "Missing required param: unit_amount.", param="unit_amount", code="parameter_missing"
        )
    return {"unit_amount": unit_amount, "unit_amount_decimal": str(unit_amount)}


def _chosen_by_payer(form: Form) -> Body | None:
    asked = form.get("custom_unit_amount")
    if not asked or not forms.yes(asked, "enabled"):
        return None
    if "recurring" in form:
        raise Refusal(
            "`custom_unit_amount` is not supported for recurring prices.", param="recurring"
        )
    return {name: forms.amount(asked, name) for name in ("maximum", "minimum", "preset")}


def _recurring(form: Form) -> Body | None:
    if "recurring" not in form:
        return None
    asked = form["recurring"]
    forms.required(asked, "interval")
    return {
        "interval": forms.one_of(asked, "interval", INTERVALS),
        "interval_count": forms.whole(asked, "interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _look_up_by(drawer: Drawer, price: Entry, form: Form) -> None:
    """Stripe, “Manage prices”: a lookup key names one price; it can be taken over from another."""
    if "lookup_key" not in form:
        return
    key = forms.text(form, "lookup_key")
    for other in drawer.all("price"):
        if key and other.key != price.key and other.body["lookup_key"] == key:
            if not forms.yes(form, "transfer_lookup_key"):
                raise Refusal(
                    f"A price (`{other.key}`) already uses that lookup key.", param="lookup_key"
                )
            with drawer.changing(other.key, "price.updated"):
                other.body["lookup_key"] = None
    price.body["lookup_key"] = key


def _show_everywhere(drawer: Drawer, price: Body) -> None:
    for subscription in drawer.all("subscription"):
        for item in subscription.body["items"]["data"]:
            if item["price"]["id"] == price["id"]:
                item["price"], item["plan"] = price, plan_of(price)


# Coupons and promotion codes


def create_coupon(drawer: Drawer, form: Form) -> Body:
    forms.apart(form, "percent_off", "amount_off")
    if "percent_off" not in form and "amount_off" not in form:
        raise Refusal("Must provide percent_off or amount_off.", param="percent_off")
    if "amount_off" in form:
        forms.required(form, "currency")
    duration = forms.one_of(form, "duration", ("forever", "once", "repeating"), "once")
    if duration == "repeating":
        forms.required(form, "duration_in_months")
    key = form.get("id") or "".join(
        secrets.choice("ABCDEFGHJKMNPQRSTVWXYZ23456789") for _ in range(8)
    )
    if drawer.look(key):
        raise Refusal("Coupon already exists.", param="id", code="resource_already_exists")
    coupon = drawer.add(
        "coupon",
        id=key,
        amount_off=forms.amount(form, "amount_off"),
        currency=forms.text(form, "currency"),
        duration=duration,
        duration_in_months=forms.whole(form, "duration_in_months"),
        max_redemptions=forms.whole(form, "max_redemptions"),
        metadata=forms.metadata(form),
        name=forms.text(form, "name"),
        percent_off=_percent(form),
        redeem_by=forms.whole(form, "redeem_by"),
        times_redeemed=0,
        valid=True,
    )
    coupon.own["products"] = form.get("applies_to", {}).get("products", [])
    drawer.emit("coupon.created", coupon.body)
    return coupon.body


def update_coupon(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "coupon")
    with drawer.changing(key, "coupon.updated") as coupon:
        coupon.body["metadata"] = forms.metadata(form, coupon.body["metadata"])
        if "name" in form:
            coupon.body["name"] = forms.text(form, "name")
    return coupon.body


def delete_coupon(drawer: Drawer, _: Form, key: str) -> Body:
    coupon = drawer.entry(key, "coupon")
    drawer.emit("coupon.deleted", coupon.body)
    # Those who have it keep it: the Till keeps its terms, and shows it as gone.
    coupon.own["terms"] = coupon.body
    coupon.body = gone("coupon", key)
    return coupon.body


def create_promotion_code(drawer: Drawer, form: Form) -> Body:
    forms.required(form, "promotion")
    promotion = form["promotion"]
    if promotion.get("type") != "coupon":
        raise Refusal("Invalid promotion[type]: must be coupon", param="promotion[type]")
    forms.required(promotion, "coupon")
    coupon = drawer.entry(promotion["coupon"], "coupon", param="promotion[coupon]")
    word = form.get("code") or secrets.token_hex(4).upper()
    if any(_is_same(other, word, form) for other in drawer.all("promotion_code")):
        raise Refusal(f"An active promotion code with `code: {word}` already exists.", param="code")
    asked = form.get("restrictions", {})
    code = drawer.add(
        "promotion_code",
        active=forms.yes(form, "active", default=True),
        code=word,
        customer=forms.text(form, "customer"),
        expires_at=forms.whole(form, "expires_at"),
        max_redemptions=forms.whole(form, "max_redemptions"),
        metadata=forms.metadata(form),
        promotion={"type": "coupon", "coupon": coupon.key},
        restrictions={
            "first_time_transaction": forms.yes(asked, "first_time_transaction"),
            "minimum_amount": forms.amount(asked, "minimum_amount"),
            "minimum_amount_currency": forms.text(asked, "minimum_amount_currency"),
        },
        times_redeemed=0,
    )
    drawer.emit("promotion_code.created", code.body)
    return code.body


def update_promotion_code(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "promotion_code")
    with drawer.changing(key, "promotion_code.updated") as code:
        code.body["active"] = forms.yes(form, "active", default=code.body["active"])
        code.body["metadata"] = forms.metadata(form, code.body["metadata"])
    return code.body


def coupon_for(drawer: Drawer, asked: Form, *, param: str) -> tuple[Entry, str | None]:
    """The coupon that a `coupon` or `promotion_code` stands for, and the code; raises Refusal
    when it is used up, over or put away.
    """
    forms.apart(asked, "coupon", "promotion_code")
    code = asked.get("promotion_code")
    if code:
        found = drawer.entry(code, "promotion_code", param=f"{param}[promotion_code]").body
        if not found["active"] or _is_over(found, drawer.now, "expires_at"):
            raise Refusal("This promotion code is not active.", param=param, code="coupon_expired")
        key = found["promotion"]["coupon"]
    else:
        forms.required(asked, "coupon")
        key = asked["coupon"]
    coupon = drawer.entry(key, "coupon", param=f"{param}[coupon]")
    if coupon.body.get("deleted"):
        raise missing("coupon", key, param=f"{param}[coupon]")
    if _is_over(coupon.body, drawer.now, "redeem_by"):
        raise Refusal(f"Coupon expired: {key}", param=param, code="coupon_expired")
    return coupon, code


def terms_of(coupon: Entry) -> Body:
    """What a coupon takes off, even when it is gone."""
    terms: Body = coupon.own.get("terms", coupon.body)
    return terms


def redeem(drawer: Drawer, coupon: Entry, code: str | None) -> None:
    """Count one use."""
    coupon.body["times_redeemed"] += 1
    coupon.body["valid"] = not _is_over(coupon.body, drawer.now, "redeem_by")
    if code:
        used = drawer.body(code)
        used["times_redeemed"] += 1
        used["active"] = used["active"] and not _is_over(used, drawer.now, "expires_at")


def code_named(drawer: Drawer, word: str) -> Entry | None:
    """The active promotion code a payer types; letters may be small."""
    return next(
        (
            one
            for one in drawer.all("promotion_code")
            if one.body["active"] and one.body["code"].lower() == word.strip().lower()
        ),
        None,
    )


def _percent(form: Form) -> float | None:
    if "percent_off" not in form:
        return None
    try:
        percent = float(form["percent_off"])
    except ValueError:
        percent = 0
    if not 0 < percent <= 100:  # noqa: PLR2004
        raise Refusal("percent_off must be more than 0 and at most 100.", param="percent_off")
    return percent


def _is_same(other: Entry, word: str, form: Form) -> bool:
    return (
        bool(other.body["active"])
        and other.body["code"].lower() == word.lower()
        and other.body["customer"] in (None, form.get("customer"))
    )


def _is_over(body: dict[str, Any], now: int, until: str) -> bool:
    most = body["max_redemptions"]
    return (body[until] is not None and body[until] <= now) or (
        most is not None and body["times_redeemed"] >= most
    )
