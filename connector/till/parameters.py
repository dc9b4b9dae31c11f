"""The names a request may use, read from the types in the installed stripe package.

It knows names and which are required, at any depth; values are looked at by whoever uses them.
"""

import importlib
import inspect
import re
from functools import cache
from typing import Any

from connector.till.form import Form
from connector.till.refusal import Refusal

# The SDK lets these travel beside the parameters; they are headers.
BESIDE = frozenset(
    [
        "api_key",
        "stripe_version",
        "stripe_account",
        "stripe_context",
        "max_network_retries",
        "idempotency_key",
        "content_type",
        "headers",
    ]
)


@cache
def names(parameters: str) -> tuple[Any, dict[str, str]]:
    """The module of a class of stripe.params, and its names with their types as text."""
    module_name, _, name = f"stripe.params.{parameters}".rpartition(".")
    cls = getattr(importlib.import_module(module_name), name)
    module = importlib.import_module(cls.__module__)
    return module, _names(cls)


def check(parameters: str, form: Form) -> None:
    """Raise Refusal for a name that the API does not know, or a required one that is missing."""
    module, known = names(parameters)
    _check(form, known, module, "")


def _check(form: Form, known: dict[str, str], module: Any, path: str) -> None:
    for name, value in form.items():
        here = f"{path}[{name}]" if path else name
        if name not in known:
            raise Refusal(
                f"Received unknown parameter: {here}", param=here, code="parameter_unknown"
            )
        inner = _inner(known[name], module)
        for one in value if isinstance(value, list) else [value]:
            if inner and isinstance(one, dict):
                _check(one, inner, module, here)
    for name, hint in known.items():
        if not hint.startswith("NotRequired") and name not in form:
            here = f"{path}[{name}]" if path else name
            raise Refusal(f"Missing required param: {here}.", param=here, code="parameter_missing")


def _inner(hint: str, module: Any) -> dict[str, str]:
    """The names inside a parameter that is a map, or a list of maps."""
    found: dict[str, str] = {}
    for word in re.findall(r"\w+", hint):
        cls = vars(module).get(word)
        if inspect.isclass(cls) and cls.__module__ == module.__name__:
            found |= _names(cls)
    return found


def _names(cls: type) -> dict[str, str]:
    annotations = inspect.get_annotations(cls)
    return {
        name: re.sub(r"ForwardRef\(|typing_extensions\.|typing\.", "", str(hint))
        for name, hint in annotations.items()
        if name not in BESIDE
    }
