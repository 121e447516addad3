"""Checked reading of untrusted JSON: every failure names the field and what stood there."""

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument


def _wrong(where: str, expected: str, value: object) -> InvalidArgument:
    return InvalidArgument(f"{where}: must be {expected}, got {value!r:.80}")


def as_object(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is a JSON object; None reads as an empty one, as in Go."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """`value` if it is a JSON array; None reads as an empty one, as in Go."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(where, "an array", value)
    return value


def text(document: Mapping[str, Any], key: str) -> str:
    """A string field; absent or null is the empty string."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, "a string", value)
    return value


def integer(document: Mapping[str, Any], key: str) -> int:
    """A whole number that is not negative; absent or null is 0."""
    value = document.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(key, "a number of 0 or more", value)
    return value


def texts(document: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """An array of strings, or None when it is absent or null."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(key, "an array of strings", value)
    return tuple(value)


def text_map(document: Mapping[str, Any], key: str) -> dict[str, str]:
    """An object of strings; absent or null is empty."""
    value = as_object(document.get(key), key)
    if not all(isinstance(item, str) for item in value.values()):
        raise _wrong(key, "an object of strings", value)
    return value


def keys(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The keys of an object, in order: Go's `map[string]struct{}`."""
    return tuple(as_object(document.get(key), key))
