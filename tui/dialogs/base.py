"""What all dialogs share: a titled box in the middle, buttons, escape to leave."""

from collections.abc import Iterable
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.render.text import safe, safe_lines

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Subclasses yield their contents in `body` and their buttons in `buttons`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", show=False),
        Binding("left", "app.focus_previous", "Before", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]
    title_text: str = ""
    danger: bool = False
    leaving: str = "esc cancels"
    # Tab does something of the dialog's own.
    takes_tab: ClassVar[bool] = False

    def on_screen_resume(self) -> None:
        """Older notices must not lie over the buttons."""
        self.app.clear_notifications()

    def compose(self) -> ComposeResult:
        """The box."""
        box = VerticalScroll(classes="dialog-box -danger" if self.danger else "dialog-box")
        box.border_title = Content(safe(self.title_text))
        box.border_subtitle = self.leaving
        box.can_focus = False
        with box:
            yield from self.body()
            with Horizontal(classes="dialog-buttons"):
                yield from self.buttons()

    def body(self) -> ComposeResult:
        """What stands above the buttons."""
        yield from ()

    def buttons(self) -> Iterable[Button]:
        """The buttons, Cancel first."""
        yield cancel_button()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Cancel leaves; anything else is the subclass's `accept`."""
        event.stop()
        if event.button.id == "cancel":
            self.action_leave()
        else:
            self.accept(event.button.id or "")

    def accept(self, button: str) -> None:
        """The button that does it was pressed."""
        raise NotImplementedError

    def action_leave(self) -> None:
        """Nothing happens."""
        self.dismiss(None)


def say_problem(line: Static, problem: str) -> None:
    """Show what is wrong on its line, or hide the line; problems quote engines and containers."""
    line.update(f"✕ {safe_lines(problem)}" if problem else "")
    line.set_class(bool(problem), "-shown")


def cancel_button(label: str = "Cancel") -> Button:
    """The way out, first in every row of buttons."""
    return Button(label, id="cancel", compact=True)


def do_button(label: str, id: str = "do", *, danger: bool = False) -> Button:
    """The button that does it."""
    return Button(label, id=id, compact=True, variant="error" if danger else "primary")
