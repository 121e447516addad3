"""The form that makes a container.

A field is checked when it is left and before sending, and from then on as it is typed: who has
not finished a word is not told that it is wrong.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Checkbox, Input, Label, Select, Static

from tui.dialogs.base import Dialog, cancel_button, do_button, say_problem
from tui.models import RunRequest, parse
from tui.render.text import safe
from tui.widgets.tick import Tick

PREVIEW_LINES = 2
PREVIEW_WIDTH = 60
"""Cells, until it is known how many there are."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form; ``read`` raises ValueError with what is wrong."""

    key: str
    label: str
    hint: str
    read: Callable[[str], object]


FIELDS = (
    Field("name", "Name", "chosen by the engine", parse.parse_name),
    Field("command", "Command", "the image's own", parse.parse_command),
    Field("memory", "Memory", "no limit · 64m, 1.5g", parse.parse_memory),
    Field("cpus", "CPUs", "no limit · 0.5, 2", parse.parse_cpus),
    Field("pids", "Processes", "no limit · 100", parse.parse_pids),
    Field("env", "Environment", "NAME=value NAME2='two words'", parse.parse_env),
)
NETWORKS = (("none: no network", "none"), ("host: this machine's network", "host"))
RESTARTS = (
    ("no", "no"),
    ("on failure, at most 5 times", "on-failure:5"),
    ("always", "always"),
    ("unless stopped", "unless-stopped"),
)
Send = Callable[[RunRequest], Awaitable[str]]


class RunForm(Dialog[RunRequest]):
    """Answers the request once the engine has taken it; ``send`` gives the engine's error."""

    BINDINGS = [("ctrl+s", "send", "Run")]  # noqa: RUF012

    def __init__(self, image: str, send: Send) -> None:
        super().__init__()
        self.image = image
        self.send = send
        self.title_text = f"Run {image}"
        self._left: set[str] = set()

    def body(self) -> ComposeResult:
        """Fields, choices, the same as a docker command, the engine's error."""
        for field in FIELDS:
            with Horizontal(classes="form-row"):
                yield Label(field.label, classes="form-label")
                yield Input(placeholder=field.hint, id=field.key, compact=True)
            yield Static("", id=f"{field.key}-error", classes="field-error", markup=False)
        with Horizontal(classes="form-row"):
            yield Label("Network", classes="form-label")
            yield Select(NETWORKS, value="none", allow_blank=False, id="network", compact=True)
        with Horizontal(classes="form-row"):
            yield Label("Restart", classes="form-label")
            yield Select(RESTARTS, value="no", allow_blank=False, id="restart", compact=True)
        with Horizontal(classes="form-row"):
            yield Label("", classes="form-label")
            yield Tick("terminal", id="tty", compact=True)
            yield Tick("remove on exit", id="remove", compact=True)
        yield Static("", id="remove-error", classes="field-error", markup=False)
        yield Static("", id="preview", classes="form-preview", markup=False)
        yield Static("", id="error", classes="field-error", markup=False)

    def buttons(self) -> Iterable[Button]:
        """Cancel and Run."""
        yield cancel_button()
        yield do_button("Run")

    def on_mount(self) -> None:
        """Ready to type."""
        self.query_one("#name", Input).focus()
        self._preview()

    # -- checking -----------------------------------------------------------------------------

    def _read(self) -> tuple[dict[str, object], dict[str, str]]:
        """(values, errors) by field."""
        values: dict[str, object] = {}
        errors: dict[str, str] = {}
        for field in FIELDS:
            try:
                values[field.key] = field.read(self.query_one(f"#{field.key}", Input).value)
            except ValueError as error:
                errors[field.key] = str(error)
        if self._remove and self._restart != "no":
            errors["remove"] = "a container removed on exit cannot restart: choose one"
        return values, errors

    @property
    def _remove(self) -> bool:
        return self.query_one("#remove", Checkbox).value

    @property
    def _restart(self) -> str:
        return str(self.query_one("#restart", Select).value)

    def _request(self, values: dict[str, object]) -> RunRequest:
        tty = self.query_one("#tty", Checkbox).value
        return RunRequest(
            image=self.image,
            network=str(self.query_one("#network", Select).value),
            restart_policy=self._restart,
            auto_remove=self._remove,
            tty=tty,
            open_stdin=tty,
            **values,  # type: ignore[arg-type]  # each field's reader gives its own type
        )

    def _show_errors(self, errors: dict[str, str]) -> None:
        for key in [*(field.key for field in FIELDS), "remove"]:
            told = errors.get(key, "") if key in self._left or key == "remove" else ""
            say_problem(self.query_one(f"#{key}-error", Static), told)

    def _preview(self) -> None:
        values, errors = self._read()
        text = "" if errors else self._request(values).command_line()
        preview = self.query_one("#preview", Static)
        width = preview.size.width or PREVIEW_WIDTH
        lines = Text(safe(text)).wrap(self.app.console, width)
        if len(lines) > PREVIEW_LINES:
            last = lines[PREVIEW_LINES - 1]
            last.truncate(width - 1)
            last.rstrip()
            last.append("…")
        preview.update(Text("\n").join(lines[:PREVIEW_LINES]))

    @on(Input.Blurred)
    def _leave(self, event: Input.Blurred) -> None:
        self._left.add(event.input.id or "")
        if self.is_attached:  # not while the form is being taken away
            self._show_errors(self._read()[1])

    @on(Input.Changed)
    @on(Checkbox.Changed)
    @on(Select.Changed)
    def _edited(self) -> None:
        self._fail("")
        self._show_errors(self._read()[1])
        self._preview()

    # -- sending ------------------------------------------------------------------------------

    def on_input_submitted(self) -> None:
        """Enter in a field sends."""
        self.action_send()

    def accept(self, button: str) -> None:
        """The Run button."""
        self.action_send()

    def action_send(self) -> None:
        """Send what is right, else go to the first thing that is wrong."""
        values, errors = self._read()
        self._left |= errors.keys()
        self._show_errors(errors)
        if errors:
            self.query_one(f"#{next(iter(errors))}").focus()
            return
        button = self.query_one("#do", Button)
        if not button.disabled:
            button.disabled = True
            self.run_worker(self._send(self._request(values)), group="send", exclusive=True)

    async def _send(self, request: RunRequest) -> None:
        problem = await self.send(request)
        self.query_one("#do", Button).disabled = False
        if problem:
            self._fail(problem)
        else:
            self.dismiss(request)

    def _fail(self, problem: str) -> None:
        line = self.query_one("#error", Static)
        say_problem(line, problem)
        if problem:
            line.scroll_visible(animate=False)
