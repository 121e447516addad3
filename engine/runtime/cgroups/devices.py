"""Which device nodes may be used: a list on v1 (devices.rst), a BPF program on v2."""

import errno
import os
import struct
from collections.abc import Sequence

from engine.runtime import syscalls, userns
from engine.runtime.cgroups import files
from engine.runtime.cgroups.resources import DeviceRule, Resources

V1 = "devices"
V2 = "devices"

NO_DEVICES = (
    "Your kernel does not support the devices cgroup or it is not mounted. Device rules discarded."
)
# No bpf(2), no right to it (CAP_BPF or CAP_SYS_ADMIN), or no such kind of program.
_REFUSED = frozenset({errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL})


def discarded(wanted: Resources) -> list[str]:
    """Nothing is lost without root: only nodes that the user may open anyway can be had."""
    return [NO_DEVICES] if wanted.devices and not userns.rootless() else []


def apply_v1(directory: str, wanted: Resources) -> list[str]:
    """Write the rules in order: each one changes what the ones before it left."""
    for rule in wanted.devices:
        name = "devices.allow" if rule.allow else "devices.deny"
        if not files.write_if_there(f"{directory}/{name}", line(rule)):
            return [NO_DEVICES]
    return []


def line(rule: DeviceRule) -> str:
    """One rule as devices.allow takes it; a rule about everything is the single word `a`."""
    if rule.type == "a" and rule.major is None and rule.minor is None:
        return "a"
    major, minor = ("*" if n is None else str(n) for n in (rule.major, rule.minor))
    return f"{rule.type} {major}:{minor} {rule.access}"


def apply_v2(directory: str, wanted: Resources) -> list[str]:
    """Attach a program made of the rules; what was attached before goes on deciding beside it."""
    if not wanted.devices:
        return []
    try:
        program = syscalls.bpf_load_device_program(program_of(wanted.devices))
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return [NO_DEVICES]
    try:
        _attach(directory, program)
    finally:
        os.close(program)
    return []


def _attach(directory: str, program: int) -> None:
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.bpf_attach_device_program(group, program)
    finally:
        os.close(group)


def program_of(rules: Sequence[DeviceRule]) -> bytes:
    """eBPF for BPF_PROG_TYPE_CGROUP_DEVICE: the last rule that speaks of an access decides.

    A request for several accesses at once (open for reading and writing) is granted when each
    letter is, so a rule that allows is taken only if it covers all of them, and a rule that
    denies if it touches any. With no rule that fits, the answer is no.
    """
    code = _load_context()
    for rule in reversed(rules):
        code += _block(rule)
        if _fits_all(rule):
            return b"".join(code)  # the kernel refuses a program with code that is never reached
    return b"".join([*code, _move(_R0, 0), _EXIT])


def _fits_all(rule: DeviceRule) -> bool:
    return rule.type not in _TYPES and set(rule.access) >= set(_LETTERS)


# linux/bpf.h and bpf_common.h: eBPF registers, then the opcodes used here.
_R0, _R1, _TYPE, _ACCESS, _MAJOR, _MINOR, _SCRATCH = 0, 1, 2, 3, 4, 5, 6
_LDX_W, _MOV_K, _MOV_X, _AND_K, _RSH_K = 0x61, 0xB4, 0xBC, 0x54, 0x74
_JNE_K, _JNE_X, _JEQ_K, _EXIT_OP = 0x56, 0x5E, 0x16, 0x95
_TYPES = {"b": 1, "c": 2}
_LETTERS = {"m": 1, "r": 2, "w": 4}


def _instruction(op: int, to: int = 0, source: int = 0, jump: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", op, to | source << 4, jump, value)


def _move(register: int, value: int) -> bytes:
    return _instruction(_MOV_K, register, value=value)


_EXIT = _instruction(_EXIT_OP)


def _load_context() -> list[bytes]:
    """struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor; 32 bits each."""
    return [
        _instruction(_LDX_W, _TYPE, _R1, 0),
        _instruction(_MOV_X, _ACCESS, _TYPE),
        _instruction(_AND_K, _TYPE, value=0xFFFF),
        _instruction(_RSH_K, _ACCESS, value=16),
        _instruction(_LDX_W, _MAJOR, _R1, 4),
        _instruction(_LDX_W, _MINOR, _R1, 8),
    ]


def _block(rule: DeviceRule) -> list[bytes]:
    """Answer here if the request fits the rule, or fall through; jumps are patched at the end."""
    tests: list[tuple[int, int, int, int]] = []
    body: list[bytes | None] = []

    def unless(op: int, register: int, source: int = 0, value: int = 0) -> None:
        tests.append((len(body), op, register | source << 4, value))
        body.append(None)

    if rule.type in _TYPES:
        unless(_JNE_K, _TYPE, value=_TYPES[rule.type])
    mask = sum(_LETTERS[letter] for letter in set(rule.access) if letter in _LETTERS)
    if mask != 7:
        body += [
            _instruction(_MOV_X, _SCRATCH, _ACCESS),
            _instruction(_AND_K, _SCRATCH, value=mask),
        ]
        if rule.allow:
            unless(_JNE_X, _SCRATCH, source=_ACCESS)
        else:
            unless(_JEQ_K, _SCRATCH, value=0)
    for register, number in ((_MAJOR, rule.major), (_MINOR, rule.minor)):
        if number is not None and rule.type in _TYPES:
            unless(_JNE_K, register, value=number)
    body += [_move(_R0, int(rule.allow)), _EXIT]
    for place, op, registers, value in tests:
        body[place] = struct.pack("<BBhi", op, registers, len(body) - place - 1, value)
    return [part for part in body if part is not None]
