"""Reads one JSON object field by field, and names the field when it has the wrong type.

A field that is null counts as absent, as in the reference implementation.
"""

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument

_LIMIT = 2**63


class Fields:
    """A JSON object and the path that leads to it (`HostConfig.LogConfig`)."""

    def __init__(self, document: Mapping[str, Any], path: str = "") -> None:
        self._document = document
        self._path = path

    def __contains__(self, key: str) -> bool:
        return self._document.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        value = self._document.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return default if value is None else value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.optional_flag(key)
        return default if value is None else value

    def optional_flag(self, key: str) -> bool | None:
        value = self._document.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def integer(self, key: str, default: int = 0) -> int:
        value = self.optional_integer(key)
        return default if value is None else value

    def optional_integer(self, key: str) -> int | None:
        value = self._document.get(key)
        if value is None:
            return None
        if isinstance(value, bool):
            raise self.wrong(key, "a whole number", value)
        number: int = self._expect(key, value, int, "a whole number")
        if not -_LIMIT <= number < _LIMIT:
            raise self.wrong(key, "a 64-bit number", value)
        return number

    def texts(self, key: str) -> tuple[str, ...]:
        return self.optional_texts(key) or ()

    def optional_texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or one string for a list of one (`Cmd`, `Entrypoint`)."""
        value = self._document.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self.wrong(key, "a list of strings", value)

    def mapping(self, key: str) -> dict[str, str]:
        value = self._document.get(key)
        if value is None:
            return {}
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return dict(value)
        raise self.wrong(key, "an object of strings", value)

    def keys(self, key: str) -> tuple[str, ...]:
        """The names in a set written as an object: `{"80/tcp": {}}`."""
        value = self._document.get(key)
        return () if value is None else tuple(self._expect(key, value, dict, "an object"))

    def object(self, key: str) -> "Fields":
        """The object below `key`; an empty one when it is absent."""
        value = self._document.get(key)
        document = {} if value is None else self._expect(key, value, dict, "an object")
        return Fields(document, self.name(key))

    def objects(self, key: str) -> "list[Fields]":
        value = self._document.get(key)
        items = [] if value is None else self._expect(key, value, list, "a list of objects")
        return [self._item(key, index, item) for index, item in enumerate(items)]

    def list_length(self, key: str) -> int:
        value = self._document.get(key)
        return 0 if value is None else len(self._expect(key, value, list, "a list"))

    def pair(self, key: str) -> tuple[int, int]:
        """Two whole numbers, such as ConsoleSize; (0, 0) when absent."""
        value = self._document.get(key)
        if value is None:
            return 0, 0
        if isinstance(value, list) and [type(item) for item in value] == [int, int]:
            return value[0], value[1]
        raise self.wrong(key, "a list of two numbers", value)

    def lists(self, key: str) -> "dict[str, list[Fields]]":
        """An object of lists of objects (`PortBindings`)."""
        inner = self.object(key)
        return {name: inner.objects(name) for name in self.keys(key)}

    def name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def wrong(self, key: str, wanted: str, value: Any) -> InvalidArgument:
        shown = json.dumps(value, ensure_ascii=False)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return InvalidArgument(f"{self.name(key)}: must be {wanted}, got {shown}")

    def _item(self, key: str, index: int, value: Any) -> "Fields":
        if not isinstance(value, dict):
            raise self.wrong(f"{key}[{index}]", "an object", value)
        return Fields(value, self.name(f"{key}[{index}]"))

    def _expect(self, key: str, value: Any, kind: type, wanted: str) -> Any:
        if not isinstance(value, kind):
            raise self.wrong(key, wanted, value)
        return value
