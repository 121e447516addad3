"""The main screen: containers, images, metrics, node and pods."""

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Container as Box

from tui.actions import Subject
from tui.informers import Hub
from tui.models import Container, Image
from tui.screens import filters
from tui.screens.base import BerthScreen, Clock
from tui.screens.container import ContainerScreen
from tui.screens.containers_pane import ContainersPane
from tui.screens.doing import Doing
from tui.screens.following import soon
from tui.screens.image import ImageScreen
from tui.screens.images_pane import ImagesPane
from tui.screens.metrics_pane import MetricsPane
from tui.screens.node_pane import NodePane
from tui.screens.pane import Pane
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.prompt import Prompt
from tui.widgets.tab_strip import Tab, TabStrip
from tui.widgets.table import ResourceTable

PANES: tuple[tuple[str, str, type[Pane]], ...] = (
    ("containers", "Containers", ContainersPane),
    ("images", "Images", ImagesPane),
    ("metrics", "Metrics", MetricsPane),
    ("node", "Node", NodePane),
)
KEYS = [key for key, _, _ in PANES]


class MainScreen(BerthScreen):
    """One pane in front; the others are made when they are first asked for."""

    scope = "main"

    def __init__(self, hub: Hub, *, clock: Clock, start: str = "containers") -> None:
        super().__init__(hub, clock=clock)
        self.current = start
        self._doing = Doing(self)

    def compose(self) -> ComposeResult:
        """Header, tabs, the pane in front, the question line, footer."""
        yield Header()
        yield TabStrip([Tab(key, title, str(at)) for at, (key, title, _) in enumerate(PANES, 1)])
        with Box(id="body"):
            yield self._make(self.current)
        yield self._doing
        yield Prompt(id="question")
        yield Footer()

    def _make(self, key: str) -> Pane:
        kind = next(kind for name, _, kind in PANES if name == key)
        return kind(self.hub, clock=self.clock, id=f"pane-{key}")

    def on_mount(self) -> None:
        """Follow what the tabs count."""
        super().on_mount()
        self._undo += [
            self.hub.containers.watch(changed=soon(self, self.show_tabs)),
            self.hub.images.watch(changed=soon(self, self.show_tabs)),
            self.hub.link.watch(soon(self, self.show_tabs)),
        ]
        self.show_tabs()
        self.set_focus(self.pane.table)

    @property
    def pane(self) -> Pane:
        """The pane in front."""
        return self.query_one(f"#pane-{self.current}", Pane)

    # -- panes --------------------------------------------------------------------------------

    async def show_pane(self, key: str) -> None:
        """Bring a pane to the front."""
        self.current = key
        if not self.query(f"#pane-{key}"):
            await self.query_one("#body").mount(self._make(key))
        for pane in self.query(Pane):
            pane.display = pane.id == f"pane-{key}"
        self.pane.refresh_now()
        self.set_focus(self.pane.table)
        self.show_tabs()
        self.show_footer()

    def show_tabs(self) -> None:
        """Counts and the filter of the pane in front."""
        held = self.hub.containers.items.values()
        running = sum(1 for item in held if item.running)
        known = self.hub.link.info is not None
        counts = {
            "containers": f"{running}/{len(held)}",
            "images": str(len(self.hub.images.items)),
            "metrics": str(running),
        }
        tabs = [
            Tab(key, title, str(at), counts.get(key, "") if known else "")
            for at, (key, title, _) in enumerate(PANES, 1)
        ]
        self.query_one(TabStrip).show(tabs, self.current, self._note())

    def _note(self) -> str:
        pane = self.pane
        notes = [f"{len(pane.table.marks)} marked"] if pane.table.marks else []
        notes += [f"filter: {pane.filter.text}"] if pane.filter else []
        notes += [pane.order_note] if not pane.table.sort_is_seen else []
        if isinstance(pane, ContainersPane) and pane.scope == "containers" and not pane.show_all:
            notes.append("running only")
        return "  ".join(notes)

    @on(TabStrip.Chosen)
    async def _chosen(self, message: TabStrip.Chosen) -> None:
        await self.show_pane(message.key)

    @on(Pane.SubjectChanged)
    def _subject_changed(self) -> None:
        self.show_tabs()

    @on(ResourceTable.Opened)
    def _opened(self, message: ResourceTable.Opened) -> None:
        self.perform("image.inspect" if self.current == "images" else "container.open")

    def repaint(self) -> None:
        """The facts beside the list carry colours."""
        self.pane.refresh_now()

    def on_screen_resume(self) -> None:
        """Catch up with what happened behind another screen."""
        if self.is_mounted:
            self.pane.refresh_now()
            self.show_header()

    # -- what is selected ---------------------------------------------------------------------

    @property
    def doing(self) -> Doing:
        """What changes the engine."""
        return self._doing

    def containers(self) -> list[Container]:
        """The marked ones, else the selected one."""
        pane = self.pane
        return pane.targets() if isinstance(pane, ContainersPane) else []

    def images(self) -> list[Image]:
        """The marked ones, else the selected one."""
        pane = self.pane
        return pane.targets() if isinstance(pane, ImagesPane) else []

    def clear_marks(self) -> None:
        """After an action on many."""
        self.pane.table.clear_marks()

    def subject(self) -> Subject:
        """Of the pane in front."""
        return self.pane.subject()

    # -- doing --------------------------------------------------------------------------------

    def scopes(self) -> list[str]:
        """Those of the pane in front also where there is no list to have the focus."""
        if self.focused is None:
            return [self.pane.scope, self.scope, "app"]
        return super().scopes()

    def act(self, action_id: str) -> bool:
        """Views and lists here, the rest to the engine."""
        call = self._here().get(action_id)
        if call is None:
            return super().act(action_id)
        call()
        return True

    def _here(self) -> dict[str, Callable[[], object]]:
        table = self.pane.table
        here: dict[str, Callable[[], object]] = {
            "view.next": lambda: self._step(1),
            "view.previous": lambda: self._step(-1),
            "app.quit": self.app.exit,
            "list.filter": self._ask_filter,
            "list.mark": table.action_mark,
            "list.mark_range": table.action_mark_range,
            "list.unmark": table.clear_marks,
            "list.reverse": self.pane.reverse,
            "container.all": self._toggle_all,
            "container.open": lambda: self._open("overview"),
            "container.logs": lambda: self._open("logs"),
            "container.inspect": lambda: self._open("inspect"),
            "image.inspect": self._open_image,
        }
        return here | {f"view.{at}": self._opener(key) for at, key in enumerate(KEYS, 1)}

    def _opener(self, key: str) -> Callable[[], object]:
        return lambda: self.call_later(self.show_pane, key)

    def _step(self, step: int) -> None:
        place = (KEYS.index(self.current) + step) % len(KEYS)
        self.call_later(self.show_pane, KEYS[place])

    def _toggle_all(self) -> None:
        pane = self.pane
        if isinstance(pane, ContainersPane):
            pane.toggle_all()
            self.show_tabs()

    def _open(self, tab: str) -> None:
        pane = self.pane
        held = pane.selected if isinstance(pane, ContainersPane) else None
        if held is not None:
            self.app.push_screen(ContainerScreen(self.hub, held, tab, clock=self.clock))

    def _open_image(self) -> None:
        pane = self.pane
        held = pane.selected if isinstance(pane, ImagesPane) else None
        if held is not None:
            self.app.push_screen(ImageScreen(self.hub, held, clock=self.clock))

    # -- filter -------------------------------------------------------------------------------

    def _ask_filter(self) -> None:
        def check(text: str) -> str:
            return filters.parse(text).problem or "!inverse  -l label  -f fuzzy "

        self.query_one("#question", Prompt).ask("filter", "/", self.pane.filter.text, check)

    @on(Prompt.Changed)
    def _typed(self, message: Prompt.Changed) -> None:
        message.stop()
        left = isinstance(message, Prompt.Left)
        self.pane.set_filter("" if left else message.text)
        self.show_tabs()
        if left or isinstance(message, Prompt.Answered):
            message.prompt.close()
            self.set_focus(self.pane.table)
