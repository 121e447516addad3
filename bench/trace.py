"""When each step of one start was reached, in every process that has a part in it.

Nothing of the product knows of it: the functions that make up a start are wrapped, in the engine
here and in the zygote before it forks, so that they write the time into a file that all of them
have mapped. A wrapped function costs about a microsecond.
"""

import importlib
import mmap
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_SLOT = struct.Struct("q")


class Point(NamedTuple):
    """A moment: when `name` of `module` is called, or (`after`) when it has returned."""

    process: str
    label: str
    module: str
    name: str
    after: bool = True


_R = "engine.runtime."
ENGINE: tuple[Point, ...] = (
    Point("engine", "asked", _R + "launcher", "Launcher.create", after=False),
    Point("engine", "plan compiled", _R + "plan", "compile"),
    Point("engine", "bundle written", _R + "launcher", "_prepare"),
    Point("engine", "monitor asked for", _R + "forkserver", "ForkServer.fork"),
    Point("engine", "create sent", _R + "connection", "Streams.send"),
    Point("engine", "heard that it is ready", _R + "launcher", "Launcher._ask"),
    Point("engine", "created", _R + "launcher", "Launcher.create"),
    Point("engine", "start sent", _R + "handle", "Monitor.start", after=False),
    Point("engine", "started", _R + "handle", "Monitor.start"),
    Point("engine", "heard of the exit", _R + "handle", "Monitor._exited"),
)
_MAIN, _CONSTRUCT = _R + "monitor.main", _R + "monitor.construct"
_BUILDER, _STEPS = _R + "monitor.builder", _R + "init.steps"
_CONTAINER = _R + "monitor.container"
FORKED: tuple[Point, ...] = (
    Point("zygote", "connection handed over", _R + "zygote.server", "Zygote._hand_over"),
    Point("builder", "awake", _BUILDER, "_serve", after=False),
    Point("builder", "request read", _BUILDER, "_read_request"),
    Point("builder", "init has its plan", _R + "init.ahead", "assign"),
    Point("builder", "monitor.log open", _BUILDER, "_log_to"),
    Point("builder", "log open", _CONTAINER, "Container.__init__"),
    Point("builder", "cgroup begun", _CONSTRUCT, "_finish_ahead", after=False),
    Point("builder", "cgroup renamed", _R + "cgroups.manager", "Manager.rename"),
    Point("builder", "limits set", _R + "cgroups.manager", "Manager.apply"),
    Point("builder", "pipes made", _R + "monitor.stdio", "Stdio.make_pipes"),
    Point("builder", "streams given to init", _R + "init.spawn", "Child.attached"),
    Point("builder", "listening", _R + "monitor.server", "Server.listen"),
    Point("builder", "heard that it is ready", _R + "init.spawn", "Child.wait_ready"),
    Point("builder", "create answered", _BUILDER, "_create"),
    Point("init", "plan unpacked", _R + "init.ahead", "_leave", after=False),
    Point("init", "mount namespace made", _STEPS, "run", after=False),
    Point("builder", "start begun", _CONTAINER, "Container.start", after=False),
    Point("init", "program found", _R + "init.program", "refuse_own_binary"),
    Point("init", "execve called", _R + "init.program", "execute", after=False),
    Point("builder", "saw the exec", _R + "init.spawn", "Child.executed"),
    Point("builder", "start told", _CONTAINER, "Container.start"),
    Point("builder", "handed over", _BUILDER, "deliver"),
    Point("monitor", "awake", _MAIN, "live", after=False),
    Point("monitor", "container restored", _CONTAINER, "Container.restore"),
    Point("monitor", "saw the exit", _CONTAINER, "Container._ended", after=False),
    Point("monitor", "exit recorded", _CONTAINER, "Container._record"),
    Point("monitor", "exit told", _CONTAINER, "Container._tear_down", after=False),
)
STARTED = [point.label for point in ENGINE].index("started")
STEPS = "INIT_STEPS"
MOST_STEPS = 32


class Board:
    """The times, one slot a point, 0 where nothing was marked since `clear`."""

    def __init__(self, path: Path) -> None:
        size = _SLOT.size * (len(ENGINE) + len(FORKED) + MOST_STEPS)
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)

    def mark(self, slot: int) -> None:
        """Only the first call of a function counts."""
        at = slot * _SLOT.size
        if not _SLOT.unpack_from(self._memory, at)[0]:
            _SLOT.pack_into(self._memory, at, time.monotonic_ns())

    def clear(self) -> None:
        self._memory[:] = bytes(len(self._memory))

    def read(self) -> list[int]:
        return [value for (value,) in _SLOT.iter_unpack(self._memory)]


def install(board: Board, points: Sequence[Point], first: int) -> None:
    """Wrap the function of each point; its slot is `first` and the point's place."""
    for slot, point in enumerate(points, start=first):
        wrap(point, lambda slot=slot: board.mark(slot))


def wrap(point: Point, mark: Callable[[], None]) -> None:
    """Have `mark` called at this point, wherever the function was imported to."""
    place: Any = importlib.import_module(point.module)
    *classes, name = point.name.split(".")
    for each in classes:
        place = getattr(place, each)
    plain = getattr(place, name)
    if _is_coroutine(plain):
        made = _marked_coroutine(plain, mark, point.after)
    else:
        made = _marked(plain, mark, point.after)
    setattr(place, name, made)
    if not classes:
        _replace_imported(name, plain, made)


def _replace_imported(name: str, plain: Any, made: Any) -> None:
    for path, module in list(sys.modules.items()):
        if path.startswith("engine.runtime") and vars(module).get(name) is plain:
            setattr(module, name, made)


def _is_coroutine(function: Any) -> bool:
    return bool(function.__code__.co_flags & 0x80)  # inspect.CO_COROUTINE, without inspect


def _marked(plain: Any, mark: Callable[[], None], after: bool) -> Any:
    def before_it(*positional: Any, **named: Any) -> Any:
        mark()
        return plain(*positional, **named)

    def after_it(*positional: Any, **named: Any) -> Any:
        result = plain(*positional, **named)
        mark()
        return result

    return after_it if after else before_it


def _marked_coroutine(plain: Any, mark: Callable[[], None], after: bool) -> Any:
    async def marked(*positional: Any, **named: Any) -> Any:
        if not after:
            mark()
        result = await plain(*positional, **named)
        if after:
            mark()
        return result

    return marked


def install_steps(board: Board, first: int) -> None:
    """The steps of init are a table of functions."""
    steps = importlib.import_module(_STEPS)
    wrapped = tuple(
        (name, _marked(step, lambda slot=slot: board.mark(slot), True))
        for slot, (name, step) in enumerate(getattr(steps, STEPS), start=first)
    )
    setattr(steps, STEPS, wrapped)


def install_in_zygote(path: str) -> None:
    """Called in the zygote, before it plays its rehearsal."""
    board = Board(Path(path))
    for point in FORKED:
        importlib.import_module(point.module)
    install(board, FORKED, len(ENGINE))
    install_steps(board, len(ENGINE) + len(FORKED))


def names() -> list[tuple[str, str]]:
    """(process, label) of each slot that is in use."""
    steps = importlib.import_module(_STEPS)
    known = [(point.process, point.label) for point in (*ENGINE, *FORKED)]
    return known + [("init", name) for name, _ in getattr(steps, STEPS)]
