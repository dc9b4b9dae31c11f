"""The customer portal: its configurations, its sessions, and what a reader does there.

What the configuration does not offer is refused.
"""

from connector.errors import Refused
from connector.till import changes, customers
from connector.till import form as forms
from connector.till.customers import Card
from connector.till.drawer import Drawer, Entry
from connector.till.form import Form
from connector.till.refusal import Refusal, declined
from connector.till.shapes import Body
from connector.till.subscriptions import UPDATED

FLOWS = (
    "customer_update",
    "payment_method_update",
    "subscription_cancel",
    "subscription_pause",
    "subscription_update",
    "subscription_update_confirm",
)


def configure(drawer: Drawer, form: Form) -> Body:
    forms.required(form, "features")
    is_first = not drawer.all("billing_portal.configuration")
    made = drawer.add(
        "billing_portal.configuration",
        active=True,
        business_profile={
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
        },
        features=_features({}, {}),
        is_default=is_first,
        login_page={"enabled": False, "url": None},
        updated=drawer.now,
    )
    _configure(drawer, made, form)
    drawer.emit("billing_portal.configuration.created", made.body)
    return made.body


def reconfigure(drawer: Drawer, form: Form, key: str) -> Body:
    drawer.entry(key, "billing_portal.configuration")
    with drawer.changing(key, "billing_portal.configuration.updated") as entry:
        entry.body["active"] = forms.yes(form, "active", default=entry.body["active"])
        entry.body["updated"] = drawer.now
        _configure(drawer, entry, form)
    return entry.body


def open_session(drawer: Drawer, form: Form) -> Body:
    forms.required(form, "customer")
    customers.alive(drawer, form["customer"], param="customer")
    configuration = _configuration(drawer, form.get("configuration"))
    session = drawer.add(
        "billing_portal.session",
        owner=form["customer"],
        configuration=configuration.key,
        customer=form["customer"],
        flow=_flow(form),
        locale=form.get("locale"),
        return_url=forms.text(form, "return_url") or configuration.body["default_return_url"],
    )
    session.body["url"] = drawer.url(f"portal/{session.key}")
    drawer.emit("billing_portal.session.created", session.body)
    return session.body


# What a reader does there


def cancel(
    drawer: Drawer, session: str, subscription: str, *, feedback: str = "", comment: str = ""
) -> Body:
    """End a plan, at once or at the end of its period, as the configuration says."""
    features = _offered(drawer, session, "subscription_cancel")
    _theirs(drawer, session, subscription)
    why = {"cancellation_details": {"feedback": feedback, "comment": comment}}
    if features["subscription_cancel"]["mode"] == "immediately":
        return changes.cancel(drawer, why, subscription)
    return changes.update(drawer, {"cancel_at_period_end": "true"} | why, subscription)


def resume(drawer: Drawer, session: str, subscription: str) -> Body:
    """Take back a cancellation that has not come true yet."""
    _offered(drawer, session, "subscription_cancel")
    _theirs(drawer, session, subscription)
    return changes.update(drawer, {"cancel_at_period_end": "false"}, subscription)


def update_card(drawer: Drawer, session: str, card: Card) -> Body:
    """A new card for the customer and all their plans."""
    _offered(drawer, session, "payment_method_update")
    customer = drawer.entry(session, "billing_portal.session").owner
    if card == "declined":
        raise declined()
    return replace_card(drawer, customer, card)


def replace_card(drawer: Drawer, customer: str, card: Card) -> Body:
    method = customers.add_card(drawer, card, customer)
    with drawer.changing(customer, "customer.updated") as payer:
        payer.body["invoice_settings"]["default_payment_method"] = method.key
    for subscription in drawer.all("subscription", customer):
        if subscription.body["status"] != "canceled":
            with drawer.changing(subscription.key, UPDATED):
                subscription.body["default_payment_method"] = method.key
    return method.body


def _offered(drawer: Drawer, session: str, feature: str) -> Body:
    opened = drawer.entry(session, "billing_portal.session").body
    features: Body = drawer.body(opened["configuration"])["features"]
    if not features[feature]["enabled"]:
        raise Refused("This portal does not offer that.")
    return features


def _theirs(drawer: Drawer, session: str, subscription: str) -> None:
    if drawer.entry(subscription, "subscription").owner != drawer.entry(session).owner:
        raise Refused("This plan belongs to somebody else.")


def _configuration(drawer: Drawer, key: str | None) -> Entry:
    if key:
        return drawer.entry(key, "billing_portal.configuration", param="configuration")
    for entry in drawer.all("billing_portal.configuration"):
        if entry.body["is_default"]:
            return entry
    raise Refusal(
        "No configuration provided and your test mode default configuration has not been created. "
        "Provide a configuration or create your default by saving your customer portal settings.",
        param="configuration",
    )


