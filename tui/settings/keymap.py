"""A person's own keys: ``$XDG_CONFIG_HOME/berth/keys.toml`` over the defaults of the actions.

The file is a flat table of action ids, each with a key, a list of keys, or ``false`` for none::

    "container.remove" = ["delete", "x"]
    "app.quit" = "ctrl+q"

Keys have Textual's names; a single character stands for itself. Whatever is wrong in the file
is told and left out: it never keeps berth from starting.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Protocol

FILE_NAME = "keys.toml"
_NAMES = {
    "/": "slash",
    "?": "question_mark",
    ":": "colon",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    " ": "space",
    "-": "minus",
    "+": "plus",
    ".": "full_stop",
    ",": "comma",
    "!": "exclamation_mark",
    "*": "asterisk",
    "#": "number_sign",
    "esc": "escape",
    "del": "delete",
    "return": "enter",
    "pgup": "pageup",
    "pgdn": "pagedown",
}
RESERVED = {"ctrl+c": "it always cancels, then quits", "ctrl+z": "it belongs to the shell"}


class Rebindable(Protocol):
    """What an action must tell to be rebound."""

    @property
    def id(self) -> str: ...
    @property
    def keys(self) -> str:
        """Comma separated defaults."""
        ...

    @property
    def scopes(self) -> Sequence[str]:
        """Where they work; two actions with a scope in common must not share a key."""
        ...


@dataclass(frozen=True, slots=True)
class Keymap:
    """``overrides`` maps action id to comma separated keys, as Textual's ``set_keymap`` takes it.

    ``problems`` are lines to show once at start.
    """

    overrides: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def config_dir(environ: Mapping[str, str]) -> Path:
    """Where a person's settings are."""
    given = environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else Path(environ.get("HOME") or "/") / ".config"
    return base / "berth"


def load(environ: Mapping[str, str], actions: Iterable[Rebindable]) -> Keymap:
    """Reads the file, if there is one, and checks it against the actions."""
    path = config_dir(environ) / FILE_NAME
    known = {action.id: action for action in actions}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Keymap()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Keymap({}, (f"{path}: cannot be read, defaults are used: {error}",))
    overrides, problems = _checked(table, known)
    clashes, overrides = _without_clashes(overrides, known)
    return Keymap(overrides, tuple(f"{path}: {text}" for text in (*problems, *clashes)))


def _checked(
    table: Mapping[str, object], known: Mapping[str, Rebindable]
) -> tuple[dict[str, str], list[str]]:
    overrides: dict[str, str] = {}
    problems: list[str] = []
    for name, value in _flat(table):
        try:
            if name not in known:
                raise ValueError(f"no action is called {name!r}")
            overrides[name] = ",".join(_keys(value))
        except ValueError as error:
            problems.append(str(error))
    return overrides, problems


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """``[container]`` with ``remove = …`` is the same as ``"container.remove" = …``."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _keys(value: object) -> list[str]:
    if value is False:
        return []
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(key, str) and key for key in given):
        raise ValueError(f"not a key, a list of keys or false: {value!r}")
    return [normal(key) for key in given]


def normal(key: str) -> str:
    """A key as Textual names it: ``ctrl-x`` and ``C-x`` are ``ctrl+x``, ``/`` is ``slash``.

    Raises:
        ValueError: for keys that cannot be given away.
    """
    word = key if len(key) == 1 else key.strip()
    for short, long in (("ctrl-", "ctrl+"), ("C-", "ctrl+"), ("shift-", "shift+"), ("^", "ctrl+")):
        if len(word) > len(short) and word.startswith(short):
            word = long + word.removeprefix(short)
    *modifiers, last = word.split("+") if len(word) > 1 else [word]
    named = "+".join([*modifiers, _NAMES.get(last, last)])
    if named in RESERVED:
        raise ValueError(f"{named} cannot be bound: {RESERVED[named]}")
    return named


def _without_clashes(
    overrides: dict[str, str], known: Mapping[str, Rebindable]
) -> tuple[list[str], dict[str, str]]:
    """Clashes that a person's own keys make, and the overrides that make none."""
    found: list[str] = []
    kept = dict(overrides)
    for one, two in combinations(known.values(), 2):
        if one.id not in kept and two.id not in kept:
            continue
        shared = _of(one, kept) & _of(two, kept)
        if shared and set(one.scopes) & set(two.scopes):
            loser = two.id if two.id in kept else one.id
            kept.pop(loser)
            found.append(
                f"{', '.join(sorted(shared))} would do both {one.id} and {two.id}: "
                f"{loser} keeps its default"
            )
    return found, kept


def _of(action: Rebindable, overrides: Mapping[str, str]) -> set[str]:
    keys = overrides.get(action.id, action.keys)
    return {key.strip() for key in keys.split(",") if key.strip()}
