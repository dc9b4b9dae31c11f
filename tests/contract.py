"""What Stripe takes and what it gives, checked against the types in the installed stripe package.

Every parameter and every field, to any depth: unknown, missing, of another type, or a word
that is not one of the known ones raises Broken with the path to it. It never looks at what
a value means, only at whether the pinned version of the API could carry it.
"""

import ast
import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import stripe
import typing_extensions
from stripe._list_object import ListObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._stripe_object import StripeObject, UntypedStripeObject

from connector.till.exchange import Exchange
from connector.till.form import Value, decode

LITERALS = (typing.Literal, typing_extensions.Literal)
MAY_BE_LEFT_OUT = (typing.NotRequired, typing_extensions.NotRequired)
WRAPPERS = (*MAY_BE_LEFT_OUT, typing.Required, typing_extensions.Required)
UNIONS = (typing.Union, types.UnionType)
# The SDK lets these travel beside the parameters; they are headers, and never in a body.
OPTIONS = frozenset(RequestOptions.__annotations__)
# How a form writes what the types call by another name: every value is text there.
WRITTEN = {
    int: re.compile(r"-?\d+"),
    bool: re.compile(r"true|false"),
    float: re.compile(r"-?\d+(\.\d+)?"),
    Decimal: re.compile(r"-?\d+(\.\d+)?"),
    str: re.compile(r"(?s).+"),
}
LEFT_OF_THE_DELETED = frozenset({"id", "object", "deleted", "currency", "discount"})


