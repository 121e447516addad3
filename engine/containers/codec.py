"""Records to JSON documents and back, checked against the dataclasses' own types.

A document that does not fit raises Damaged with the field's path, so that a damaged record can
be named and set aside instead of failing later in some verb. Unknown keys are passed over, missing
ones take the default: records of an earlier berth stay readable.
"""

import dataclasses
import types
import typing
from collections.abc import Hashable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class Damaged(ValueError):
    """A document that is no record of ours; the message has the field's path."""


def encode(record: Any) -> dict[str, Any]:
    """A JSON-ready document of a dataclass instance.

    Every change of a container comes by here: what nothing can be inside of is passed on as it is,
    and no copies are made, which `dataclasses.asdict` does.
    """
    names = _names(typing.cast(Hashable, type(record)))
    return {name: _document(getattr(record, name)) for name in names}


def _document(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN or isinstance(value, Enum):
        return value
    if kind is tuple:
        return [_document(item) for item in value]
    if kind is dict:
        return {key: _document(item) for key, item in value.items()}
    return encode(value)


_PLAIN = frozenset((str, int, float, bool, types.NoneType))


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(typing.cast(Any, kind)))


def decode(kind: type[T], document: Any, path: str = "") -> T:
    """An instance of the dataclass `kind`.

    Raises:
        Damaged: names the field that is missing or has the wrong type.
    """
    where = path or kind.__name__
    if not isinstance(document, dict):
        raise Damaged(f"{where}: expected an object, got {type(document).__name__}")
    hints = _hints(typing.cast(Hashable, kind))
    values = {
        field.name: _value(hints[field.name], document[field.name], f"{where}.{field.name}")
        for field in dataclasses.fields(typing.cast(Any, kind))
        if field.name in document
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise Damaged(f"{where}: {error}") from None


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        return None if value is None else _value(_some(hint), value, path)
    if origin is tuple:
        return _tuple(typing.get_args(hint), value, path)
    if origin is dict:
        return _mapping(typing.get_args(hint)[1], value, path)
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(type, hint), value, path)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member(hint, value, path)
    return _plain(hint, value, path)


def _some(hint: Any) -> Any:
    """The type of an optional that is not None."""
    return next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)


def _tuple(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Damaged(f"{path}: expected a list, got {type(value).__name__}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise Damaged(f"{path}: expected {len(kinds)} values, got {len(value)}")
    pairs = zip(kinds, value, strict=True)
    return tuple(_value(kind, item, f"{path}[{i}]") for i, (kind, item) in enumerate(pairs))


def _mapping(kind: Any, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Damaged(f"{path}: expected an object, got {type(value).__name__}")
    return {str(key): _value(kind, item, f"{path}.{key}") for key, item in value.items()}


def _plain(hint: Any, value: Any, path: str) -> Any:
    is_wrong_bool = isinstance(value, bool) and hint is not bool
    if is_wrong_bool or not isinstance(value, hint):
        raise Damaged(f"{path}: expected {hint.__name__}, got {value!r}")
    return value


def _member(kind: type[Enum], value: Any, path: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        raise Damaged(f"{path}: no {kind.__name__} is called {value!r}") from None
