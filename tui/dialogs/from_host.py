"""Asks which of the engine's own programs make up an image; needs no network and no registry."""

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.widgets import Button, Input, Static

from tui.dialogs.base import Dialog, cancel_button, do_button, say_problem
from tui.models import parse

DEFAULT_PROGRAMS = "sh ls cat sleep ps env python3"


class FromHost(Dialog[tuple[tuple[str, ...], str]]):
    """Answers (programs, reference)."""

    title_text = "Import from this host"

    def body(self) -> ComposeResult:
        """Programs and name."""
        yield Static(
            "Copies these programs, with the libraries and files they need, into a one-layer "
            "image. Works offline.",
            classes="dialog-text",
            markup=False,
        )
        yield Input(DEFAULT_PROGRAMS, id="programs", compact=True)
        yield Static("Name of the image", classes="dialog-text", markup=False)
        yield Input("host:latest", id="reference", compact=True)
        yield Static("", id="error", classes="field-error", markup=False)

    def buttons(self) -> Iterable[Button]:
        """Cancel and Import."""
        yield cancel_button()
        yield do_button("Import")

    def on_mount(self) -> None:
        """Enter imports what stands there."""
        self.query_one("#do", Button).focus()

    def on_input_submitted(self) -> None:
        """Enter imports."""
        self.accept("do")

    def accept(self, button: str) -> None:
        """Only with programs and a name."""
        try:
            programs = parse.parse_command(self.query_one("#programs", Input).value)
        except ValueError as error:
            self._fail(str(error))
            return
        reference = self.query_one("#reference", Input).value.strip()
        if not programs or not reference:
            self._fail("name at least one program" if not programs else "give the image a name")
            return
        self.dismiss((programs, reference))

    def _fail(self, problem: str) -> None:
        say_problem(self.query_one("#error", Static), problem)
