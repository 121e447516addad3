"""The one list of everything a person can do.

Keys, footer, help and the command palette are all made from it, so they cannot disagree.
No doing here: a screen looks the id up and does it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tui.models import Container, ContainerState, EngineInfo, Feature, Image


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action would work on just now.

    ``underway`` says what the engine was asked to do with the container and still does;
    ``listed`` whether there is anything in the list, hidden by a filter or not.
    """

    container: Container | None = None
    image: Image | None = None
    marked: int = 0
    engine: EngineInfo | None = None
    linked: bool = True
    underway: str = ""
    listed: bool = True


Guard = Callable[[Subject], str]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    ``keys`` are the defaults, comma separated, Textual's names; ``scopes`` say where they work.
    ``word`` is the footer's short form, empty to leave it out. ``guard`` gives the reason why it
    cannot be done now, empty when it can. ``rank`` orders the footer, least first.
    """

    id: str
    keys: str
    title: str
    scopes: tuple[str, ...]
    word: str | Callable[[Subject], str] = ""
    group: str = "general"
    danger: bool = False
    guard: Guard = field(default=lambda subject: "")
    rank: int = 50
    tail: bool = False


def word_of(action: Action, subject: Subject) -> str:
    """The footer's word, which may depend on what is selected."""
    return action.word if isinstance(action.word, str) else action.word(subject)


def _toggle_word(subject: Subject) -> str:
    held = subject.container
    if subject.marked or held is None:
        return "start/stop"
    if held.paused:
        return "go on"
    return "stop" if held.running else "start"


def _pause_word(subject: Subject) -> str:
    return "go on" if subject.container and subject.container.paused else "pause"


NO_CONTAINER = "no container is selected"
NO_IMAGE = "no image is selected"
# Reasons for which a key is not even named in the footer: there is nothing it could work on.
NOTHING_LISTED = "nothing is listed"
NOTHING = (NO_CONTAINER, NO_IMAGE, NOTHING_LISTED)


# -- guards -------------------------------------------------------------------------------------


def _linked(subject: Subject) -> str:
    return "" if subject.linked else "no engine is connected"


def _some_container(subject: Subject) -> str:
    if subject.marked or subject.container:
        return _linked(subject)
    return NO_CONTAINER


def _idle(subject: Subject) -> str:
    """The same asked twice would be done twice: stopped, then started again."""
    held = subject.container
    if subject.marked or held is None or not subject.underway:
        return _some_container(subject)
    return f"{held.name} is still {subject.underway}; ^k kills it at once"


def _one_container(subject: Subject) -> str:
    return _linked(subject) if subject.container else NO_CONTAINER


def _running(subject: Subject) -> str:
    if subject.marked:
        return _linked(subject)
    held = subject.container
    if held is None:
        return NO_CONTAINER
    return _linked(subject) if held.running else f"{held.name} is not running"


def _one_running(subject: Subject) -> str:
    held = subject.container
    if held is None:
        return NO_CONTAINER
    if held.paused:
        return f"{held.name} is paused: unpause it first"
    if held.state is not ContainerState.RUNNING:
        return f"{held.name} is not running: start it first"
    return _linked(subject)


def _pausable(subject: Subject) -> str:
    held = subject.container
    if subject.marked or held is None or held.paused or subject.underway:
        return _idle(subject)
    return _one_running(subject)


def _some_image(subject: Subject) -> str:
    if subject.marked or subject.image:
        return _linked(subject)
    return NO_IMAGE


def _one_image(subject: Subject) -> str:
    return _linked(subject) if subject.image else NO_IMAGE


def _listed(subject: Subject) -> str:
    return "" if subject.listed else NOTHING_LISTED


def _from_host(subject: Subject) -> str:
    engine = subject.engine
    if engine is not None and not engine.has(Feature.FROM_HOST):
        return f"{engine.name} cannot import from the host: only a berth engine can"
    return _linked(subject)


# -- the list -----------------------------------------------------------------------------------

_ROWS = ("containers", "images", "metrics", "node")
_CONTAINERS = ("containers", "metrics", "node", "container")
_LISTED = ("containers", "metrics", "node")
_TEXT = ("logs", "document")

