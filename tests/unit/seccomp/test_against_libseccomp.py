"""The same policy, compiled by libseccomp and by us, must answer every call alike."""

import ctypes
import random
from collections.abc import Iterator
from typing import Any

import pytest

from engine.runtime import seccomp
from engine.runtime.syscall_numbers import NUMBERS, X32_BIT
from tests.unit.seccomp import libseccomp
from tests.unit.seccomp.machine import decide

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X86_ARCHES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
NEW_SINCE_LIBSECCOMP_2_5 = 460
CAPABILITIES = [
    (),
    ("CAP_SYS_ADMIN",),
    ("CAP_SYS_PTRACE", "CAP_BPF"),
    ("CAP_SYS_CHROOT", "CAP_SYS_TIME", "CAP_SYS_NICE", "CAP_SYSLOG"),
]
INTERESTING = [
    0,
    1,
    2,
    8,
    16,
    39,
    40,
    41,
    0x20000,
    0x20008,
    0x10000000,
    0x7E020000,
    0x40000000,
    0xFFFFFFFF,
    0x100000000,
    0x100000008,
    0x2800000028,
    0xFFFFFFFF00000000,
    0xFFFFFFFFFFFFFFFF,
]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return libseccomp.load()


def known_to(library: ctypes.CDLL, policy: dict[str, Any]) -> dict[str, Any]:
    """The policy less the names the installed libseccomp is too old to know."""
    entries = [
        entry | {"names": [n for n in entry["names"] if _known(library, n)]}
        for entry in policy["syscalls"]
    ]
    return policy | {"syscalls": [entry for entry in entries if entry["names"]]}


def _known(library: ctypes.CDLL, name: str) -> bool:
    return any(
        libseccomp.resolve(library, arch, name) != -1 for arch in (*X86_ARCHES, "SCMP_ARCH_AARCH64")
    )


def calls(
    arches: tuple[int, ...], dice: random.Random
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Every number there is and its neighbours, with arguments policies look at."""
    for arch in (*arches, ARM):
        numbers = [*range(NEW_SINCE_LIBSECCOMP_2_5 + 30), 0xFFFFFFFF, 0x7FFFFFFF]
        if arch == X86_64:
            numbers += [X32_BIT + n for n in range(600)] + [X32_BIT - 1]
        for number in numbers:
            for _ in range(4):
                yield arch, number, tuple(dice.choices(INTERESTING, k=6))
            yield arch, number, (number % 25, *dice.choices(INTERESTING, k=5))


def assert_same(theirs: bytes, ours: bytes, arches: tuple[int, ...], dice: random.Random) -> None:
    for arch, number, arguments in calls(arches, dice):
        expected = decide(theirs, arch, number, arguments)
        got = decide(ours, arch, number, arguments)
        assert got == expected, f"{arch:#x} call {number} {arguments}: {got:#x} not {expected:#x}"


@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=lambda c: "+".join(c) or "none")
def test_default_policy_on_x86(library: ctypes.CDLL, capabilities: tuple[str, ...]) -> None:
    policy = known_to(library, seccomp.default_profile(capabilities, "x86_64"))
    ours = seccomp.compile(policy, "x86_64", enosys_for_newer=False)
    theirs = libseccomp.compile(library, policy, "SCMP_ARCH_X86_64")
    assert_same(theirs, ours, (X86_64, I386), random.Random(1))


def test_default_policy_on_aarch64(library: ctypes.CDLL) -> None:
    policy = known_to(library, seccomp.default_profile((), "aarch64"))
    ours = seccomp.compile(policy, "aarch64", enosys_for_newer=False)
    theirs = libseccomp.compile(library, policy, "SCMP_ARCH_AARCH64")
    assert_same(theirs, ours, (AARCH64,), random.Random(2))


@pytest.mark.parametrize("arches", [[], ["SCMP_ARCH_X86"], ["SCMP_ARCH_X32"], X86_ARCHES])
def test_architectures_let_in(library: ctypes.CDLL, arches: list[str]) -> None:
    policy = known_to(library, seccomp.default_profile((), "x86_64")) | {"architectures": arches}
    ours = seccomp.compile(policy, "x86_64", enosys_for_newer=False)
    theirs = libseccomp.compile(library, policy, "SCMP_ARCH_X86_64")
    assert_same(theirs, ours, (X86_64, I386), random.Random(3))


def random_policy(dice: random.Random, arches: list[str]) -> dict[str, Any]:
    """One action beside the default, as real policies have it, with every operator.

    One entry a name: of two entries with ranges on one argument libseccomp can lose one.
    """
    names = dice.sample(sorted(NUMBERS["x86_64"] | NUMBERS["i386"]), 40)
    default, other = dice.sample(
        ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS"], 2
    )
    entries = [
        {
            "names": [name],
            "action": other,
            **({"errnoRet": 13} if other == "SCMP_ACT_ERRNO" else {}),
            "args": [random_test(dice, i) for i in range(6) if dice.random() < 0.3],
        }
        for name in names
    ]
    return {"defaultAction": default, "architectures": arches, "syscalls": entries}


def random_test(dice: random.Random, index: int) -> dict[str, Any]:
    op = dice.choice(["EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ"])
    value, second = dice.choices(INTERESTING, k=2)
    return {"index": index, "value": value, "valueTwo": value & second, "op": f"SCMP_CMP_{op}"}


@pytest.mark.parametrize("seed", range(12))
def test_random_policies(library: ctypes.CDLL, seed: int) -> None:
    dice = random.Random(seed)
    policy = known_to(library, random_policy(dice, ["SCMP_ARCH_X86_64"]))
    ours = seccomp.compile(policy, "x86_64", enosys_for_newer=False)
    theirs = libseccomp.compile(library, policy, "SCMP_ARCH_X86_64")
    assert_same(theirs, ours, (X86_64,), dice)


@pytest.mark.parametrize("machine", ["x86_64", "i386", "x32", "aarch64"])
def test_numbers(library: ctypes.CDLL, machine: str) -> None:
    arch = {
        "x86_64": "SCMP_ARCH_X86_64",
        "i386": "SCMP_ARCH_X86",
        "x32": "SCMP_ARCH_X32",
        "aarch64": "SCMP_ARCH_AARCH64",
    }[machine]
    numbers = {n: libseccomp.resolve(library, arch, n) for n in NUMBERS[machine]}
    # Negative: too new for it, or (i386) a name it reaches through socketcall or ipc as well.
    theirs = {name: number for name, number in numbers.items() if number >= 0}
    assert theirs == {name: NUMBERS[machine][name] for name in theirs}
    assert len(theirs) > 300
