"""Reading a parsed JSON document with refusals that name the field."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from engine.errors import InvalidArgument

_V = TypeVar("_V")


class Fields:
    """One JSON object and where it is in its document, e.g. ``process.user``."""

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidArgument(f"{path or 'config'}: must be an object, got {value!r}")
        self.value: dict[str, Any] = value
        self.path = path

    def object(self, key: str) -> "Fields":
        """The object below `key`, empty when absent."""
        value = self.value.get(key)
        return Fields({} if value is None else value, self.at(key))

    def objects(self, key: str) -> "list[Fields]":
        """The objects of the list below `key`."""
        return [
            Fields(value, f"{self.at(key)}[{index}]") for index, value in enumerate(self._list(key))
        ]

    def text(self, key: str) -> str:
        """The string below `key`, "" when absent."""
        value = self.value.get(key)
        return "" if value is None else self._text(value, self.at(key))

    def texts(self, key: str) -> list[str]:
        """The strings of the list below `key`."""
        values = self._list(key)
        if _are_plain(values):
            return values
        at = self.at(key)
        return [self._text(value, f"{at}[{i}]") for i, value in enumerate(values)]

    def absolute(self, key: str) -> str:
        """The absolute path below `key`."""
        path = self.text(key)
        if not path:
            raise InvalidArgument(f"{self.at(key)}: missing")
        if not path.startswith("/"):
            raise InvalidArgument(f"{self.at(key)}: must be absolute, got {path!r}")
        return path

    def required(self, key: str) -> str:
        """The string below `key`, which must not be empty."""
        text = self.text(key)
        if not text:
            raise InvalidArgument(f"{self.at(key)}: missing")
        return text

    def choice(self, key: str, known: Mapping[str, _V]) -> _V:
        """What the word below `key` stands for in `known`."""
        word = self.required(key)
        if word not in known:
            words = " ".join(known)
            raise InvalidArgument(f"{self.at(key)}: must be one of {words}, got {word!r}")
        return known[word]

    def words(self, key: str) -> dict[str, str]:
        """The object below `key` with names and strings of the writer's choice."""
        inner = self.object(key)
        for name in inner.value:
            if not name:
                raise InvalidArgument(f"{inner.path}: a name must not be empty")
            inner._text(name, f"{inner.path}.{name!r}")
        return {name: inner.text(name) for name in inner.value}

    def boolean(self, key: str) -> bool:
        """The truth value below `key`, False when absent."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            raise InvalidArgument(f"{self.at(key)}: must be true or false, got {value!r}")
        return bool(value)

    def number(self, key: str, default: int, lowest: int, highest: int) -> int:
        """The whole number below `key`, `default` when absent."""
        value = self.value.get(key)
        return default if value is None else _number(value, self.at(key), lowest, highest)

    def needed(self, key: str, lowest: int, highest: int) -> int:
        """The whole number below `key`, which must be there."""
        if self.value.get(key) is None:
            raise InvalidArgument(f"{self.at(key)}: missing")
        return self.number(key, 0, lowest, highest)

    def numbers(self, key: str, lowest: int, highest: int) -> list[int]:
        """The whole numbers of the list below `key`."""
        at = self.at(key)
        return [
            _number(value, f"{at}[{index}]", lowest, highest)
            for index, value in enumerate(self._list(key))
        ]

    def at(self, key: str) -> str:
        """The whole name of what is below `key`."""
        return f"{self.path}.{key}" if self.path else key

    def _list(self, key: str) -> list[Any]:
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise InvalidArgument(f"{self.at(key)}: must be a list, got {value!r}")
        return list(value)

    @staticmethod
    def _text(value: Any, at: str) -> str:
        if not isinstance(value, str):
            raise InvalidArgument(f"{at}: must be a string, got {value!r}")
        if "\0" in value:
            raise InvalidArgument(f"{at}: must not have a NUL byte, got {value!r}")
        if not value.isascii():
            _check_encodable(value, at)
        return value


def _are_plain(values: list[Any]) -> bool:
    """Whether all are strings in which nothing can be wrong, found without a look at each."""
    try:
        together = "".join(values)
    except TypeError:
        return False
    return together.isascii() and "\0" not in together


def _check_encodable(value: str, at: str) -> None:
    """JSON can name half a character, which no system call can be given."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{at}: must be text, got {value!r}") from error


def _number(value: Any, at: str, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{at}: must be a whole number, got {value!r}")
    if not lowest <= value <= highest:
        raise InvalidArgument(f"{at}: must be from {lowest} to {highest}, got {value}")
    return value
