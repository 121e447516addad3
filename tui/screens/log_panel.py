"""A container's log: follows it over stops and starts of the container and losses of the link."""

from collections.abc import Callable, Sequence
from contextlib import aclosing

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from tui.clients import Client, ClientError
from tui.informers import Hub
from tui.models import Container, LogLine
from tui.screens.copying import copy
from tui.screens.following import soon
from tui.widgets.log_view import LogView
from tui.widgets.prompt import Prompt

FIRST_LINES = 2000
OLDER_LINES = 5000
FLUSH_SECONDS = 0.05
FLUSH_LINES = 2000


def before(found: Sequence[LogLine], held: Sequence[LogLine]) -> Sequence[LogLine]:
    """Those of a log's last lines that are older than what is held of it.

    Lines written together share their time, so they are told apart by their number; lines that
    came meanwhile move the place, hence the nearest line that is the first of those held.
    """
    place = max(0, len(found) - len(held))
    same = [at for at, line in enumerate(found) if line == held[0]] if held else []
    return found[: min(same, key=lambda at: abs(at - place), default=place)]


class LogPanel(Vertical):
    """``brief`` is the few last lines beside a list: no bar, no search, no older lines."""

    DEFAULT_CSS = "LogPanel { height: 1fr; }"
    scope = "logs"

    class Arrived(Message):
        """Newer lines of a container's log."""

        def __init__(self, key: str, lines: Sequence[LogLine]) -> None:
            super().__init__()
            self.key = key
            self.lines = lines

    class Older(Arrived):
        """Older lines, for the front."""

    class Stopped(Message):
        """No more comes; ``error`` is empty when the log simply ended."""

        def __init__(self, key: str, error: str) -> None:
            super().__init__()
            self.key = key
            self.error = error

    def __init__(self, hub: Hub, *, brief: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hub = hub
        self.brief = brief
        self.key: str | None = None
        self._pending: list[LogLine] = []
        self._flush: Timer | None = None
        self._live = False
        self._error = ""
        self._complete = False
        self._last: float | None = None
        self._started: float | None = None

    def compose(self) -> ComposeResult:
        """Lines, status, search field."""
        yield LogView()
        if not self.brief:
            yield Static("", classes="bar", markup=False)
            yield Prompt()

    def on_mount(self) -> None:
        """Begin again when the container does, or the engine comes back."""
        self.view.can_focus = not self.brief
        self._undo = [
            self.hub.containers.watch(changed=soon(self, self._resume)),
            self.hub.link.watch(soon(self, self._resume)),
        ]

    def on_unmount(self) -> None:
        """No more callbacks."""
        for undo in self._undo:
            undo()

    @property
    def view(self) -> LogView:
        """The lines."""
        return self.query_one(LogView)

    @property
    def _client(self) -> Client:
        return self.hub.client

    # -- which log ----------------------------------------------------------------------------

    def show(self, container: Container | None) -> None:
        """Show this container's log; nothing happens when it is shown already."""
        key = container.id if container else None
        if key == self.key:
            self._resume()
            return
        self.key = key
        self._pending.clear()
        self._complete = False
        self._last = None
        self.view.clear()
        if container is None:
            self.workers.cancel_node(self)
            return
        self.view.say_when_empty(LogView.EMPTY)
        self._start()

    def _start(self) -> None:
        held = self.hub.containers.items.get(self.key or "")
        self._started = held.started_at if held else None
        self._live = True
        self._error = ""
        self.run_worker(self._follow(self.key or ""), group="follow", exclusive=True)

    async def _follow(self, key: str) -> None:
        tail = 40 if self.brief else FIRST_LINES
        since = None if self._last is None else self._last + 1e-6
        lines = self._client.containers.logs(
            key, tail=None if since else tail, follow=True, since=since
        )
        error = ""
        try:
            async with aclosing(lines) as stream:
                async for line in stream:
                    self._take(key, line)
        except ClientError as problem:
            error = str(problem)
        self._send(key)
        self.post_message(self.Stopped(key, error))

    def _take(self, key: str, line: LogLine) -> None:
        self._pending.append(line)
        if len(self._pending) >= FLUSH_LINES:
            self._send(key)
        elif self._flush is None:
            self._flush = self.set_timer(FLUSH_SECONDS, lambda: self._send(key))

    def _send(self, key: str) -> None:
        if self._flush is not None:
            self._flush.stop()
            self._flush = None
        if self._pending:
            lines, self._pending = self._pending, []
            self.post_message(self.Arrived(key, lines))

    @on(Arrived)
    def _arrived(self, message: Arrived) -> None:
        message.stop()
        if message.key != self.key or isinstance(message, LogPanel.Older):
            return
        self._last = message.lines[-1].time or self._last
        self.view.extend(message.lines)

    @on(Stopped)
    def _stopped(self, message: Stopped) -> None:
        message.stop()
        if message.key != self.key:
            return
        self._live = False
        self._error = message.error
        self.view.say_when_empty(message.error or LogView.EMPTY)
        self._say()
        self._resume()

    def _resume(self) -> None:
        """Follow again when it was started again, or the engine came back."""
        held = self.hub.containers.items.get(self.key or "")
        if held is None or self._live:
            return
        restarted = held.running and held.started_at != self._started
        if restarted or (self._error and self.hub.link.alive):
            self._start()

    # -- older lines --------------------------------------------------------------------------

    @on(LogView.ReachedTop)
    def _wants_older(self, message: LogView.ReachedTop) -> None:
        message.stop()
        if self.key and not self.brief and not self._complete:
            self.run_worker(self._fetch_older(self.key), group="older", exclusive=True)

    async def _fetch_older(self, key: str) -> None:
        wanted = len(self.view.buffer.lines) + OLDER_LINES
        try:
            lines = self._client.containers.logs(key, tail=wanted, follow=False)
            async with aclosing(lines) as stream:
                found = [line async for line in stream]
        except ClientError:
            return  # the lines held stay; the next scroll to the top tries again
        self.post_message(self.Older(key, before(found, self.view.buffer.lines)))

    @on(Older)
    def _older(self, message: Older) -> None:
        message.stop()
        if message.key == self.key:
            self._complete = len(message.lines) < OLDER_LINES // 2
            if message.lines:
                self.view.prepend(message.lines)

    # -- search and status --------------------------------------------------------------------

    def act(self, action: str) -> bool:
        """Do one of the actions of a log; False when it is none."""
        view = self.view
        simple: dict[str, Callable[[], None]] = {
            "text.next": view.action_next_match,
            "text.previous": view.action_previous_match,
            "text.wrap": view.action_toggle_wrap,
            "logs.times": view.action_toggle_times,
            "logs.follow": view.action_toggle_follow,
            "logs.matches": view.action_toggle_matches,
            "move.left": lambda: view.action_scroll_columns(-8),
            "move.right": lambda: view.action_scroll_columns(8),
        }
        if action in ("text.next", "text.previous", "logs.matches") and not view.searched:
            self.notify("Nothing is searched for yet: / asks.", severity="warning", timeout=4)
        elif action == "text.search":
            self.query_one(Prompt).ask("log search", "search", view.searched)
        elif action == "text.copy":
            copy(self, view.visible_text(), "the lines on the screen")
        elif action in simple:
            simple[action]()
        else:
            return False
        return True

    @on(Prompt.Changed)
    def _typed(self, message: Prompt.Changed) -> None:
        message.stop()
        if isinstance(message, Prompt.Left):
            self.view.search("")
        else:
            self.view.search(message.text)
        if isinstance(message, Prompt.Left | Prompt.Answered):
            self.query_one(Prompt).close()
            self.screen.set_focus(self.view)

    @on(LogView.Moved)
    def _moved(self, message: LogView.Moved) -> None:
        message.stop()
        self._say()

    def _say(self) -> None:
        if self.brief:
            return
        view = self.view
        parts = [view.position]
        if view.searched:
            found = view.buffer.count_matches()
            only = ", others hidden" if view.buffer.only_matches else ""
            parts.append(f"/{view.searched}: {found:,} found{only}")
        parts += ["wrap"] if view.wrap else []
        if not self._live and self.key:
            parts.append(self._error or "log ended: not running")
        self.query_one(".bar", Static).update("  ·  ".join(parts))
