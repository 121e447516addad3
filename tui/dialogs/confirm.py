"""Asks before something that cannot be taken back. Cancel has the focus."""

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Button, Static

from tui.dialogs.base import Dialog, cancel_button, do_button
from tui.render.text import safe
from tui.widgets.tick import Tick

_SHOWN = 10


class Confirm(Dialog[str]):
    """Answers ``do`` or, with the option ticked, ``option``; None when cancelled."""

    def __init__(
        self,
        title: str,
        question: str,
        *,
        verb: str,
        items: Sequence[str] = (),
        consequence: str = "",
        option: str = "",
        option_on: bool = False,
        danger: bool = True,
    ) -> None:
        super().__init__()
        self.title_text = title
        self.question = question
        self.verb = verb
        self.items = items
        self.consequence = consequence
        self.option = option
        self.option_on = option_on
        self.danger = danger

    def body(self) -> ComposeResult:
        """Question, what it is about, what will be lost, the option."""
        yield Static(Text(safe(self.question)), classes="dialog-text")
        if self.items:
            yield Static(Text(self._listed()), classes="dialog-items")
        if self.consequence:
            yield Static(Text(safe(self.consequence)), classes="dialog-consequence")
        if self.option:
            yield Tick(self.option, self.option_on, id="option", compact=True)

    def _listed(self) -> str:
        shown = [f"• {safe(item)}" for item in self.items[:_SHOWN]]
        rest = len(self.items) - len(shown)
        return "\n".join([*shown, f"… and {rest} more"] if rest else shown)

    def buttons(self) -> Iterable[Button]:
        """Cancel, then what it does."""
        yield cancel_button()
        yield do_button(self.verb, danger=self.danger)

    def on_mount(self) -> None:
        """Enter by habit must do nothing."""
        self.query_one("#cancel", Button).focus()

    def accept(self, button: str) -> None:
        """Say which."""
        ticked = bool(self.option) and self.query_one(Tick).value
        self.dismiss("option" if ticked else "do")
