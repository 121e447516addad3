"""Shows what a long job says while it works; the job itself is the caller's."""

from collections.abc import AsyncIterator, Callable, Iterable

from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Button, Static

from tui.dialogs.base import Dialog, cancel_button
from tui.models import LogLine
from tui.render.text import safe_lines
from tui.widgets.log_view import LogView

Job = Callable[[], AsyncIterator[str]]


class Progress(Dialog[str]):
    """Runs ``job`` and answers its last line; None when it failed or was cancelled."""

    class Said(Message):
        """The job said something."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    class Ended(Message):
        """The job is over; ``error`` is empty when it worked."""

        def __init__(self, error: str) -> None:
            super().__init__()
            self.error = error

    def __init__(self, title: str, job: Job, *, errors: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self.title_text = title
        self.job = job
        self.errors = errors
        self.last = ""
        self.lines = 0
        self.failed = False

    def body(self) -> ComposeResult:
        """State and the lines so far."""
        yield Static("◌ working …", id="state", classes="dialog-text", markup=False)
        yield LogView(id="said")

    def buttons(self) -> Iterable[Button]:
        """Cancel while it works, Close when it failed."""
        yield cancel_button()

    def on_mount(self) -> None:
        """Begin."""
        view = self.query_one(LogView)
        view.can_focus = False
        view.say_when_empty("")
        self.query_one("#cancel", Button).focus()
        self.run_worker(self._work(), group="job", exclusive=True)

    async def _work(self) -> None:
        try:
            async for line in self.job():
                self.post_message(self.Said(line))
        except self.errors as error:
            self.post_message(self.Ended(str(error)))
        else:
            self.post_message(self.Ended(""))

    def on_progress_said(self, message: Said) -> None:
        """Show it."""
        self.last = message.line
        self.lines += 1
        self.query_one(LogView).extend([LogLine(message.line)])

    def on_progress_ended(self, message: Ended) -> None:
        """Close, or stay to say why not."""
        if not message.error:
            self.dismiss(self.last or "done")
            return
        self.failed = True
        state = self.query_one("#state", Static)
        state.update(f"✕ {safe_lines(message.error)}")
        state.add_class("-failed")
        self.query_one("#cancel", Button).label = "Close"
        self.query_one(".dialog-box").border_subtitle = "esc closes"

    def action_leave(self) -> None:
        """The worker is cancelled with the screen, and the connection with it."""
        self.dismiss(None)
