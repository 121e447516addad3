"""Asks for one line of text: a new name, a tag."""

from collections.abc import Awaitable, Callable, Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Button, Input, Static

from tui.dialogs.base import Dialog, cancel_button, do_button, say_problem
from tui.render.text import safe

Check = Callable[[str], str]
Send = Callable[[str], Awaitable[str]]


class Ask(Dialog[str]):
    """``check`` gives the error of what is typed, empty when fine; ``send`` the engine's error."""

    def __init__(
        self, title: str, label: str, *, value: str, verb: str, check: Check, send: Send
    ) -> None:
        super().__init__()
        self.title_text = title
        self.label = label
        self.value = value
        self.verb = verb
        self.check = check
        self.send = send

    def body(self) -> ComposeResult:
        """Label, field, error."""
        yield Static(Text(safe(self.label)), classes="dialog-text")
        yield Input(self.value, id="text", compact=True)
        yield Static("", id="error", classes="field-error", markup=False)

    def buttons(self) -> Iterable[Button]:
        """Cancel, then what it does."""
        yield cancel_button()
        yield do_button(self.verb)

    def on_mount(self) -> None:
        """Ready to type."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what is wrong."""
        self._fail(self.check(event.value) if event.value != self.value else "")

    def on_input_submitted(self) -> None:
        """Enter does it."""
        self.accept("do")

    def accept(self, button: str) -> None:
        """Check, then send."""
        text = self.query_one(Input).value.strip()
        problem = self.check(text)
        self._fail(problem)
        if not problem:
            self.run_worker(self._send(text), group="send", exclusive=True)

    async def _send(self, text: str) -> None:
        self._say_error(await self.send(text), text)

    def _say_error(self, problem: str, text: str) -> None:
        if problem:
            self._fail(problem)
        else:
            self.dismiss(text)

    def _fail(self, problem: str) -> None:
        say_problem(self.query_one("#error", Static), problem)
