"""What every full screen has: header, footer, and one way from an action to its doing."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from tui import actions
from tui.actions import NOTHING, Subject
from tui.informers import Hub
from tui.models import ContainerState
from tui.render import units
from tui.screens.following import soon
from tui.screens.pane import Pane
from tui.widgets.document import Document
from tui.widgets.footer import Footer, Hint
from tui.widgets.header import Header, HeaderState
from tui.widgets.log_view import LogView
from tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from tui.screens.doing import Doing

Clock = Callable[[], float]
# While a question is open, keys are text.
TYPING = [
    Hint("", "enter", "keep it"),
    Hint("", "esc", "clear it"),
    Hint("", "↑", "earlier ones"),
]


class BerthScreen(Screen[None]):
    """A screen on one engine."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = ""
    scope: ClassVar[str] = ""

    def __init__(self, hub: Hub, *, clock: Clock) -> None:
        super().__init__()
        self.hub = hub
        self.clock = clock
        self._undo: list[Callable[[], None]] = []

    def on_mount(self) -> None:
        """Follow the link; the second counts only while it is lost."""
        self._undo = [
            self.hub.link.watch(soon(self, self.show_header)),
            self.hub.containers.watch(changed=soon(self, self.show_header)),
            self.hub.underway.watch(soon(self, self.show_footer)),
        ]
        self.set_interval(1.0, self._tick)
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.repaint())
        self.show_header()

    def on_unmount(self) -> None:
        """No more callbacks."""
        for undo in self._undo:
            undo()

    def repaint(self) -> None:
        """Another theme: draw again what carries colours of its own."""

    def _tick(self) -> None:
        if not self.hub.link.alive:
            self.show_header()

    # -- header -------------------------------------------------------------------------------

    def show_header(self) -> None:
        """Engine, counts, link."""
        self.query_one(Header).show(self._header())
        lost = self.hub.link.info is not None and not self.hub.link.alive
        self.set_class(lost, "-stale")
        self.show_footer()

    def _header(self) -> HeaderState:
        link = self.hub.link
        endpoint = str(self.hub.client.endpoint)
        if link.info is None:
            return HeaderState("", endpoint, link="lost" if link.reason else "connecting")
        info = link.info
        state = HeaderState(
            f"{info.name} {info.version}".strip(),
            endpoint,
            self._counts(),
            "live",
            warnings=len(info.warnings),
        )
        if link.alive:
            return state
        return replace(state, link="stale", since=units.duration(self.clock() - link.since))

    def _counts(self) -> str:
        held = self.hub.containers.items.values()
        restarting = sum(1 for item in held if item.state is ContainerState.RESTARTING)
        running = sum(1 for item in held if item.running) - restarting
        counts = [f"{running} running"]
        counts += [f"{restarting} restarting"] if restarting else []
        return ", ".join([*counts, f"{len(held) - running - restarting} stopped"])

    # -- footer -------------------------------------------------------------------------------

    def subject(self) -> Subject:
        """What an action would work on."""
        return Subject(engine=self.hub.link.info, linked=self.hub.link.alive)

    def scopes(self) -> list[str]:
        """From the focus outwards."""
        nodes: Iterable[DOMNode] = (self.focused or self).ancestors_with_self
        found = [
            getattr(node, "scopes_here", None) or (getattr(node, "scope", ""),) for node in nodes
        ]
        return [scope for scopes in found for scope in scopes if scope] + ["app"]

    @on(Pane.SubjectChanged)
    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def show_footer(self) -> None:
        """The keys that work here, of the actions that have a word."""
        self.query_one(Footer).show(self.hints())

    def hints(self) -> list[Hint]:
        """Live keys, the nearest scope winning a key."""
        if isinstance(self.focused, Input):
            return TYPING
        subject = self.subject()
        live = actions.live(self.scopes(), self.keymap)
        chosen = [(a, keys) for a, keys in live if a.word and a.guard(subject) not in NOTHING]
        order = {scope: place for place, scope in enumerate(reversed(self.scopes()))}
        chosen.sort(key=lambda pair: (-max(order.get(s, 0) for s in pair[0].scopes), pair[0].rank))
        return [
            Hint(
                action.id,
                keys[0],
                actions.word_of(action, subject),
                action.group,
                not action.guard(subject),
                action.danger,
                action.tail,
            )
            for action, keys in chosen
        ]

    @property
    def keymap(self) -> dict[str, str]:
        """A person's own keys, by action."""
        return cast("dict[str, str]", getattr(self.app, "overrides", {}))

    @on(Footer.Clicked)
    def _clicked(self, message: Footer.Clicked) -> None:
        if message.action:
            self.perform(message.action)

    # -- doing --------------------------------------------------------------------------------

    @property
    def doing(self) -> "Doing":
        """What changes the engine."""
        raise NotImplementedError

    def perform(self, action_id: str) -> None:
        """Do it, or say why it cannot be done now."""
        action = actions.BY_ID[action_id]
        reason = action.guard(self.subject())
        if reason:
            self.notify(self._sentence(reason), severity="warning", timeout=4)
            return
        self.act(action_id)

    def _sentence(self, reason: str) -> str:
        """With a capital, unless it begins with a name, which is not ours to change."""
        held = self.subject().container
        if held is not None and reason.startswith(held.name):
            return f"{reason}."
        return f"{reason[0].upper()}{reason[1:]}."

    def act(self, action_id: str) -> bool:
        """Do it; False when this screen does not know it."""
        return self._move(action_id) or self.doing.act(action_id)

    def _move(self, action_id: str) -> bool:
        steps = _MOVES.get(action_id)
        focused = self.focused
        if steps is None or not isinstance(focused, ResourceTable | LogView | Document):
            return False
        method, argument = steps[0 if isinstance(focused, ResourceTable) else 1]
        call: Callable[..., Any] = getattr(focused, method)
        call(*argument)
        return True


_MOVES: dict[str, tuple[tuple[str, tuple[float, ...]], tuple[str, tuple[float, ...]]]] = {
    "move.down": (("action_move", (1,)), ("action_scroll_rows", (1,))),
    "move.up": (("action_move", (-1,)), ("action_scroll_rows", (-1,))),
    "move.page_down": (("action_page", (0.9,)), ("action_scroll_pages", (0.9,))),
    "move.page_up": (("action_page", (-0.9,)), ("action_scroll_pages", (-0.9,))),
    "move.first": (("action_first", ()), ("action_to_start", ())),
    "move.last": (("action_last", ()), ("action_to_end", ())),
}