def _configure(drawer: Drawer, entry: Entry, form: Form) -> None:
    body = entry.body
    body["metadata"] = forms.metadata(form, body["metadata"])
    body["features"] = _features(form.get("features", {}), body["features"])
    for name in ("default_return_url", "name"):
        if name in form:
            body[name] = forms.text(form, name)
    for name in body["business_profile"]:
        if name in form.get("business_profile", {}):
            body["business_profile"][name] = forms.text(form["business_profile"], name)
    if "login_page" in form:
        enabled = forms.yes(form["login_page"], "enabled")
        body["login_page"] = {
            "enabled": enabled,
            "url": drawer.url(f"portal/login/{entry.key}") if enabled else None,
        }


def _features(asked: Form, before: Body) -> Body:
    """Every feature with every field: what is asked for, else as it was, else off."""

    def chosen(feature: str, name: str, default: object) -> object:
        if name in asked.get(feature, {}):
            return asked[feature][name] or ([] if isinstance(default, list) else default)
        return before.get(feature, {}).get(name, default)

    def enabled(feature: str) -> bool:
        is_on = before.get(feature, {}).get("enabled", False)
        return forms.yes(asked.get(feature, {}), "enabled", default=is_on)

    reason = asked.get("subscription_cancel", {}).get("cancellation_reason", {})
    known = before.get("subscription_cancel", {}).get("cancellation_reason", {})
    return {
        "customer_update": {
            "allowed_updates": chosen("customer_update", "allowed_updates", []),
            "enabled": enabled("customer_update"),
        },
        "invoice_history": {"enabled": enabled("invoice_history")},
        "payment_method_update": {
            "enabled": enabled("payment_method_update"),
            "payment_method_configuration": None,
        },
        "subscription_cancel": {
            "cancellation_reason": {
                "enabled": forms.yes(reason, "enabled", default=known.get("enabled", False)),
                "options": reason.get("options") or known.get("options", []),
            },
            "enabled": enabled("subscription_cancel"),
            "mode": chosen("subscription_cancel", "mode", "at_period_end"),
            "proration_behavior": chosen("subscription_cancel", "proration_behavior", "none"),
        },
        "subscription_pause": {
            "duration": {"interval_options": [], "type": "indefinite"},
            "enabled": enabled("subscription_pause"),
        },
        "subscription_update": {
            "billing_cycle_anchor": chosen("subscription_update", "billing_cycle_anchor", None),
            "default_allowed_updates": chosen("subscription_update", "default_allowed_updates", []),
            "enabled": enabled("subscription_update"),
            "products": _products(asked, before),
            "proration_behavior": chosen("subscription_update", "proration_behavior", "none"),
            "schedule_at_period_end": {
                "conditions": asked.get("subscription_update", {})
                .get("schedule_at_period_end", {})
                .get("conditions", [])
            },
            "trial_update_behavior": chosen(
                "subscription_update", "trial_update_behavior", "end_trial"
            ),
        },
    }


def _products(asked: Form, before: Body) -> list[Body]:
    """Stripe, “Create a portal configuration”: ten products at most."""
    if "products" not in asked.get("subscription_update", {}):
        kept: list[Body] = before.get("subscription_update", {}).get("products", [])
        return kept
    products = asked["subscription_update"]["products"] or []
    if len(products) > 10:  # noqa: PLR2004
        raise Refusal("You can offer at most 10 products.", param="features[subscription_update]")
    quantity = {"enabled": False, "maximum": None, "minimum": 1}
    return [
        {"product": one["product"], "prices": one["prices"], "adjustable_quantity": quantity}
        for one in products
    ]


def _flow(form: Form) -> Body | None:
    if "flow_data" not in form:
        return None
    asked = form["flow_data"]
    kind = forms.one_of(asked, "type", FLOWS)
    flow: Body = {
        "after_completion": {
            "hosted_confirmation": None,
            "redirect": None,
            "type": "portal_homepage",
        }
        | asked.get("after_completion", {}),
        **{
            name: None for name in FLOWS if name not in ("payment_method_update", "customer_update")
        },
        "type": kind,
    }
    if kind in asked:
        flow[kind] = dict(asked[kind])
        if kind == "subscription_cancel":
            flow[kind].setdefault("retention", None)
        if kind == "subscription_update_confirm":
            flow[kind].setdefault("discounts", None)
            for item in flow[kind].get("items", []):
                item["quantity"] = forms.whole(item, "quantity", 1)
    return flow
