"""The Textual application: theme, first screen, the hub's task, and what belongs to no screen."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from textual import events, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.widgets import Input

from tui import actions
from tui.clients import Client, Endpoint
from tui.dialogs.base import Dialog
from tui.dialogs.palette import Command, CommandPalette
from tui.informers import Hub
from tui.render.text import safe, safe_lines
from tui.screens.base import BerthScreen
from tui.screens.help import Help
from tui.screens.main import MainScreen
from tui.settings import keymap
from tui.widgets import themes
from tui.widgets.prompt import Prompt

# Keys typed while a screen is still being made, or a question closed, wait this long at a time.
EARLY_SECONDS = 0.01


class BerthApp(App[None]):
    """``hub`` is made by the caller and run here; nothing waits on it before the first frame."""

    CSS_PATH = "styles/berth.tcss"
    TITLE = "berth"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Quit", priority=True),
    ]

    def __init__(
        self,
        hub: Hub,
        *,
        overrides: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
        start: str = "containers",
        run_hub: bool = True,
    ) -> None:
        super().__init__()
        self.hub = hub
        self.overrides = dict(overrides or {})
        self.notes = notes
        self.clock = clock
        self.start = start
        self.run_hub = run_hub
        self._standing: dict[tuple[str, str], float] = {}
        self._early: deque[events.Key] = deque()
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.NIGHT.name

    def on_mount(self) -> None:
        """First screen, then the engine."""
        if not self.is_headless:
            self._leave_on_signals()
        self.push_screen(MainScreen(self.hub, clock=self.clock, start=self.start))
        for note in self.notes:
            self.notify(note, timeout=8)
        if self.run_hub:
            self._follow_engine()

    def _leave_on_signals(self) -> None:
        """A closed connection or a polite kill ends the app as a key does: terminal clean."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    @work(group="hub", exclusive=True)
    async def _follow_engine(self) -> None:
        await self.hub.run()

    async def on_unmount(self) -> None:
        """The connections end with the app; containers go on."""
        await self.hub.client.close()

    # -- keys ---------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Keys of the action list are taken here, one after the other.

        Textual hands a key to the focused widget's own queue, and the next key may be on its way
        there before the first has moved the focus. Typed ahead, ``/rm`` must never mean "filter,
        restart, …": what follows a key goes where that key has led.
        """
        if isinstance(event, events.Key) and not event.is_forwarded and self._take(event):
            return
        await super().on_event(event)

    def _take(self, event: events.Key) -> bool:
        """Whether the key is done with, or waits in its order until it can be."""
        if not self.screen_stack:
            return True  # the app is on its way out, and nobody is left to take it
        if not self._early and self._is_ready():
            return self._done(event)
        if not self._early:
            self.set_timer(EARLY_SECONDS, self._next_early)
        self._early.append(event)
        return True

    async def _next_early(self) -> None:
        """The oldest key that waits, once there is somebody to take it."""
        if not self.screen_stack:
            return
        if not self._is_ready():
            self.set_timer(EARLY_SECONDS, self._next_early)
            return
        event = self._early.popleft()
        if not self._done(event):
            await super().on_event(event)
        if self._early:
            self.call_later(self._next_early)

    def _is_ready(self) -> bool:
        screen, prompt = self.screen, self._prompt()
        made = screen.is_mounted or not isinstance(screen, BerthScreen | Dialog)
        return made and not (prompt and prompt.is_answered)

    def _prompt(self) -> Prompt | None:
        parent = self.focused.parent if isinstance(self.focused, Input) else None
        return parent if isinstance(parent, Prompt) else None

    def _done(self, event: events.Key) -> bool:
        screen = self.screen
        if isinstance(screen, Dialog):
            return self._step_in(screen, event)
        if prompt := self._prompt():
            prompt.is_answered = event.key in ("enter", "escape")
        if not isinstance(screen, BerthScreen) or isinstance(self.focused, Input):
            return False
        action = actions.for_keys(event.aliases, screen.scopes(), self.overrides)
        if action is not None:
            self.act(action.id)
        return action is not None

    def _step_in(self, dialog: Dialog[Any], event: events.Key) -> bool:
        """What is typed after tab belongs to the next field, however fast it comes."""
        if dialog.takes_tab or event.key not in ("tab", "shift+tab"):
            return False
        if event.key == "tab":
            dialog.focus_next()
        else:
            dialog.focus_previous()
        return True

    # -- actions that belong to no screen -----------------------------------------------------

    def act(self, action_id: str) -> None:
        """The one way from a key, a click or the palette to its doing."""
        here: dict[str, Callable[[], None]] = {
            "app.help": self._help,
            "app.palette": self._palette,
            "app.theme": self._next_theme,
        }
        if action_id in here:
            here[action_id]()
        elif isinstance(self.screen, BerthScreen):
            self.screen.perform(action_id)

    def action_interrupt(self) -> None:
        """Ctrl-c: end the innermost thing there is, a question, a dialog, work; else quit."""
        screen, field = self.screen, self.focused
        if selected := screen.get_selected_text():
            self.copy_to_clipboard(selected)
        elif field is not None and isinstance(field.parent, Prompt):
            field.parent.leave()
        elif isinstance(screen, BerthScreen) and screen.doing.cancel():
            return
        elif isinstance(screen, MainScreen):
            self.exit()
        else:
            screen.dismiss(None)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Notices quote engines and containers: never markup, whatever the caller says.

        A warning that still stands there is not said again: a key held down fills no screen.
        """
        del markup
        if severity == "warning":
            now, said = time.monotonic(), (title, message)
            if self._standing.get(said, 0.0) > now:
                return
            self._standing = {key: end for key, end in self._standing.items() if end > now}
            self._standing[said] = now + (timeout or self.NOTIFICATION_TIMEOUT)
        super().notify(
            safe_lines(message),
            title=safe(title),
            severity=severity,
            timeout=timeout,
            markup=False,
        )

    def _scopes(self) -> list[str]:
        return self.screen.scopes() if isinstance(self.screen, BerthScreen) else ["app"]

    def _help(self) -> None:
        self.push_screen(Help(self._scopes(), self.overrides))

    def _palette(self) -> None:
        doable_first = sorted(self._commands(), key=lambda command: bool(command.reason))
        self.push_screen(CommandPalette(doable_first), self._chosen)

    def _commands(self) -> Iterable[Command]:
        screen = self.screen
        if not isinstance(screen, BerthScreen):
            return
        subject = screen.subject()
        for action, keys in actions.live(self._scopes(), self.overrides):
            if action.group != "move" and action.id != "app.palette":
                yield Command(action.id, action.title, keys[0], action.guard(subject))

    def _chosen(self, action_id: str | None) -> None:
        if action_id:
            self.call_later(self.act, action_id)

    def _next_theme(self) -> None:
        names = [theme.name for theme in themes.THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]


def run(endpoint: Endpoint, *, notice: str = "") -> int:
    """Open the full screen on an engine until the person leaves; returns the exit status."""
    keys = keymap.load(os.environ, actions.ACTIONS)
    notes = [*keys.problems, *([notice] if notice else [])]
    app = BerthApp(Hub(Client(endpoint)), overrides=keys.overrides, notes=notes)
    app.run()
    return app.return_code or 0