class Broken(AssertionError):  # noqa: N818 - a broken contract
    """`path: what is wrong there`."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.depth = path.count(".") + path.count("[")


def check_exchange(exchange: Exchange) -> None:
    """One request and its answer; what was refused as malformed need not be well formed."""
    answer = json.loads(exchange.answer)
    if exchange.status < 400:
        if exchange.parameters:
            check_request(exchange.parameters, decode(exchange.form))
        check_answer(answer)
    else:
        check_error(answer)


def check_request(parameters: str, form: Mapping[str, Value]) -> None:
    """Raise Broken unless `form` fits a class of stripe.params, named like `checkout.SessionCreateParams`."""
    module, _, name = f"stripe.params.{parameters}".rpartition(".")
    _parameters(form, getattr(importlib.import_module(module), name), name)


def check_answer(body: Any) -> None:
    """Raise Broken unless `body` is an object of the API, or a page of such objects."""
    if not isinstance(body, dict) or "object" not in body:
        raise Broken("answer", f"{body!r} names no object")
    if body["object"] == "list":
        _page(body, Any, "list")
        for number, one in enumerate(body["data"]):
            _named_object(one, f"list.data[{number}]")
    else:
        _named_object(body, "")


def check_event(body: Any) -> None:
    """Raise Broken unless `body` is an event whose object is whole."""
    _object(body, stripe.Event, "event")
    _named_object(body["data"]["object"], "event.data.object")


def check_error(body: Any) -> None:
    """Raise Broken unless `body` is what the SDK makes an error of."""
    if not isinstance(body, dict) or set(body) != {"error"}:
        raise Broken("error", f"{body!r} is not an error")
    known = _fields(stripe.ErrorObject)
    for field, value in body["error"].items():
        if field not in known:
            raise Broken(f"error.{field}", "not a field of an error")
        _value(value, known[field], f"error.{field}")


def fields_of(module: str, name: str) -> dict[str, Any]:
    """The fields of a class of the package, with their types."""
    return _fields(getattr(importlib.import_module(module), name))


# Answers


def _named_object(body: Any, path: str) -> None:
    kind = body.get("object") if isinstance(body, dict) else None
    if kind not in OBJECT_CLASSES:
        raise Broken(path or "answer", f"{kind!r} is no object of the API")
    module, name = OBJECT_CLASSES[kind]
    _object(body, getattr(importlib.import_module(module), name), path or str(kind))


def _object(body: Any, cls: type, path: str) -> None:
    if not isinstance(body, dict):
        raise Broken(path, f"{_shown(body)} is not a {cls.__qualname__}")
    known = _fields(cls)
    for field, value in body.items():
        if field not in known:
            raise Broken(f"{path}.{field}", f"not a field of {cls.__qualname__}")
        _value(value, known[field], f"{path}.{field}")
    if body.get("deleted") is True and set(body) <= LEFT_OF_THE_DELETED:
        return
    for field, hint in known.items():
        if field not in body and type(None) not in typing.get_args(hint):
            raise Broken(f"{path}.{field}", f"missing from {cls.__qualname__}")


def _page(body: Any, item: Any, path: str) -> None:
    if not isinstance(body, dict) or body.get("object") != "list":
        raise Broken(path, f"{_shown(body)} is not a list object")
    for field, kind in {"data": list, "has_more": bool, "url": str}.items():
        if not isinstance(body.get(field), kind):
            raise Broken(f"{path}.{field}", f"{_shown(body.get(field))} is not a {kind.__name__}")
    for field in body:
        if field not in {"object", "data", "has_more", "url", "total_count"}:
            raise Broken(f"{path}.{field}", "not a field of a list object")
    for number, one in enumerate(body["data"]):
        _value(one, item, f"{path}.data[{number}]")


# Requests


def _parameters(form: Any, cls: type, path: str) -> None:
    if not isinstance(form, dict):
        raise Broken(path, f"{_shown(form)} is not a map")
    known = _fields(cls)
    for name, value in form.items():
        if name not in known:
            raise Broken(f"{path}.{name}", "unknown parameter")
        _value(value, known[name], f"{path}.{name}", written=True)
    for name, hint in known.items():
        if name not in form and typing.get_origin(hint) not in MAY_BE_LEFT_OUT:
            raise Broken(f"{path}.{name}", "required parameter missing")


def _written(text: str, kind: Any, path: str) -> None:
    pattern = WRITTEN.get(kind)
    if pattern is None or not pattern.fullmatch(text):
        raise Broken(path, f"{text!r} is not {_name(kind)}")


# Both


def _value(  # noqa: C901, PLR0912 - one branch for each way to spell a type
    value: Any, hint: Any, path: str, *, written: bool = False
) -> None:
    """`value` against one type; `written` when it comes from a form, where all is text."""
    origin = typing.get_origin(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return
    if origin in WRAPPERS:
        _value(value, typing.get_args(hint)[0], path, written=written)
    elif origin in UNIONS:
        _any_of(value, _closed(typing.get_args(hint)), path, written=written)
    elif origin in LITERALS:
        _word(value, typing.get_args(hint), path, written=written)
    elif hint is type(None):
        if value is not None:
            raise Broken(path, f"{_shown(value)} is not null")
    elif origin is list:
        _list(value, typing.get_args(hint)[0], path, written=written)
    elif UntypedStripeObject in (hint, origin) or origin in (dict, Mapping):
        _map(value, typing.get_args(hint), path, written=written)
    elif ListObject in (hint, origin):
        _page(value, (*typing.get_args(hint), Any)[0], path)
    elif typing_extensions.is_typeddict(hint):
        _parameters(value, hint, path)
    elif inspect.isclass(hint) and issubclass(hint, StripeObject):
        _object(value, hint, path)
    elif written:
        if not isinstance(value, str):
            raise Broken(path, f"{_shown(value)} is not {_name(hint)}")
        _written(value, hint, path)
    else:
        _plain(value, hint, path)


def _any_of(value: Any, hints: list[Any], path: str, *, written: bool) -> None:
    complaints = []
    for hint in hints:
        try:
            _value(value, hint, path, written=written)
        except Broken as complaint:
            complaints.append(complaint)
        else:
            return
    raise max(complaints, key=lambda complaint: complaint.depth)


def _closed(hints: tuple[Any, ...]) -> list[Any]:
    """`Literal[…] | str` spells a list of words that may grow: hold it to those known today."""
    has_words = any(
        typing.get_origin(hint) in LITERALS and typing.get_args(hint) != ("",) for hint in hints
    )
    return [hint for hint in hints if not (has_words and hint is str)]


def _word(value: Any, words: tuple[Any, ...], path: str, *, written: bool) -> None:
    known = [str(word).lower() if written and isinstance(word, bool) else word for word in words]
    if not any(value == word and type(value) is type(word) for word in known):
        raise Broken(path, f"{_shown(value)} is not one of {', '.join(map(repr, known[:12]))}")


def _list(value: Any, hint: Any, path: str, *, written: bool) -> None:
    if not isinstance(value, list):
        raise Broken(path, f"{_shown(value)} is not a list")
    for number, one in enumerate(value):
        _value(one, hint, f"{path}[{number}]", written=written)


def _map(value: Any, hints: tuple[Any, ...], path: str, *, written: bool) -> None:
    if not isinstance(value, dict):
        raise Broken(path, f"{_shown(value)} is not a map")
    for key, one in value.items():
        if written and one == "":
            continue  # an empty value takes the key away
        _value(one, hints[-1] if hints else Any, f"{path}.{key}", written=written)


def _plain(value: Any, kind: Any, path: str) -> None:
    if kind is Decimal:
        fits = isinstance(value, str) and bool(WRITTEN[Decimal].fullmatch(value))
    elif kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, kind)
    if not fits:
        raise Broken(path, f"{_shown(value)} is not {_name(kind)}")


# The types, as the package spells them


@cache
def _fields(cls: type) -> dict[str, Any]:
    """The fields of an object or the parameters of a request, with every name resolved."""
    return {
        name: hint
        for base in reversed(cls.__mro__)
        if base.__module__.startswith("stripe.") and base not in (StripeObject, RequestOptions)
        for name, hint in _own_fields(base)
    }


def _own_fields(cls: type) -> Iterator[tuple[str, Any]]:
    names = {**_names_of(cls.__module__), **_names_around(cls)}
    beside = OPTIONS if typing_extensions.is_typeddict(cls) else {"OBJECT_NAME"}
    for name, hint in inspect.get_annotations(cls).items():
        if not name.startswith("_") and name not in beside:
            yield name, _resolved(hint, names)


@cache
def _names_of(module: str) -> dict[str, Any]:
    """What annotations in a module can mean, with the imports made for type checkers only."""
    loaded = importlib.import_module(module)
    names = {**vars(typing), **vars(typing_extensions), **vars(loaded)}
    for node in ast.parse(inspect.getsource(loaded)).body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            names |= dict(_imported(node.body))
    return names


def _imported(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            source = importlib.import_module(node.module)
            for alias in node.names:
                yield alias.asname or alias.name, getattr(source, alias.name)


def _names_around(cls: type) -> dict[str, Any]:
    """The classes inside a class, and inside those it stands in."""
    scope: Any = importlib.import_module(cls.__module__)
    names: dict[str, Any] = {}
    for part in cls.__qualname__.split("."):
        scope = getattr(scope, part)
        names |= {name: value for name, value in vars(scope).items() if inspect.isclass(value)}
    return names


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        return _resolved(eval(hint, names), names)  # noqa: S307 - the package's own annotations
    origin = typing.get_origin(hint)
    if origin is None or origin in LITERALS:
        return hint
    if origin is typing.ClassVar:
        return Any
    inner = tuple(_resolved(one, names) for one in typing.get_args(hint))
    if origin in UNIONS:
        return typing.Union[inner]  # noqa: UP007 - made from a list
    make: Callable[[Any], Any] = (
        origin.__getitem__ if origin in WRAPPERS else origin.__class_getitem__
    )
    return make(inner if len(inner) > 1 else inner[0])


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _shown(value: Any) -> str:
    return repr(value)[:120]
