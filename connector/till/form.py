"""Forms as Stripe's API takes them: `items[0][price]=…` to maps and lists, and back to meaning.

It reads text, and asks for whole numbers, amounts and yes or no; it never knows what a
parameter is for.
"""

import re
from typing import Any, Union
from urllib.parse import parse_qsl

from connector.till.refusal import Refusal

# mypy and the linter agree on this spelling of a type that contains itself.
Value = Union[str, "list[Value]", "dict[str, Value]"]
Form = dict[str, Any]  # of Value; Any, because callers know what they asked for
PART = re.compile(r"[^\[\]]+|\[\]")
BIGGEST = 99_999_999  # Stripe, “Supported currencies”: amounts have at most eight digits


def decode(text: str) -> Form:
    """`a[b]=1&c[0]=2&d[]=3` as {"a": {"b": "1"}, "c": ["2"], "d": ["3"]}."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _plant(tree, PART.findall(name), value)
    return {name: _lists(value) for name, value in tree.items()}


def whole(form: Form, name: str, default: int | None = None) -> int | None:
    """A whole number; raises Refusal for anything else that is written there."""
    if name not in form:
        return default
    if not re.fullmatch(r"-?\d{1,15}", str(form[name]), re.ASCII):
        raise Refusal(
            f"Invalid integer: {form[name]}", param=name, code="parameter_invalid_integer"
        )
    return int(form[name])


def amount(form: Form, name: str) -> int | None:
    """A sum of money in the smallest unit; never negative, eight digits at most."""
    found = whole(form, name)
    if found is not None and found < 0:
        raise Refusal("Invalid non-negative integer", param=name, code="parameter_invalid_integer")
    if found is not None and found > BIGGEST:
        raise Refusal("Amount must be no more than 999,999.99", param=name, code="amount_too_large")
    return found


def yes(form: Form, name: str, *, default: bool = False) -> bool:
    """`true` or `false`; raises Refusal for anything else."""
    text = form.get(name, "true" if default else "false")
    if text not in ("true", "false"):
        raise Refusal(f"Invalid boolean: {text}", param=name, code="parameter_invalid_boolean")
    return bool(text == "true")


def one_of(form: Form, name: str, words: tuple[str, ...], default: str = "") -> str:
    """One of the words, or the default when it is not asked for; raises Refusal for another."""
    word = str(form.get(name, default))
    if word != default and word not in words:
        raise Refusal(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
    return word


def required(form: Form, *names: str) -> None:
    """Raise Refusal unless all are there."""
    for name in names:
        if name not in form or form[name] == "":
            raise Refusal(f"Missing required param: {name}.", param=name, code="parameter_missing")


def apart(form: Form, *names: str) -> None:
    """Raise Refusal when more than one of these is given."""
    if len(given := [name for name in names if form.get(name)]) > 1:
        raise Refusal(
            f"You may only specify one of these parameters: {', '.join(given)}.", param=given[0]
        )


def not_played(form: Form, *names: str) -> None:
    """Raise Refusal for what Stripe knows and the Till does not, where ignoring it would mislead."""
    for name in names:
        if form.get(name):
            raise Refusal(f"The Till does not play `{name}`.", param=name)


def text(form: Form, name: str) -> str | None:
    """A text; empty is none at all."""
    return str(form[name]) if form.get(name) else None


def metadata(form: Form, before: dict[str, str] | None = None) -> dict[str, str]:
    """What is attached after this request: new keys join, empty ones go, an empty whole clears.

    Stripe, “Metadata”: at most 50 keys of 40 characters, with values of 500.
    """
    if form.get("metadata") == "":
        return {}
    kept = {**(before or {}), **form.get("metadata", {})}
    kept = {key: value for key, value in kept.items() if value != ""}
    if len(kept) > 50 or any(len(key) > 40 or len(kept[key]) > 500 for key in kept):  # noqa: PLR2004
        raise Refusal(
            "Metadata can have up to 50 keys, of up to 40 characters, with values of up to 500.",
            param="metadata",
        )
    return kept


def within(form: Form, name: str, at: int) -> bool:
    """Whether a time passes a filter: `created=5`, or `created[gte]=5`, `gt`, `lt`, `lte`."""
    asked = form.get(name)
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return at == whole(form, name)
    bounds = {key: whole(asked, key) or 0 for key in asked}
    return (
        at > bounds.get("gt", at - 1)
        and at >= bounds.get("gte", at)
        and at < bounds.get("lt", at + 1)
        and at <= bounds.get("lte", at)
    )


def _plant(tree: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Refusal(f"Invalid parameter: {part}", param=part)
        tree = inner
    last = parts[-1] if parts else ""
    tree[str(len(tree)) if last == "[]" else last] = value


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(re.fullmatch(r"\d+", key) for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}
