"""The command palette: every action that works here, by a few letters of its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.render.cells import Cell
from tui.widgets.columns import Column
from tui.widgets.table import ResourceTable, Row

_COLUMNS = (
    Column("key", "KEY", 8),
    Column("title", "ACTION", 24, flex=1),
)


@dataclass(frozen=True, slots=True)
class Command:
    """``reason`` says why it cannot be done now, empty when it can."""

    id: str
    title: str
    key: str
    reason: str = ""


class CommandPalette(ModalScreen[str]):
    """Answers the id of the action chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", show=False),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
    ]

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self.commands = commands
        self.shown: list[Command] = list(commands)

    def compose(self) -> ComposeResult:
        """Field and list."""
        with Vertical(id="palette") as box:
            box.border_title = "Commands"
            box.border_subtitle = "enter does it · esc leaves"
            yield Input(placeholder="type a few letters", compact=True)
            table = ResourceTable(_COLUMNS)
            table.can_focus = False
            yield table

    def on_mount(self) -> None:
        """Ready to type."""
        self.query_one(Input).focus()
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Best match first."""
        self._list(event.value)

    def _list(self, text: str) -> None:
        self.shown = list(self.commands)
        if text:
            matcher = Matcher(text)
            scored = [(matcher.match(item.title), item) for item in self.commands]
            scored = [pair for pair in scored if pair[0] > 0]
            self.shown = [item for _, item in sorted(scored, key=lambda pair: -pair[0])]
        table = self.query_one(ResourceTable)
        table.set_rows(_row(item) for item in self.shown)
        table.cursor = 0

    def action_move(self, step: int) -> None:
        """Through the list while typing."""
        self.query_one(ResourceTable).action_move(step)

    def on_input_submitted(self) -> None:
        """Do the one under the cursor."""
        self._choose()

    def on_resource_table_opened(self) -> None:
        """A double click does it."""
        self._choose()

    def _choose(self) -> None:
        place = self.query_one(ResourceTable).cursor
        if self.shown:
            self.dismiss(self.shown[place].id)

    def action_leave(self) -> None:
        """Nothing happens."""
        self.dismiss(None)


def _row(item: Command) -> Row:
    title = f"{item.title}  ({item.reason})" if item.reason else item.title
    return Row(item.id, (Cell(item.key, "accent"), Cell(title, "muted" if item.reason else "")))
