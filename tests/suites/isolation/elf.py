"""The smallest programs: a static ELF file of one segment, for what must run without a library."""

import os
import struct

_BASE = 0x400000
_HEADER, _SEGMENT = 64, 56
_MACHINES = {"x86_64": 62, "aarch64": 183}

# exit(geteuid())
GETEUID = {
    "x86_64": bytes.fromhex("b86b0000000f0589c7b83c0000000f05"),
    "aarch64": bytes.fromhex("e81580d2010000d4a80b80d2010000d4"),
}


def elf(code: bytes) -> bytes:
    """An executable of this machine that runs `code` (elf(5))."""
    size = _HEADER + _SEGMENT + len(code)
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack(
        "<HHIQQQIHHHHHH",
        *(2, _MACHINES[os.uname().machine], 1, _BASE + _HEADER + _SEGMENT, _HEADER, 0, 0),
        *(_HEADER, _SEGMENT, 1, 0, 0, 0),
    )
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000) + code
