"""Text that no kernel interface and no file can carry: null bytes, halves of a surrogate pair."""

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from engine.errors import InvalidArgument


def check(*configurations: Any) -> None:
    """Every string in these dataclasses, an image's own ones among them.

    Raises:
        InvalidArgument: names the field.
    """
    for configuration in configurations:
        if _is_plain(configuration):
            continue
        for path, text in _texts(configuration, ""):
            if "\0" in text:
                raise InvalidArgument(f"invalid {path}: {text!r} has a null byte")
            if not text.isascii() and not _is_unicode(text):
                raise InvalidArgument(f"invalid {path}: {text!r} is not valid Unicode")


def _is_plain(value: Any) -> bool:
    """Whether it is known to have no fault: most texts are ASCII without null bytes."""
    kind = type(value)
    if kind is str:
        return value.isascii() and "\0" not in value
    if kind is tuple:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    names = _names(cast(Hashable, kind))
    if names is None:
        return value is None or kind in (int, bool, float)
    return all(_is_plain(getattr(value, name)) for name in names)


@cache
def _names(kind: Hashable) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for what is none."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Strings with the path of the field they are in."""
    if isinstance(value, str):
        yield path, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, Mapping):
        yield from _all(value.keys(), path)
        yield from _all(value.values(), path)
    elif isinstance(value, tuple):
        yield from _all(value, path)


def _all(values: Iterable[Any], path: str) -> Iterator[tuple[str, str]]:
    for value in values:
        yield from _texts(value, path)
