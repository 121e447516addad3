"""The kernel's classic BPF machine, as far as seccomp filters use it, to ask a filter what it says.

Stops at anything seccomp(2) would refuse to load.
"""

import functools
import struct

_WORD = 0xFFFFFFFF


def decide(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run the filter on one call and return its answer."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number & _WORD, arch, 0, *padded)
    code = _instructions(program)
    accumulator = place = 0
    while True:
        op, yes, no, value = code[place]
        place += 1
        if op == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif op == 0x54:
            accumulator &= value
        elif op == 0x05:
            place += value
        elif op == 0x06:
            return int(value)
        else:
            place += yes if _HOLDS[op](accumulator, value) else no


@functools.lru_cache(maxsize=8)
def _instructions(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", program))


_HOLDS = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}
