"""Text that no kernel interface and no file can carry: null bytes, halves of a surrogate pair."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errors import InvalidArgument


def check(*configurations: Any) -> None:
    """Every string in these dataclasses, an image's own ones among them.

    Raises:
        InvalidArgument: names the field.
    """
    for configuration in configurations:
        for path, text in _texts(configuration, ""):
            if "\0" in text:
                raise InvalidArgument(f"invalid {path}: {text!r} has a null byte")
            if not text.isascii() and not _is_unicode(text):
                raise InvalidArgument(f"invalid {path}: {text!r} is not valid Unicode")


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
