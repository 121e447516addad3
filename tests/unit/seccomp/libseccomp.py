"""libseccomp through ctypes, as the reference our compiler is held against. Tests only."""

import ctypes
import ctypes.util
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import pytest

_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
}
_ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_OPS = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}
_UNKNOWN = -1


class _Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def load() -> ctypes.CDLL:
    """The library, or skip the test."""
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("needs libseccomp.so.2: apt-get install libseccomp2")
    library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    for function in ("arch_add", "arch_remove"):
        getattr(library, f"seccomp_{function}").argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Compare),
    )
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
    return library


def resolve(library: ctypes.CDLL, architecture: str, name: str) -> int:
    """The library's number for a name; negative when it has none of its own."""
    token = _ARCHITECTURES[architecture]
    return int(library.seccomp_syscall_resolve_name_arch(token, name.encode()))


def compile(library: ctypes.CDLL, policy: Mapping[str, Any], native: str) -> bytes:
    """The library's program for an OCI policy, fed to it the way runc does."""
    default = _action(policy["defaultAction"], policy.get("defaultErrnoRet"))
    context = library.seccomp_init(default)
    _architectures(library, context, policy, native)
    for entry in policy["syscalls"]:
        action = _action(entry["action"], entry.get("errnoRet"))
        if action != default:
            for name in entry["names"]:
                _add(library, context, action, name, entry.get("args") or [])
    with tempfile.TemporaryFile() as out:
        assert library.seccomp_export_bpf(context, out.fileno()) == 0
        os.lseek(out.fileno(), 0, os.SEEK_SET)
        program = out.read()
    library.seccomp_release(context)
    return program


def _architectures(
    library: ctypes.CDLL, context: int, policy: Mapping[str, Any], native: str
) -> None:
    for name in {native, *policy.get("architectures", ())}:
        library.seccomp_arch_add(context, _ARCHITECTURES[name])
    if native != "SCMP_ARCH_X86_64":
        library.seccomp_arch_remove(context, _ARCHITECTURES["SCMP_ARCH_X86_64"])


def _action(name: str, errno: int | None) -> int:
    with_errno = name in {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
    return _ACTIONS[name] | ((1 if errno is None else errno) if with_errno else 0)


def _add(
    library: ctypes.CDLL, context: int, action: int, name: str, args: list[dict[str, Any]]
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == _UNKNOWN:
        return
    compares = [_compare(arg) for arg in args]
    together = len({arg["index"] for arg in args}) == len(args)
    for group in [compares] if together else [[compare] for compare in compares]:
        array = (_Compare * len(group))(*group)
        library.seccomp_rule_add_array(context, action, number, len(group), array)


def _compare(arg: Mapping[str, Any]) -> _Compare:
    op = arg["op"].removeprefix("SCMP_CMP_")
    return _Compare(arg["index"], _OPS[op], arg["value"], arg.get("valueTwo", 0))
