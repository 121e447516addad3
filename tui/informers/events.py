"""The last things that happened, for the events view and for "why did it die"."""

from collections import deque
from collections.abc import Callable

from tui.informers.watchers import Unsubscribe, Watchers
from tui.models import Event

LENGTH = 500


class EventLog:
    """``entries`` is live, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[Event] = deque(maxlen=LENGTH)
        self._watchers: Watchers[[Event]] = Watchers()

    def watch(self, callback: Callable[[Event], None]) -> Unsubscribe:
        """Calls back with each new event."""
        return self._watchers.add(callback)

    def handle(self, event: Event) -> None:
        """Keeps it and tells it."""
        self.entries.append(event)
        self._watchers(event)

    def of(self, key: str) -> list[Event]:
        """Those of one object, oldest first."""
        return [event for event in self.entries if event.id == key]
