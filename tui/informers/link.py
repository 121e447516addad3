"""Whether the engine answers, and since when it does or does not."""

import time
from collections.abc import Callable

from tui.informers.watchers import Unsubscribe, Watchers
from tui.models import EngineInfo


class Link:
    """``alive`` is False until the first lists are in, and again once the engine is lost.

    Attributes:
        reason: why it is not alive, fit to show; empty while it is or before the first try.
        since: when ``alive`` last changed, seconds since the epoch.
        info: who answered last; kept while the link is lost.
    """

    def __init__(self) -> None:
        self.alive = False
        self.reason = ""
        self.since = time.time()
        self.info: EngineInfo | None = None
        self._watchers: Watchers[[]] = Watchers()

    def watch(self, callback: Callable[[], None]) -> Unsubscribe:
        """Calls back on every change of ``alive``, ``reason`` or ``info``."""
        return self._watchers.add(callback)

    def up(self, info: EngineInfo) -> None:
        """The engine answers and every list is fresh."""
        self._set(True, "", info)

    def down(self, reason: str) -> None:
        """The engine is lost: what is shown is as old as ``since``."""
        self._set(False, reason, self.info)

    def _set(self, alive: bool, reason: str, info: EngineInfo | None) -> None:
        if (alive, reason, info) == (self.alive, self.reason, self.info):
            return
        if alive != self.alive:
            self.since = time.time()
        self.alive, self.reason, self.info = alive, reason, info
        self._watchers()
