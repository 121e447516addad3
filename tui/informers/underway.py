"""What was asked of the engine for a container and has not been answered yet.

A stop may take its ten seconds: the lists say so meanwhile, and nobody has to press twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tui.informers.watchers import Unsubscribe, Watchers


class Underway:
    """One word a container, such as ``stopping``."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._watchers: Watchers[[]] = Watchers()

    def watch(self, callback: Callable[[], None]) -> Unsubscribe:
        """Calls back when something begins or ends."""
        return self._watchers.add(callback)

    def word(self, key: str) -> str:
        """What is being done with a container, empty when nothing is."""
        return self._words.get(key, "")

    @contextmanager
    def doing(self, key: str, word: str) -> Iterator[None]:
        """While inside, ``word`` is told; the later of two on one container wins."""
        self._words[key] = word
        self._watchers()
        try:
            yield
        finally:
            if self._words.get(key) is word:
                del self._words[key]
            self._watchers()
