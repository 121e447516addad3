"""What the zygote does to its own heap before the first fork, so that little of it is copied."""

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.runtime.cgroups import Layout
from engine.runtime.zygote import packing, rehearsal

ROUNDS = 12
"""The interpreter specialises a function after eight calls, its instructions after some more."""

# Of CPython's small-object allocator (Objects/obmalloc.c): size classes, pools, a pool's header.
_SMALLEST, _LARGEST, _STEP = 48, 512, 16
_POOL, _POOL_HEADER = 16 * 1024, 48
_BYTES_OVERHEAD = 33
_MOST = 2000  # of a size; elsewhere than in CPython 3.11 to 3.13 there may be no such place


def warm_up(layout: Layout) -> list[Any]:
    """Put the code that monitors run together, and run it. What is returned is to be kept."""
    filling = fill_holes()
    codes = packing.observe(lambda: rehearsal.play(layout, 1))
    kept = packing.pack(codes)
    rehearsal.play(layout, ROUNDS)
    return [filling, kept]


def fill_holes() -> list[Any]:
    """Objects in every gap that start-up has left between others, to be kept for ever.

    What a monitor allocates then lies close together in pages of its own, instead of in as many
    shared pages as there are gaps, of each of which it would get a copy.
    """
    filling: list[Any] = []
    _fill(filling, lambda: float(len(filling)))  # the one size that no bytes have
    for size in range(_SMALLEST, _LARGEST + 1, _STEP):
        _fill(filling, partial(bytes, size - _BYTES_OVERHEAD))
    return filling


def _fill(filling: list[Any], make: Callable[[], Any]) -> None:
    for _ in range(_MOST):
        filling.append(make())
        if id(filling[-1]) % _POOL == _POOL_HEADER:
            break  # the first piece of a new pool: the others are full
