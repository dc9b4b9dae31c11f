"""What a session asks its payer for besides the card: fields of its own, and consents.

A card number is never among them.
"""

from collections.abc import Collection, Mapping

from connector.till import form as forms
from connector.till.form import Form
from connector.till.refusal import Refusal
from connector.till.shapes import Body

KINDS = ("dropdown", "numeric", "text")
MOST = 3  # Stripe, “Create a Checkout Session”: custom_fields
LONGEST = 255
TERMS, NEWS = "terms_of_service", "promotions"


def fields(form: Form) -> list[Body]:
    """The fields a request asks for, as the session shows them; raises Refusal for wrong ones."""
    asked = form.get("custom_fields") or []
    if len(asked) > MOST:
        raise Refusal("You can ask for at most 3 custom fields.", param="custom_fields")
    return [_field(one, f"custom_fields[{number}]") for number, one in enumerate(asked)]


def consents(form: Form) -> Body | None:
    """What the payer is to agree to."""
    asked = form.get("consent_collection")
    if not asked:
        return None
    return {
        "payment_method_reuse_agreement": asked.get("payment_method_reuse_agreement"),
        NEWS: forms.one_of(asked, NEWS, ("auto", "none"), "none"),
        TERMS: forms.one_of(asked, TERMS, ("none", "required"), "none"),
    }


def answer(session: Body, words: Mapping[str, str], agreed: Collection[str]) -> None:
    """Write what the payer filled in and agreed to; raises Refusal when something is missing."""
    for one in session["custom_fields"]:
        one[one["type"]]["value"] = _value(one, words.get(one["key"], "").strip())
    asked = session["consent_collection"]
    if asked is None:
        return
    if asked[TERMS] == "required" and TERMS not in agreed:
        raise Refusal("Please agree to the terms first.", param=TERMS, code="consent_missing")
    news = "opt_in" if NEWS in agreed else "opt_out"
    session["consent"] = {
        NEWS: news if asked[NEWS] == "auto" else None,
        TERMS: "accepted" if asked[TERMS] == "required" else None,
    }


def _field(one: Form, param: str) -> Body:
    forms.required(one, "key", "label", "type")
    kind = forms.one_of(one, "type", KINDS)
    told = one.get(kind, {})
    more: Body = {"default_value": forms.text(told, "default_value"), "value": None}
    if kind == "dropdown":
        if not told.get("options"):
            raise Refusal("A dropdown needs options.", param=f"{param}[dropdown][options]")
        more["options"] = told["options"]
    else:
        more |= {name: forms.whole(told, name) for name in ("maximum_length", "minimum_length")}
    return {
        **dict.fromkeys(KINDS),
        kind: more,
        "key": one["key"],
        "label": {"custom": one["label"]["custom"], "type": "custom"},
        "optional": forms.yes(one, "optional"),
        "type": kind,
    }


def _value(field: Body, word: str) -> str | None:
    name, told = field["label"]["custom"], field[field["type"]]
    if not word and field["optional"]:
        return None
    if not word:
        raise _unfit(field, f"Please fill in “{name}”.")
    if field["type"] == "dropdown" and word not in [one["value"] for one in told["options"]]:
        raise _unfit(field, f"Please choose one of the answers to “{name}”.")
    if field["type"] == "numeric" and not (word.isascii() and word.isdigit()):
        raise _unfit(field, f"“{name}” takes digits only.")
    least = told.get("minimum_length") or 0
    most = told.get("maximum_length") or LONGEST
    if field["type"] != "dropdown" and not least <= len(word) <= most:
        raise _unfit(field, f"“{name}” takes {least} to {most} characters.")
    return word


def _unfit(field: Body, message: str) -> Refusal:
    return Refusal(message, param=field["key"], code="custom_field_invalid")
