"""Seccomp policies: OCI's `linux.seccomp` compiled to the kernel's filter program.

Decides as libseccomp does for the same policy, with a binary search in place of its list. No
library is needed in the container's way to exec, and the same policy is compiled once.
"""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import bpf
from engine.runtime.seccomp_default import default_profile
from engine.runtime.syscall_numbers import MULTIPLEXED, NUMBERS, X32_BIT

__all__ = ["compile", "default_profile", "filter_flags"]

_EPERM, _ENOSYS = 1, 38
_KILL = 0x00000000
_ACTIONS = {
    "SCMP_ACT_KILL": _KILL,
    "SCMP_ACT_KILL_THREAD": _KILL,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_ERRNO = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
_PERMISSIVE = {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"}
_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
_OPS = {f"SCMP_CMP_{op}": op for op in ("EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ")}


class _Architecture(NamedTuple):
    oci: str
    table: str
    audit: int  # AUDIT_ARCH_* of linux/audit.h
    wide: bool


_ARCHITECTURES = (
    _Architecture("SCMP_ARCH_X86_64", "x86_64", 0xC000003E, wide=True),
    _Architecture("SCMP_ARCH_X86", "i386", 0x40000003, wide=False),
    _Architecture("SCMP_ARCH_X32", "x32", 0xC000003E, wide=False),
    _Architecture("SCMP_ARCH_AARCH64", "aarch64", 0xC00000B7, wide=True),
)
_NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_CACHE_SIZE = 64
_cache: dict[tuple[str, str, bool], bytes] = {}


def compile(
    policy: Mapping[str, Any], arch: str | None = None, *, enosys_for_newer: bool = True
) -> bytes:
    """The filter program for `linux.seccomp`, 8 bytes an instruction; at most 4096 of them.

    `arch` is as `uname -m` says, by default this machine's. The native architecture is always
    among those let through; a call by any other kills the thread, as with libseccomp. Names that
    no architecture has are left out. `enosys_for_newer`: a call newer than every one the policy
    names answers ENOSYS instead of an errno default, as runc does, so that programs fall back to
    older calls.

    Raises:
        InvalidArgument: an action, operator, argument or architecture nobody knows, or too many
            rules for the kernel.
        Unsupported: SCMP_ACT_NOTIFY, which needs a listener.
    """
    arch = arch or platform.machine()
    key = (json.dumps(policy, sort_keys=True), arch, enosys_for_newer)
    if key not in _cache:
        program = _Compiler(policy, arch, enosys_for_newer).program()
        while len(_cache) >= _CACHE_SIZE:
            del _cache[next(iter(_cache))]
        _cache[key] = program
    return _cache[key]


def filter_flags(policy: Mapping[str, Any]) -> int:
    """The flags of seccomp(2) that the policy asks for; raises InvalidArgument for unknown ones."""
    flags = 0
    for name in policy.get("flags") or ():
        if name not in _FLAGS:
            raise InvalidArgument(f"linux.seccomp.flags: unknown flag {name!r}")
        flags |= _FLAGS[name]
    return flags


class _Compiler:
    """One policy on its way to a program."""

    def __init__(self, policy: Mapping[str, Any], arch: str, enosys_for_newer: bool) -> None:
        name = policy.get("defaultAction", "")
        self._default = _action(name, policy.get("defaultErrnoRet"), "defaultAction")
        self._listed = _architectures(policy.get("architectures") or (), arch)
        self._entries = [_Entry.parse(e, i) for i, e in enumerate(policy.get("syscalls") or ())]
        self._newer = enosys_for_newer and name not in _PERMISSIVE

    def program(self) -> bytes:
        audits = dict.fromkeys(arch.audit for arch in self._listed)
        sections = [bpf.Section(audit, tuple(self._starts(audit))) for audit in audits]
        try:
            return bpf.assemble(sections, _KILL)
        except ValueError as error:
            raise InvalidArgument(f"linux.seccomp: too long a policy: {error}") from error

    def _starts(self, audit: int) -> list[tuple[int, bpf.Decision]]:
        """Intervals of equal decision over all the numbers of one AUDIT_ARCH."""
        fallback = bpf.Decision(self._default)
        points: dict[int, bpf.Decision] = {}
        gaps: list[tuple[int, bpf.Decision]] = [(0, fallback)]
        tables = {arch.table for arch in self._listed if arch.audit == audit}
        for arch in (a for a in self._listed if a.audit == audit):
            decided = self._decisions(arch)
            points |= decided
            gaps += self._beyond(arch, decided)
        if tables == {"x86_64"}:
            # Calls by the x32 ABI come under x86_64's AUDIT_ARCH with bit 30 set.
            gaps.append((X32_BIT, bpf.Decision(_KILL)))
        # -1 is how a tracer skips a call (seccomp(2)); it is no newer call and no foreign one.
        gaps.append((0xFFFFFFFF, fallback))
        return _merge(points, sorted(gaps, key=lambda gap: gap[0]))

    def _decisions(self, arch: _Architecture) -> dict[int, bpf.Decision]:
        rules: dict[int, list[bpf.Rule]] = {}
        for entry in self._entries:
            for name in entry.names:
                for number, test in _numbers(arch.table, name):
                    rules.setdefault(number, []).extend(entry.rules(test))
        return {number: self._decide(found, arch) for number, found in rules.items()}

    def _decide(self, rules: list[bpf.Rule], arch: _Architecture) -> bpf.Decision:
        """A rule without conditions wins over those with, wherever it stands, as in libseccomp."""
        for rule in rules:
            if not rule.tests:
                return bpf.Decision(rule.action)
        kept = tuple(dict.fromkeys(rule for rule in rules if rule.action != self._default))
        return bpf.Decision(self._default, kept, arch.wide or not kept)

    def _beyond(
        self, arch: _Architecture, decided: Mapping[int, bpf.Decision]
    ) -> list[tuple[int, bpf.Decision]]:
        """From where on calls are newer than the policy; the x32 block ends nowhere."""
        base = X32_BIT if arch.table == "x32" else 0
        gaps = [(base, bpf.Decision(self._default))] if base else []
        if self._newer and decided:
            enosys = bpf.Decision(_ACTIONS["SCMP_ACT_ERRNO"] | _ENOSYS)
            gaps.append((max(decided) + 1, enosys))
        return gaps


class _Entry(NamedTuple):
    """One element of `linux.seccomp.syscalls`."""

    names: tuple[str, ...]
    action: int
    alternatives: tuple[tuple[bpf.Test, ...], ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any], position: int) -> "_Entry":
        where = f"syscalls[{position}]"
        names = tuple(document.get("names") or ())
        if not names:
            raise InvalidArgument(f"linux.seccomp.{where}.names: must not be empty")
        action = _action(document.get("action", ""), document.get("errnoRet"), f"{where}.action")
        tests = [_test(test, where) for test in document.get("args") or ()]
        return cls(names, action, _alternatives(tests))

    def rules(self, code: bpf.Test | None) -> list[bpf.Rule]:
        """The rules for one number; `code` replaces what is asked of the first argument."""
        if code is None:
            return [bpf.Rule(tests, self.action) for tests in self.alternatives]
        kept = [tuple(t for t in tests if t.argument) for tests in self.alternatives]
        return [bpf.Rule((code, *tests), self.action) for tests in kept]


def _alternatives(tests: Sequence[bpf.Test]) -> tuple[tuple[bpf.Test, ...], ...]:
    """All the tests together; or, with two on one argument, each by itself, as runc reads it."""
    if len({test.argument for test in tests}) < len(tests):
        return tuple((test,) for test in tests)
    return (tuple(sorted(tests)),)


def _test(document: Mapping[str, Any], where: str) -> bpf.Test:
    index, op = document.get("index", 0), document.get("op", "")
    if op not in _OPS:
        raise InvalidArgument(f"linux.seccomp.{where}.args: unknown operator {op!r}")
    if not 0 <= index <= 5:
        raise InvalidArgument(f"linux.seccomp.{where}.args: no argument {index}, they are 0 to 5")
    value, second = (document.get(k) or 0 for k in ("value", "valueTwo"))
    if not (0 <= value < 1 << 64 and 0 <= second < 1 << 64):
        raise InvalidArgument(f"linux.seccomp.{where}.args: a value is not of 64 bits")
    if _OPS[op] == bpf.MASKED_EQ:
        return bpf.Test(index, bpf.MASKED_EQ, second, mask=value)
    return bpf.Test(index, _OPS[op], value)


def _action(name: str, errno: int | None, where: str) -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise Unsupported(f"linux.seccomp.{where}: SCMP_ACT_NOTIFY is not available")
    if name not in _ACTIONS:
        raise InvalidArgument(f"linux.seccomp.{where}: unknown action {name!r}")
    if name not in _WITH_ERRNO:
        return _ACTIONS[name]
    number = _EPERM if errno is None else errno
    if not 0 <= number <= 0xFFFF:
        raise InvalidArgument(f"linux.seccomp.{where}: errno {number} is not of 16 bits")
    return _ACTIONS[name] | number


def _architectures(names: Iterable[str], native: str) -> list[_Architecture]:
    """Those the policy lists and this generator has numbers for, the native one first."""
    if native not in _NATIVE:
        raise Unsupported(f"no seccomp numbers for machine {native!r}")
    wanted = {_NATIVE[native], *names}
    unknown = [name for name in wanted if not name.startswith("SCMP_ARCH_")]
    if unknown:
        raise InvalidArgument(f"linux.seccomp.architectures: unknown {unknown[0]!r}")
    found = [arch for arch in _ARCHITECTURES if arch.oci in wanted]
    return sorted(found, key=lambda arch: arch.oci != _NATIVE[native])


def _numbers(table: str, name: str) -> list[tuple[int, bpf.Test | None]]:
    """Where a name is reached: its number, and on i386 also an operation of socketcall or ipc."""
    numbers = NUMBERS[table]
    found: list[tuple[int, bpf.Test | None]] = []
    if name in numbers:
        found.append((numbers[name], None))
    if table == "i386" and name in MULTIPLEXED:
        through, code = MULTIPLEXED[name]
        found.append((numbers[through], bpf.Test(0, bpf.EQ, code)))
    return found


def _merge(
    points: Mapping[int, bpf.Decision], gaps: Sequence[tuple[int, bpf.Decision]]
) -> list[tuple[int, bpf.Decision]]:
    """Single numbers laid over the background, neighbours with one decision joined."""
    edges = sorted({0, *points, *(p + 1 for p in points if p < 0xFFFFFFFF), *(g for g, _ in gaps)})
    starts: list[tuple[int, bpf.Decision]] = []
    position, background = 0, gaps[0][1]
    for edge in edges:
        while position < len(gaps) and gaps[position][0] <= edge:
            background = gaps[position][1]
            position += 1
        decision = points.get(edge, background)
        if not starts or starts[-1][1] != decision:
            starts.append((edge, decision))
    return starts
