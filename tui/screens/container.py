"""One container: overview, log, inspect, processes."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container as Box
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tui.actions import Subject
from tui.clients import ClientError
from tui.informers import Hub
from tui.models import Container, ContainerDetail, ContainerState, Image
from tui.render import containers as render
from tui.render import inspect, units
from tui.render.text import safe
from tui.screens.base import BerthScreen, Clock
from tui.screens.board import CONTAINER_PLOTS, Board, Gauges
from tui.screens.doing import Doing
from tui.screens.following import soon
from tui.screens.inspect_panel import InspectPanel
from tui.screens.log_panel import LogPanel
from tui.screens.processes import ProcessesPanel
from tui.widgets import palette
from tui.widgets.footer import Footer, Hint
from tui.widgets.header import Header
from tui.widgets.tab_strip import Tab, TabStrip

TABS = (
    Tab("overview", "Overview", "1"),
    Tab("logs", "Logs", "2"),
    Tab("inspect", "Inspect", "3"),
    Tab("processes", "Processes", "4"),
)


class Overview(Vertical, can_focus=True):
    """Gauges and graphs of what runs; how it ended, of what does not."""

    scope = "overview"

    def __init__(self, hub: Hub, *, id: str, classes: str) -> None:
        super().__init__(id=id, classes=classes)
        self.hub = hub

    def compose(self) -> ComposeResult:
        """Gauges above graphs; or how it ended above its last lines."""
        yield Gauges()
        yield Board(CONTAINER_PLOTS, classes="graphs")
        with Vertical(classes="ended"):
            yield Static("", classes="facts", markup=False)
            yield Static("Its last lines", classes="heading", markup=False)
            yield LogPanel(self.hub, brief=True)

    def show(self, held: Container) -> None:
        """Bring up to date."""
        alive = held.running and held.state is not ContainerState.RESTARTING
        self.set_class(not alive, "-over")
        if alive:
            metrics = self.hub.metrics
            self.query_one(Gauges).show(metrics.latest(held.id))
            self.query_one(Board).show(metrics.series(held.id))
        else:
            self.query_one(".facts", Static).update(self._ending(held))
            self.query_one(LogPanel).show(held)

    def _ending(self, held: Container) -> Text:
        """Why it does not run."""
        dim, bad = palette.tone(self, "dim"), palette.tone(self, "bad")
        text = Text()
        if held.state is ContainerState.CREATED:
            return text.append("It was never started; ^t starts it.\n", dim)
        code = inspect.exit_words(held.exit_code or 0, held.oom_killed)
        text.append("exit code  ", dim).append(f"{code}\n", bad if held.exit_code else "")
        if held.oom_killed:
            limit = units.size(held.limits.memory)
            text.append("memory     ", dim).append(f"needed more than its limit of {limit}\n", bad)
        if held.error:
            text.append("error      ", dim).append(f"{safe(held.error)}\n", bad)
        text.append("started    ", dim).append(f"{units.date(held.started_at)}\n")
        text.append("finished   ", dim).append(f"{units.date(held.finished_at)}\n")
        text.append("restarts   ", dim).append(f"{held.restarts or 0}")
        return text.append(f"  (policy: {held.restart_policy or 'no'})\n")


class ContainerScreen(BerthScreen):
    """Escape goes back to the list."""

    scopes_here = ("container", "tabs")

    class Inspected(Message):
        """The engine's document, or why there is none."""

        def __init__(self, detail: ContainerDetail | None, problem: str = "") -> None:
            super().__init__()
            self.detail = detail
            self.problem = problem

    def __init__(self, hub: Hub, held: Container, tab: str, *, clock: Clock) -> None:
        super().__init__(hub, clock=clock)
        self.held = held
        self.tab = tab
        self.gone = False
        self._doing = Doing(self)

    def compose(self) -> ComposeResult:
        """Title, tabs, the four pages."""
        yield Header()
        yield Static("", classes="page-title", markup=False)
        yield TabStrip(TABS)
        with Box(id="body"):
            yield Overview(self.hub, id="overview", classes="pane-tab")
            yield LogPanel(self.hub, id="logs").add_class("pane-tab")
            yield InspectPanel(id="inspect").add_class("pane-tab")
            yield ProcessesPanel(self.hub, id="processes").add_class("pane-tab")
        yield self._doing
        yield Footer()

    def on_mount(self) -> None:
        """Follow this container."""
        super().on_mount()
        self._undo += [
            self.hub.containers.watch(changed=soon(self, self._changed)),
            self.hub.metrics.watch(soon(self, self._figures)),
            self.hub.underway.watch(soon(self, self._title)),
        ]
        self.show_tab(self.tab)
        self._title()

    # -- tabs ---------------------------------------------------------------------------------

    def show_tab(self, key: str) -> None:
        """Bring a page to the front and give it the focus."""
        self.tab = key
        for tab in TABS:
            self.query_one(f"#{tab.key}").set_class(tab.key == key, "-current")
        self.query_one(TabStrip).show(TABS, key)
        self._fill()
        self._focus_page()
        self.show_footer()

    def _focus_page(self) -> None:
        page = self.query_one(f"#{self.tab}")
        focusable = (
            page if page.can_focus else next(iter(page.query("LogView, Document, ResourceTable")))
        )
        self.set_focus(focusable)

    def _fill(self) -> None:
        """Ask only for what can be seen."""
        self.hub.metrics.show([self.held.id])
        if self.tab == "overview":
            self._figures()
        elif self.tab == "logs":
            self.query_one("#logs", LogPanel).show(self.held)
        elif self.tab == "inspect":
            self.run_worker(self._fetch(self.held.id), group="inspect", exclusive=True)
        else:
            self.query_one(ProcessesPanel).show(self.held)

    @on(TabStrip.Chosen)
    def _chosen(self, message: TabStrip.Chosen) -> None:
        self.show_tab(message.key)

    def repaint(self) -> None:
        """Title and inspect carry colours."""
        self._title()
        self.query_one(InspectPanel).repaint()

    def on_screen_resume(self) -> None:
        """Another screen measured other containers meanwhile."""
        self.hub.metrics.show([self.held.id])

    # -- contents -----------------------------------------------------------------------------

    def _figures(self) -> None:
        if self.tab == "overview" and self.is_current:
            self.query_one(Overview).show(self.held)
        self._title()

    async def _fetch(self, key: str) -> None:
        try:
            self.post_message(self.Inspected(await self.hub.client.containers.inspect(key)))
        except ClientError as error:
            self.post_message(self.Inspected(None, str(error)))

    @on(Inspected)
    def _inspected(self, message: Inspected) -> None:
        panel = self.query_one(InspectPanel)
        if message.detail is None:
            panel.problem(message.problem)
        else:
            sections = inspect.container_sections(message.detail, self.clock())
            panel.show(sections, message.detail.raw_json)

    def _changed(self) -> None:
        held = self.hub.containers.items.get(self.held.id)
        if held is None and not self.gone:
            self.gone = True
            self.notify(f"{self.held.name} was removed; esc goes back.", severity="warning")
        elif held is None or held == self.held:
            return
        else:
            self.held = held
            if self.tab != "logs":
                self._fill()
        self._title()
        self.show_footer()

    def _title(self) -> None:
        held = self.held
        mark, status = render.glyph(held), render.status(held, self.clock())
        text = Text(overflow="ellipsis", no_wrap=True)
        glyph = ("⌫", "bad") if self.gone else (mark.text, mark.style)
        text.append(f"{glyph[0]} ", palette.tone(self, glyph[1]))
        text.append(safe(held.name), palette.tone(self, "title", bold=True))
        said = "removed" if self.gone else status.text
        text.append(f"  {said}", palette.tone(self, "bad" if self.gone else status.style))
        if word := self.hub.underway.word(held.id):
            text.append(f"  {word.capitalize()} …", palette.tone(self, "accent", bold=True))
        text.append(f"  {safe(held.image)}", palette.tone(self, "dim"))
        text.append(f"  {safe(held.command)}", palette.tone(self, "faint"))
        self.query_one(".page-title", Static).update(text)

    # -- doing --------------------------------------------------------------------------------

    @property
    def doing(self) -> Doing:
        """What changes the engine."""
        return self._doing

    def containers(self) -> list[Container]:
        """This one."""
        return [] if self.gone else [self.held]

    def images(self) -> list[Image]:
        """None here."""
        return []

    def clear_marks(self) -> None:
        """There are none."""

    def subject(self) -> Subject:
        """This one."""
        held = None if self.gone else self.held
        link, word = self.hub.link, self.hub.underway.word(self.held.id)
        return Subject(held, engine=link.info, linked=link.alive, underway=word)

    def hints(self) -> list[Hint]:
        """Without the key that leads to where we are."""
        here = f"container.{self.tab}"
        return [hint for hint in super().hints() if hint.action != here]

    def act(self, action_id: str) -> bool:
        """Tabs here, the rest to the page in front or to the engine."""
        here: dict[str, Callable[[], object]] = {
            "view.back": lambda: self.dismiss(None),
            "view.next": lambda: self._step(1),
            "view.previous": lambda: self._step(-1),
            "container.logs": lambda: self.show_tab("logs"),
            "container.inspect": lambda: self.show_tab("inspect"),
        }
        here |= {f"view.{tab.number}": self._opener(tab.key) for tab in TABS}
        if action_id in here:
            here[action_id]()
            return True
        panel = self.query_one(f"#{self.tab}")
        if isinstance(panel, LogPanel | InspectPanel) and panel.act(action_id):
            return True
        return super().act(action_id)

    def _opener(self, key: str) -> Callable[[], None]:
        return lambda: self.show_tab(key)

    def _step(self, step: int) -> None:
        keys: Sequence[str] = [tab.key for tab in TABS]
        self.show_tab(keys[(keys.index(self.tab) + step) % len(keys)])
