"""Asks which archive to load, with completion of paths on this machine."""

from collections.abc import Iterable
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.suggester import Suggester
from textual.widgets import Button, Input, Static

from tui.dialogs.base import Dialog, cancel_button, do_button, say_problem
from tui.render.text import clip, safe

_LISTED = 8
_ARCHIVES = (".tar", ".gz", ".tgz", ".zst", ".xz", ".bz2", ".oci")


def expanded(text: str) -> Path:
    """The path with ``~`` and ``~user`` filled in, as typed when there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def problem_of(path: Path) -> str:
    """Why it cannot be loaded, empty when it is a file."""
    try:
        if path.is_file():
            return ""
        return f"{'a folder, not a file' if path.is_dir() else 'no such file'}: {path}"
    except OSError as error:
        return f"{(error.strerror or str(error)).lower()}: {clip(str(path), 60)}"


def candidates(text: str) -> list[Path]:
    """What the path typed so far may become: folders and archives, folders first."""
    typed = expanded(text)
    folder, start = (typed, "") if text.endswith("/") else (typed.parent, typed.name)
    try:
        found = [item for item in folder.iterdir() if item.name.startswith(start)]
        found = [item for item in found if start.startswith(".") or not item.name.startswith(".")]
        kept = [item for item in found if item.is_dir() or item.suffix in _ARCHIVES]
    except (OSError, ValueError):  # not there, not ours to read, too long, or with a zero byte
        return []
    return sorted(kept, key=lambda item: (not item.is_dir(), item.name))


class PathSuggester(Suggester):
    """Completes to the first candidate."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The rest of the first path that fits."""
        found = candidates(value) if value else []
        if not found or value.startswith("~"):
            return None
        return str(found[0]) + ("/" if found[0].is_dir() else "")


class LoadFile(Dialog[tuple[Path, str]]):
    """Answers (path, reference); a reference means: import as a root file system of that name."""

    BINDINGS = [Binding("tab", "complete", "Complete", show=False, priority=True)]  # noqa: RUF012
    title_text = "Load an image file"
    takes_tab = True

    def body(self) -> ComposeResult:
        """Path, what is there, and a name for a bare root file system."""
        yield Static(
            "Path of a `docker save` or OCI archive on this machine (tab completes).",
            classes="dialog-text",
            markup=False,
        )
        start = str(Path.cwd()) + "/"
        yield Input(start, id="path", compact=True, suggester=PathSuggester())
        yield Static("", id="listing", classes="dialog-items", markup=False)
        yield Static(
            "Only for a tar of a root file system: the image's name, such as base:1",
            classes="dialog-text",
            markup=False,
        )
        yield Input("", id="reference", compact=True, placeholder="empty: it is an image archive")
        yield Static("", id="error", classes="field-error", markup=False)

    def buttons(self) -> Iterable[Button]:
        """Cancel and Load."""
        yield cancel_button()
        yield do_button("Load")

    def on_mount(self) -> None:
        """Ready to type."""
        field = self.query_one("#path", Input)
        field.focus()
        field.cursor_position = len(field.value)
        self._list(field.value)

    def action_complete(self) -> None:
        """Take the completion, or go on to the next field."""
        field = self.query_one("#path", Input)
        found = candidates(field.value) if field.has_focus else []
        if not found:
            self.focus_next()
            return
        first = str(found[0]) + ("/" if found[0].is_dir() else "")
        if first == field.value:
            self.focus_next()
            return
        field.value = first
        field.cursor_position = len(first)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what is there."""
        if event.input.id == "path":
            self._list(event.value)
        self._fail("")

    def _list(self, text: str) -> None:
        found = candidates(text)
        lines = [item.name + ("/" if item.is_dir() else "") for item in found[:_LISTED]]
        if len(found) > _LISTED:
            lines.append(f"… and {len(found) - _LISTED} more")
        width = 60
        listing = "\n".join(clip(safe(line), width) for line in lines)
        self.query_one("#listing", Static).update(listing or "nothing fits here")

    def on_input_submitted(self) -> None:
        """Enter loads."""
        self.accept("do")

    def accept(self, button: str) -> None:
        """Only a file that is there."""
        path = expanded(self.query_one("#path", Input).value.strip())
        if problem := problem_of(path):
            self._fail(problem)
            return
        self.dismiss((path, self.query_one("#reference", Input).value.strip()))

    def _fail(self, problem: str) -> None:
        say_problem(self.query_one("#error", Static), problem)
