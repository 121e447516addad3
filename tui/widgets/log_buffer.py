"""The lines a log view holds: bounded, searchable, filtered. No drawing here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tui.models import LogLine

DEFAULT_CAPACITY = 1_000_000
# When full, this share is dropped at once: dropping line by line would shift indexes all the time.
_DROP = 16


def pattern(text: str) -> re.Pattern[str] | None:
    """Smart case; a text that is no regular expression is searched as it stands."""
    if not text:
        return None
    flags = re.IGNORECASE if text == text.lower() else 0
    try:
        return re.compile(text, flags)
    except re.error:
        return re.compile(re.escape(text), flags)


@dataclass(slots=True)
class LogBuffer:
    """Lines by index, and the indexes that are shown when only matches are wanted."""

    capacity: int = DEFAULT_CAPACITY
    lines: list[LogLine] = field(default_factory=list)
    dropped: int = 0
    query: re.Pattern[str] | None = None
    only_matches: bool = False
    _shown: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """How many lines are shown."""
        return len(self._shown) if self._filtering else len(self.lines)

    @property
    def _filtering(self) -> bool:
        return self.only_matches and self.query is not None

    def extend(self, lines: Iterable[LogLine]) -> int:
        """Add newer lines; returns how many shown lines were dropped from the front."""
        start = len(self.lines)
        self.lines.extend(lines)
        if self._filtering:
            self._shown.extend(self._matching(start, len(self.lines)))
        return self._trim()

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Put older lines in front; returns by how many shown lines the rest moved down."""
        before = len(self)
        self.lines[:0] = lines
        self._rebuild()
        return len(self) - before

    def clear(self) -> None:
        """Forget everything."""
        self.lines.clear()
        self._shown.clear()
        self.dropped = 0

    def search(self, text: str) -> None:
        """Another search; an empty text is none."""
        self.query = pattern(text)
        self._rebuild()

    def show_only_matches(self, only: bool) -> None:
        """Hide the lines that do not match, or show them again."""
        self.only_matches = only
        self._rebuild()

    def line(self, place: int) -> LogLine:
        """The shown line at a place."""
        return self.lines[self._shown[place] if self._filtering else place]

    def place_of(self, index: int) -> int:
        """Where the line with this index, or the first after it, is shown."""
        if not self._filtering:
            return index
        from bisect import bisect_left

        return bisect_left(self._shown, index)

    def index_of(self, place: int) -> int:
        """Index of the shown line at a place."""
        return self._shown[place] if self._filtering and place < len(self._shown) else place

    def next_match(self, place: int, step: int) -> int | None:
        """Place of the next shown line that matches, going round once; None without any."""
        total = len(self)
        if self.query is None or not total:
            return None
        search = self.query.search
        for distance in range(1, total + 1):
            candidate = (place + step * distance) % total
            if search(self.line(candidate).text):
                return candidate
        return None

    def count_matches(self, limit: int = 200_000) -> int:
        """Matches among the newest ``limit`` lines."""
        if self.query is None:
            return 0
        if self._filtering:
            return len(self._shown)
        search = self.query.search
        return sum(1 for line in self.lines[-limit:] if search(line.text))

    def _matching(self, start: int, end: int) -> Iterable[int]:
        if self.query is None:
            return []
        search = self.query.search
        return [index for index in range(start, end) if search(self.lines[index].text)]

    def _rebuild(self) -> None:
        self._shown = list(self._matching(0, len(self.lines))) if self._filtering else []

    def _trim(self) -> int:
        if len(self.lines) <= self.capacity:
            return 0
        excess = len(self.lines) - self.capacity + self.capacity // _DROP
        gone = self.place_of(excess)
        del self.lines[:excess]
        self.dropped += excess
        self._rebuild()
        return gone
