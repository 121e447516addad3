"""A one-line question that appears above the footer: filter, search, command."""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class Prompt(Horizontal):
    """Hidden until `ask`; says `Changed` while typing, `Answered` on enter, `Left` on escape."""

    DEFAULT_CSS = """
    Prompt { height: 1; display: none; background: $panel; }
    Prompt > Label { width: auto; color: $primary; text-style: bold; padding: 0 1; }
    Prompt > Input { width: 1fr; border: none; height: 1; padding: 0; background: $panel; }
    Prompt > #prompt-note { color: $text-dim; text-style: none; }
    """
    _recalled: ClassVar[dict[str, list[str]]] = {}

    class Changed(Message):
        """The text changed."""

        def __init__(self, prompt: "Prompt", text: str) -> None:
            super().__init__()
            self.prompt = prompt
            self.text = text

    class Answered(Changed):
        """Enter was pressed."""

    class Left(Changed):
        """Escape was pressed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.kind = ""
        self._check: Callable[[str], str] | None = None
        self._back = 0
        self.is_answered = False
        """Enter or escape has been pressed: what is typed now is not meant for this field."""

    def compose(self) -> ComposeResult:
        """Label, input, remark."""
        yield Label("", id="prompt-label")
        yield Input(id="prompt-input", compact=True)
        yield Label("", id="prompt-note")

    def ask(
        self, kind: str, label: str, text: str = "", check: Callable[[str], str] | None = None
    ) -> None:
        """Open with a text to change; ``check`` gives the remark on what is typed."""
        self.kind, self._check, self._back = kind, check, 0
        self.is_answered = False
        self.query_one("#prompt-label", Label).update(label)
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        self._remark(text)
        self.display = True
        self.screen.set_focus(field)
        field.cursor_position = len(text)

    def close(self) -> None:
        """Hide; the caller gives the focus back."""
        self.display = False
        self.is_answered = False

    def leave(self) -> None:
        """As escape does: what was typed is let go."""
        self.post_message(self.Left(self, self.query_one(Input).value))

    @property
    def is_open(self) -> bool:
        """Whether it is on the screen."""
        return bool(self.display)

    def _remark(self, text: str) -> None:
        remark = self._check(text) if self._check else ""
        self.query_one("#prompt-note", Label).update(remark)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass it on as our own."""
        event.stop()
        if self.is_open:
            self._remark(event.value)
            self.post_message(self.Changed(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass it on as our own, and remember it."""
        event.stop()
        if event.value:
            history = self._recalled.setdefault(self.kind, [])
            history[:] = [text for text in history if text != event.value] + [event.value]
        self.post_message(self.Answered(self, event.value))

    def on_key(self, event: events.Key) -> None:
        """Escape leaves, up and down recall."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.leave()
        elif event.key in ("up", "down"):
            event.stop()
            self._recall(1 if event.key == "up" else -1)

    def _recall(self, step: int) -> None:
        history = self._recalled.get(self.kind, [])
        self._back = max(0, min(len(history), self._back + step))
        self.query_one(Input).value = history[-self._back] if self._back else ""
