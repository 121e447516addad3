"""Seccomp policies: OCI's `linux.seccomp` compiled to the kernel's filter program.

Decides as libseccomp does for the same policy, with a binary search in place of its list. No
library is needed in the container's way to exec, and the same policy is compiled once.
"""

import marshal
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import bpf
from engine.runtime.fields import Fields
from engine.runtime.seccomp_default import default_profile
from engine.runtime.syscall_numbers import MULTIPLEXED, NUMBERS, X32_BIT

__all__ = ["compile", "default_profile", "filter_flags", "notifies"]

_EPERM, _ENOSYS = 1, 38
_KILL = 0x00000000
_NOTIFY = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
_ACTIONS = {
    "SCMP_ACT_KILL": _KILL,
    "SCMP_ACT_KILL_THREAD": _KILL,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": _NOTIFY,
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
_TSYNC, _NEW_LISTENER, _TSYNC_ESRCH, _WAIT_KILLABLE = 1, 8, 16, 32
_ROOT = "linux.seccomp"
_LONGEST_ERRNO = 0xFFFF
# What init itself still needs between loading the policy and handing its descriptor over.
_NEVER_NOTIFIED = "write"
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
_FOREIGN = (
    *("ARM", "LOONGARCH64", "M68K", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64"),
    *("MIPSEL64N32", "PARISC", "PARISC64", "PPC", "PPC64", "PPC64LE", "RISCV64", "S390"),
    *("S390X", "SH", "SHEB"),
)
_KNOWN = {*(a.oci for a in _ARCHITECTURES), *(f"SCMP_ARCH_{name}" for name in _FOREIGN)}
_NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_CACHE_SIZE = 64
_cache: dict[tuple[bytes, str, bool], bytes] = {}


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
        InvalidArgument: naming the field: what nobody knows, or too many rules for the kernel.
        Unsupported: a machine whose system calls have no numbers here.
    """
    arch = arch or platform.machine()
    key = (marshal.dumps(dict(policy), 2), arch, enosys_for_newer)  # 2: equal values, equal bytes
    if key not in _cache:
        program = _Compiler(policy, arch, enosys_for_newer).program()
        while len(_cache) >= _CACHE_SIZE:
            del _cache[next(iter(_cache))]
        _cache[key] = program
    return _cache[key]


def filter_flags(policy: Mapping[str, Any]) -> int:
    """The flags of seccomp(2) that the policy needs; raises InvalidArgument for unknown ones."""
    flags = 0
    for index, name in enumerate(Fields(policy, _ROOT).texts("flags")):
        if name not in _FLAGS:
            raise InvalidArgument(f"{_ROOT}.flags[{index}]: unknown flag {name!r}")
        flags |= _FLAGS[name]
    if not notifies(policy):
        return flags & ~_WAIT_KILLABLE  # the kernel takes it only with a listener
    together = _TSYNC_ESRCH if flags & _TSYNC else 0
    return flags | _NEW_LISTENER | together


def notifies(policy: Mapping[str, Any]) -> bool:
    """Whether some call is left to a listener."""
    rules = policy.get("syscalls") or ()
    return any(rule.get("action") == "SCMP_ACT_NOTIFY" for rule in rules)


class _Compiler:
    """One policy on its way to a program."""

    def __init__(self, policy: Mapping[str, Any], arch: str, enosys_for_newer: bool) -> None:
        fields = Fields(policy, _ROOT)
        name = fields.text("defaultAction")
        self._default = _action(fields, "defaultAction", "defaultErrnoRet")
        self._listed = _architectures(fields, arch)
        self._entries = [_Entry.parse(each) for each in fields.objects("syscalls")]
        _check_listener(fields, self._default)
        self._newer = enosys_for_newer and name not in _PERMISSIVE

    def program(self) -> bytes:
        audits = dict.fromkeys(arch.audit for arch in self._listed)
        sections = [bpf.Section(audit, tuple(self._starts(audit))) for audit in audits]
        try:
            return bpf.assemble(sections, _KILL)
        except ValueError as error:
            raise InvalidArgument(f"{_ROOT}.syscalls: too long a policy: {error}") from error

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
    def parse(cls, fields: Fields) -> "_Entry":
        names = tuple(fields.texts("names"))
        if not names:
            raise InvalidArgument(f"{fields.path}.names: must not be empty")
        action = _action(fields, "action", "errnoRet")
        if action == _NOTIFY and _NEVER_NOTIFIED in names:
            text = f"{_NEVER_NOTIFIED!r} cannot be left to a listener, whom it takes to be told"
            raise InvalidArgument(f"{fields.path}.names: {text}")
        tests = [_test(test) for test in fields.objects("args")]
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


def _test(fields: Fields) -> bpf.Test:
    index, op = fields.needed("index", 0, 5), fields.choice("op", _OPS)
    value = fields.needed("value", 0, 2**64 - 1)
    second = fields.number("valueTwo", 0, 0, 2**64 - 1)
    if op == bpf.MASKED_EQ:
        return bpf.Test(index, bpf.MASKED_EQ, second, mask=value)
    return bpf.Test(index, op, value)


def _action(fields: Fields, key: str, errno: str) -> int:
    action = fields.choice(key, _ACTIONS)
    if fields.text(key) in _WITH_ERRNO:
        return action | fields.number(errno, _EPERM, 0, _LONGEST_ERRNO)
    if fields.value.get(errno) is not None:
        raise InvalidArgument(f"{fields.at(errno)}: {fields.text(key)} returns no errno")
    return action


def _check_listener(fields: Fields, default: int) -> None:
    """config-linux.md, "Seccomp"; as under runc, not every call can wait for a listener."""
    if default == _NOTIFY:
        raise InvalidArgument(f"{_ROOT}.defaultAction: must not be SCMP_ACT_NOTIFY")
    if fields.text("listenerPath") or notifies(fields.value):
        fields.absolute("listenerPath")
    elif fields.text("listenerMetadata"):
        raise InvalidArgument(f"{_ROOT}.listenerMetadata: needs a listenerPath")


def _architectures(fields: Fields, native: str) -> list[_Architecture]:
    """Those the policy lists and this generator has numbers for, the native one first."""
    if native not in _NATIVE:
        raise Unsupported(f"{_ROOT}: no system call numbers for machine {native!r}")
    names = fields.texts("architectures")
    for index, name in enumerate(names):
        if name not in _KNOWN:
            raise InvalidArgument(f"{_ROOT}.architectures[{index}]: unknown {name!r}")
    wanted = {_NATIVE[native], *names}
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


def supported() -> dict[str, list[str]]:
    """What a policy may say, by the names that OCI's features document has for it."""
    return {
        "actions": sorted(_ACTIONS),
        "operators": sorted(_OPS),
        "archs": sorted(arch.oci for arch in _ARCHITECTURES),
        "knownFlags": sorted(_FLAGS),
        "supportedFlags": sorted(_FLAGS),
    }
