"""The code that monitors run, put side by side.

Calling a function writes into the page of its code (a reference count, the counters of the
specialising interpreter). As imported, code that runs lies between code that does not, and a
monitor copies a page for almost each function. Copies made one after the other share pages.
"""

import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any

_MODULES = {"engine.runtime.zygote.server", "engine.runtime.monitor.main"}
_HEAP = "[heap]"
_LARGEST, _SMALLEST, _STEP = 8192, 480, 16
_MOST = 500


def observe(run: Callable[[], None]) -> set[CodeType]:
    """The code of every Python function that `run` calls."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return seen


def pack(codes: set[CodeType]) -> list[Any]:
    """Give every function with one of `codes` a copy; keep what is returned, so that none moves."""
    functions = [each for each in gc.get_objects() if type(each) is FunctionType]
    hot = [each for each in functions if each.__code__ in codes or each.__module__ in _MODULES]
    kept: list[Any] = [fill_heap()]
    for function in hot:
        kept.append(function.__code__)
        function.__code__ = function.__code__.replace()
    return kept


def fill_heap() -> list[bytes]:
    """Objects in the gaps between those that malloc(3) has handed out, the largest first."""
    end = _heap_end()
    filling: list[bytes] = []
    for size in range(_LARGEST, _SMALLEST, -_STEP):
        for _ in range(_MOST):
            filling.append(bytes(size))
            if id(filling[-1]) >= end:
                filling.pop()
                break
    return filling


def _heap_end() -> int:
    with open("/proc/self/maps", encoding="utf-8") as file:
        ends = [line.split()[0].split("-")[1] for line in file if line.rstrip().endswith(_HEAP)]
    return max((int(end, 16) for end in ends), default=0)
