"""Plain callbacks: who wants to know, and how they stop wanting."""

from collections.abc import Callable
from typing import Generic, ParamSpec

Args = ParamSpec("Args")
Unsubscribe = Callable[[], None]


class Watchers(Generic[Args]):
    """Callbacks called in the order they came, in the event loop; they must not block."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[Args, None]] = {}

    def add(self, callback: Callable[Args, None] | None) -> Unsubscribe:
        """Returns the call that takes it off again; calling that twice is harmless."""
        key = object()
        if callback is not None:
            self._callbacks[key] = callback
        return lambda: self._drop(key)

    def _drop(self, key: object) -> None:
        self._callbacks.pop(key, None)

    def __call__(self, *args: Args.args, **kwargs: Args.kwargs) -> None:
        for callback in list(self._callbacks.values()):
            callback(*args, **kwargs)

    def __bool__(self) -> bool:
        return bool(self._callbacks)