ACTIONS: tuple[Action, ...] = (
    # containers
    Action("container.open", "enter", "Open: overview, logs, inspect, processes", _LISTED,
           "open", "container", guard=_one_container, rank=1),
    Action("container.logs", "l", "Logs", _CONTAINERS, "logs", "container",
           guard=_one_container, rank=2),
    Action("container.shell", "s", "Shell inside", _CONTAINERS, "shell", "container",
           guard=_one_running, rank=3),
    Action("container.toggle", "ctrl+t", "Start or stop", _CONTAINERS, _toggle_word, "life",
           guard=_idle, rank=10),
    Action("container.restart", "r", "Restart", _CONTAINERS, "restart", "life",
           guard=_idle, rank=11),
    Action("container.pause", "P", "Pause or go on", _CONTAINERS, _pause_word, "life",
           guard=_pausable, rank=14),
    Action("container.kill", "ctrl+k", "Kill (asks)", _CONTAINERS, "kill", "life",
           danger=True, guard=_running, rank=13),
    Action("container.remove", "delete,ctrl+x", "Remove (asks)", _CONTAINERS, "remove", "life",
           danger=True, guard=_some_container, rank=12),
    Action("container.inspect", "d,i", "Inspect", _CONTAINERS, "inspect", "more",
           guard=_one_container, rank=15),
    Action("container.attach", "a", "Attach to its own process", _CONTAINERS, "attach", "more",
           guard=_one_running, rank=16),
    Action("container.rename", "e", "Rename", _CONTAINERS, "rename", "more",
           guard=_one_container, rank=17),
    Action("container.copy", "c", "Copy its id", _CONTAINERS, "copy id", "more",
           guard=_one_container, rank=18),
    Action("container.all", "ctrl+a", "All or only running", ("containers",), "all", "list",
           guard=_listed, rank=22),
    # images
    Action("image.run", "n,enter", "Run: opens the form", ("images",), "run", "image",
           guard=_one_image, rank=1),
    Action("image.inspect", "d,i", "Inspect: history, layers, config", ("images",),
           "inspect", "image", guard=_one_image, rank=2),
    Action("image.load", "L", "Load an image file", _ROWS, "load", "new",
           guard=_linked, rank=30),
    Action("image.from_host", "H", "Import from this host (works offline)", _ROWS,
           "from host", "new", guard=_from_host, rank=31),
    Action("image.tag", "t", "Tag: give it another name", ("images",), "tag", "image",
           guard=_one_image, rank=7),
    Action("image.copy", "c", "Copy its id", ("images",), "copy id", "image",
           guard=_one_image, rank=8),
    Action("image.remove", "delete,ctrl+x", "Remove (asks)", ("images",), "remove", "image",
           danger=True, guard=_some_image, rank=4),
    # lists
    Action("list.filter", "slash", "Filter: text, !inverse, -l label, -f fuzzy", _ROWS,
           "filter", "list", guard=_listed, rank=20),
    Action("list.mark", "space", "Mark, for one action on many", _ROWS, "mark", "list",
           guard=_listed, rank=23),
    Action("list.mark_range", "ctrl+@", "Mark from the last mark to here", _ROWS, "", "list"),
    Action("list.unmark", "ctrl+backslash", "Clear marks", _ROWS, "", "list"),
    Action("list.reverse", "O", "Reverse the order", _ROWS, "", "list"),
    Action("list.refresh", "ctrl+r", "Ask the engine again", _ROWS, "", "list"),
    # logs and documents
    Action("text.search", "slash", "Search", _TEXT, "search", "text", rank=1),
    Action("text.next", "n", "Next match", _TEXT, "next", "text", rank=2),
    Action("text.previous", "N", "Previous match", _TEXT, "", "text", rank=3),
    Action("logs.matches", "F", "Hide lines that do not match", ("logs",), "matches only", "text",
           rank=4),
    Action("text.wrap", "w", "Wrap long lines", _TEXT, "wrap", "view", rank=5),
    Action("logs.times", "t", "Show times", ("logs",), "times", "view", rank=6),
    Action("logs.follow", "f", "Follow the end", ("logs",), "follow", "view", rank=7),
    Action("text.copy", "c", "Copy what is on the screen", _TEXT, "copy", "view", rank=8),
    Action("inspect.raw", "y", "Raw JSON or grouped", ("inspect",), "raw", "view", rank=4),
    # moving
    Action("move.down", "down,j", "Down", (*_ROWS, *_TEXT), "", "move"),
    Action("move.up", "up,k", "Up", (*_ROWS, *_TEXT), "", "move"),
    Action("move.page_down", "pagedown,ctrl+d,ctrl+f", "A page down", (*_ROWS, *_TEXT), "", "move"),
    Action("move.page_up", "pageup,ctrl+u,ctrl+b", "A page up", (*_ROWS, *_TEXT), "", "move"),
    Action("move.first", "home,g", "To the start", (*_ROWS, *_TEXT), "", "move"),
    Action("move.last", "end,G", "To the end", (*_ROWS, *_TEXT), "", "move"),
    Action("move.left", "left,h", "Left, in lines that are cut", ("logs",), "", "move"),
    Action("move.right", "right", "Right, in lines that are cut", ("logs",), "", "move"),
    # views
    Action("view.1", "1", "Containers; a container's overview", ("main", "tabs"), "", "view"),
    Action("view.2", "2", "Images; a container's log", ("main", "tabs"), "", "view"),
    Action("view.3", "3", "Metrics; a container's inspect", ("main", "tabs"), "", "view"),
    Action("view.4", "4", "Node and pods; a container's processes", ("main", "tabs"), "", "view"),
    Action("view.next", "right_square_bracket,tab", "Next pane or tab", ("main", "tabs"),
           "pane", "general", rank=40),
    Action("view.previous", "left_square_bracket,shift+tab", "Previous pane or tab",
           ("main", "tabs"), "", "view"),
    Action("view.back", "escape,q", "Back", ("tabs", "page"), "back", "general",
           rank=41, tail=True),
    Action("app.palette", "colon,ctrl+p", "Command palette", ("app",), "commands", "general",
           rank=45),
    Action("app.help", "question_mark", "Help: all keys that work here", ("app",), "help",
           "general", rank=91, tail=True),
    Action("app.theme", "ctrl+l", "Light or dark", ("app",), "", "general"),
    Action("app.quit", "q", "Quit; containers go on", ("main",), "quit", "general",
           rank=92, tail=True),
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

GROUPS = {
    "container": "Container",
    "life": "Start, stop, remove",
    "more": "More of a container",
    "image": "Image",
    "new": "New images",
    "list": "List",
    "text": "Search",
    "view": "View",
    "move": "Move",
    "general": "General",
}


def in_scopes(scopes: Iterable[str]) -> list[Action]:
    """Actions of these scopes; where two share a key, the first scope's comes first."""
    order = list(dict.fromkeys(scopes))
    found: dict[str, Action] = {}
    for scope in order:
        for action in ACTIONS:
            if scope in action.scopes:
                found.setdefault(action.id, action)
    return list(found.values())


def live(scopes: Iterable[str], keymap: Mapping[str, str]) -> list[tuple[Action, Sequence[str]]]:
    """Actions with the keys that reach them: a key belongs to the nearest scope that takes it."""
    taken: set[str] = set()
    found: list[tuple[Action, Sequence[str]]] = []
    for scope in dict.fromkeys(scopes):
        here: set[str] = set()
        for action in ACTIONS:
            if scope not in action.scopes or any(action is known for known, _ in found):
                continue
            keys = [key for key in raw_keys(action, keymap) if key not in taken]
            here.update(keys)
            if keys:
                found.append((action, [key_name(key) for key in keys]))
        taken |= here
    return found


def raw_keys(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys that do it now, Textual's names."""
    keys = keymap.get(action.id, action.keys)
    return [key.strip() for key in keys.split(",") if key.strip()]


def for_keys(
    pressed: Iterable[str], scopes: Iterable[str], keymap: Mapping[str, str]
) -> Action | None:
    """The action of a key, which may have several names, in the nearest scope that takes it."""
    names = set(pressed)
    for scope in dict.fromkeys(scopes):
        for action in ACTIONS:
            if scope in action.scopes and names & set(raw_keys(action, keymap)):
                return action
    return None


_KEY_NAMES = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "escape": "esc",
    "delete": "del",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "ctrl+@": "^space",
    "ctrl+backslash": "^\\",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "shift+tab": "⇧tab",
}


def key_name(key: str) -> str:
    """A key as a person reads it."""
    named = _KEY_NAMES.get(key)
    return named or (f"^{key[5:]}" if key.startswith("ctrl+") else key)


def keys_of(action: Action, keymap: Mapping[str, str]) -> Sequence[str]:
    """The keys that do it now, as a person reads them."""
    return [key_name(key) for key in raw_keys(action, keymap)]
