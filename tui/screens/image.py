"""One image: what it is called, holds and runs, and how it was made."""

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from tui.actions import Subject
from tui.clients import ClientError
from tui.informers import Hub
from tui.models import Container, HistoryEntry, Image, ImageDetail
from tui.render import images, inspect
from tui.render.cells import Cell, Section
from tui.render.text import safe
from tui.screens.base import BerthScreen, Clock
from tui.screens.doing import Doing
from tui.screens.inspect_panel import InspectPanel
from tui.widgets.footer import Footer
from tui.widgets.header import Header


class ImageScreen(BerthScreen):
    """Escape goes back to the list."""

    scope = "page"

    class Inspected(Message):
        """The engine's document and the history, or why there is none."""

        def __init__(
            self, detail: ImageDetail | None, history: list[HistoryEntry], problem: str = ""
        ) -> None:
            super().__init__()
            self.detail = detail
            self.history = history
            self.problem = problem

    def __init__(self, hub: Hub, held: Image, *, clock: Clock) -> None:
        super().__init__(hub, clock=clock)
        self.held = held
        self._doing = Doing(self)

    def compose(self) -> ComposeResult:
        """Title and page."""
        yield Header()
        yield Static(f"image  {safe(self.held.name)}", classes="page-title", markup=False)
        yield InspectPanel()
        yield self._doing
        yield Footer()

    def on_mount(self) -> None:
        """Ask for it."""
        super().on_mount()
        self.set_focus(self.query_one(InspectPanel).page)
        self.run_worker(self._fetch(self.held.id), group="inspect", exclusive=True)

    async def _fetch(self, key: str) -> None:
        client = self.hub.client
        try:
            detail = await client.images.inspect(key)
            history = list(await client.images.history(key))
        except ClientError as error:
            self.post_message(self.Inspected(None, [], str(error)))
        else:
            self.post_message(self.Inspected(detail, history))

    @on(Inspected)
    def _inspected(self, message: Inspected) -> None:
        panel = self.query_one(InspectPanel)
        if message.detail is None:
            panel.problem(message.problem)
            return
        sections = inspect.image_sections(message.detail, self.clock())
        sections.insert(2, self._history(message.history))
        panel.show(sections, message.detail.raw_json)

    def _history(self, entries: list[HistoryEntry]) -> Section:
        rows = []
        for entry in entries:
            age, size, made, comment = images.history_row(entry, self.clock())
            text = made.text or comment.text or "—"
            rows.append((f"{age.text:>5} {size.text:>10}", Cell(text)))
        return Section("History, newest first", tuple(rows))

    def repaint(self) -> None:
        """The page carries colours."""
        self.query_one(InspectPanel).repaint()

    @property
    def doing(self) -> Doing:
        """What changes the engine."""
        return self._doing

    def containers(self) -> list[Container]:
        """None here."""
        return []

    def images(self) -> list[Image]:
        """This one."""
        return [self.held]

    def clear_marks(self) -> None:
        """There are none."""

    def subject(self) -> Subject:
        """This one."""
        return Subject(image=self.held, engine=self.hub.link.info, linked=self.hub.link.alive)

    def act(self, action_id: str) -> bool:
        """Back here, the rest to the page or to the engine."""
        here: dict[str, Callable[[], object]] = {"view.back": lambda: self.dismiss(None)}
        if action_id in here:
            here[action_id]()
            return True
        return self.query_one(InspectPanel).act(action_id) or super().act(action_id)
