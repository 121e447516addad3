"""What became of an action on many: one line for each."""

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Button, Static

from tui.dialogs.base import Dialog, do_button
from tui.models import ActionResult
from tui.render.text import safe
from tui.widgets import palette


class Results(Dialog[None]):
    """Failures first, with the engine's reason."""

    leaving = "esc closes"

    def __init__(self, title: str, results: Sequence[ActionResult]) -> None:
        super().__init__()
        self.title_text = title
        self.results = sorted(results, key=lambda result: result.ok)
        self.danger = any(not result.ok for result in results)

    def body(self) -> ComposeResult:
        """The lines."""
        failed = sum(not result.ok for result in self.results)
        done = len(self.results) - failed
        summary = f"{done} done" + (f", {failed} failed" if failed else "")
        yield Static(Text(summary), classes="dialog-text")
        yield Static(id="lines", markup=False)

    def on_mount(self) -> None:
        """Colours are known now."""
        text = Text()
        for result in self.results:
            tone = "ok" if result.ok else "bad"
            text.append("✓ " if result.ok else "✕ ", palette.tone(self, tone, bold=True))
            text.append(safe(result.target), palette.tone(self, "title"))
            text.append(
                f"  {safe(result.message)}\n", palette.tone(self, "dim" if result.ok else "text")
            )
        text.rstrip()
        self.query_one("#lines", Static).update(text)
        self.query_one("#do", Button).focus()

    def buttons(self) -> Iterable[Button]:
        """Only one."""
        yield do_button("Close")

    def accept(self, button: str) -> None:
        """Close."""
        self.dismiss(None)
