"""What a policy means once compiled, asked of the program itself."""

import random
import struct
from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.runtime import seccomp
from engine.runtime.syscall_numbers import NUMBERS, X32_BIT
from tests.unit.seccomp.machine import decide

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0, 0x00050001, 0x00050026
ALL_ARCHES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]


def policy(*entries: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(entries), **rest}


def allow(*names: str, **rest: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **rest}


def number(name: str, table: str = "x86_64") -> int:
    return NUMBERS[table][name]


def test_what_is_not_named_gets_the_default() -> None:
    program = seccomp.compile(policy(allow("write"), defaultErrnoRet=13), "x86_64")
    assert decide(program, X86_64, number("write")) == ALLOW
    assert decide(program, X86_64, number("read")) == 0x0005000D


def test_the_default_errno_is_eperm() -> None:
    program = seccomp.compile(policy(allow("write")), "x86_64")
    assert decide(program, X86_64, number("read")) == EPERM


def test_a_call_newer_than_the_policy_does_not_exist() -> None:
    program = seccomp.compile(policy(allow("openat2")), "x86_64")
    assert decide(program, X86_64, number("openat2") - 1) == EPERM
    assert decide(program, X86_64, number("openat2") + 1) == ENOSYS


def test_a_policy_that_allows_by_default_has_no_newest_call() -> None:
    entry = {"names": ["mount"], "action": "SCMP_ACT_ERRNO"}
    program = seccomp.compile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]}, "x86_64")
    assert decide(program, X86_64, number("mount")) == EPERM
    assert decide(program, X86_64, number("mount") + 1) == ALLOW


def test_a_skipped_call_is_left_to_its_tracer() -> None:
    program = seccomp.compile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}, "x86_64")
    assert decide(program, X86_64, 0xFFFFFFFF) == ALLOW


def test_foreign_architectures_are_killed() -> None:
    program = seccomp.compile(policy(allow("read")), "x86_64")
    assert decide(program, I386, number("read", "i386")) == KILL
    assert decide(program, X86_64, X32_BIT | number("read")) == KILL


def test_listed_architectures_use_their_own_numbers() -> None:
    program = seccomp.compile(policy(allow("execve"), architectures=ALL_ARCHES), "x86_64")
    assert decide(program, X86_64, 59) == ALLOW
    assert decide(program, I386, 11) == ALLOW
    assert decide(program, X86_64, X32_BIT | 520) == ALLOW
    assert decide(program, X86_64, X32_BIT | 59) == EPERM


def test_i386_reaches_sockets_by_two_ways() -> None:
    program = seccomp.compile(policy(allow("socket"), architectures=ALL_ARCHES), "x86_64")
    assert decide(program, I386, number("socket", "i386")) == ALLOW
    assert decide(program, I386, number("socketcall", "i386"), (1,)) == ALLOW
    assert decide(program, I386, number("socketcall", "i386"), (2,)) == EPERM


@pytest.mark.parametrize(
    ("op", "inside", "outside"),
    [
        ("EQ", [0x100000002], [2, 0x200000002, 0x100000003]),
        ("NE", [2, 0x200000002], [0x100000002]),
        ("GT", [0x100000003, 0x200000000], [0x100000002, 0x100000001, 0xFFFFFFFF]),
        ("GE", [0x100000002, 0x200000000], [0x100000001, 0xFFFFFFFF]),
        ("LT", [0x100000001, 0xFFFFFFFF], [0x100000002, 0x200000000]),
        ("LE", [0x100000002, 0xFFFFFFFF], [0x100000003, 0x200000000]),
    ],
)
def test_arguments_are_compared_with_64_bits(
    op: str, inside: list[int], outside: list[int]
) -> None:
    test = {"index": 3, "value": 0x100000002, "op": f"SCMP_CMP_{op}"}
    program = seccomp.compile(policy(allow("read", args=[test])), "x86_64")
    for value in inside:
        assert decide(program, X86_64, 0, (0, 0, 0, value)) == ALLOW
    for value in outside:
        assert decide(program, X86_64, 0, (0, 0, 0, value)) == EPERM


def test_tests_on_different_arguments_must_all_hold() -> None:
    tests = [{"index": i, "value": i, "op": "SCMP_CMP_EQ"} for i in (1, 2)]
    program = seccomp.compile(policy(allow("read", args=tests)), "x86_64")
    assert decide(program, X86_64, 0, (0, 1, 2)) == ALLOW
    assert decide(program, X86_64, 0, (0, 1, 3)) == EPERM


def test_tests_on_one_argument_are_alternatives() -> None:
    tests = [{"index": 1, "value": value, "op": "SCMP_CMP_EQ"} for value in (5, 7)]
    program = seccomp.compile(policy(allow("read", args=tests)), "x86_64")
    assert [decide(program, X86_64, 0, (0, n)) for n in (5, 6, 7)] == [ALLOW, EPERM, ALLOW]


def test_no_rule_is_lost_when_ranges_overlap() -> None:
    def below(value: int) -> dict[str, Any]:
        return allow("read", args=[{"index": 0, "value": value, "op": "SCMP_CMP_LT"}])

    program = seccomp.compile(policy(below(0x2800000028), below(8)), "x86_64")
    assert decide(program, X86_64, 0, (0x10000000,)) == ALLOW
    assert decide(program, X86_64, 0, (0x2800000028,)) == EPERM


def test_every_jump_reaches_in_a_policy_as_long_as_they_get() -> None:
    dice = random.Random(7)
    names = list(NUMBERS["x86_64"])
    values = {name: dice.getrandbits(64) for name in names}
    entries = [
        allow(name, args=[{"index": 5, "value": value, "op": "SCMP_CMP_EQ"}])
        for name, value in values.items()
    ]
    program = seccomp.compile(policy(*entries), "x86_64")
    for name, value in values.items():
        assert decide(program, X86_64, number(name), (0, 0, 0, 0, 0, value)) == ALLOW
        assert decide(program, X86_64, number(name), (0, 0, 0, 0, 0, value ^ 1)) == EPERM


def test_a_policy_too_long_for_the_kernel_is_refused() -> None:
    entries = [
        allow(name, args=[{"index": 0, "value": n << 8 | value, "op": "SCMP_CMP_EQ"}])
        for name, n in NUMBERS["x86_64"].items()
        for value in range(1, 9)
    ]
    with pytest.raises(InvalidArgument, match="4096"):
        seccomp.compile(policy(*entries), "x86_64")


def test_the_default_policy_fits_easily() -> None:
    assert len(seccomp.compile(seccomp.default_profile((), "x86_64"), "x86_64")) // 8 < 500


def test_the_same_policy_is_compiled_once() -> None:
    first = seccomp.compile(seccomp.default_profile())
    assert seccomp.compile(seccomp.default_profile()) is first


@pytest.mark.parametrize(
    ("broken", "error", "words"),
    [
        ({"defaultAction": "SCMP_ACT_MAYBE"}, InvalidArgument, "SCMP_ACT_MAYBE"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, InvalidArgument, "SCMP_ACT_NOTIFY"),
        (policy(architectures=["x86"]), InvalidArgument, "architectures"),
        (policy(allow()), InvalidArgument, "names"),
        (policy(allow("read", args=[{"index": 6, "op": "SCMP_CMP_EQ"}])), InvalidArgument, "6"),
        (policy(allow("read", args=[{"index": 0, "op": "EQ"}])), InvalidArgument, "op: "),
        (
            policy(allow("read", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": -1}])),
            InvalidArgument,
            "value: ",
        ),
        (policy(defaultErrnoRet=70000), InvalidArgument, "70000"),
    ],
)
def test_nonsense_is_named(broken: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        seccomp.compile(broken, "x86_64")


NOTIFY = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (policy(NOTIFY), "linux.seccomp.listenerPath: missing"),
        (policy(NOTIFY, listenerPath="agent"), "linux.seccomp.listenerPath: must be absolute"),
        (policy(listenerMetadata="x"), "linux.seccomp.listenerMetadata: needs a listenerPath"),
        (
            policy({"names": ["write"], "action": "SCMP_ACT_NOTIFY"}, listenerPath="/s"),
            "linux.seccomp.syscalls[0].names: 'write' cannot be left to a listener",
        ),
        (
            policy({"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}),
            "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW returns no errno",
        ),
        (policy({"names": "read", "action": "SCMP_ACT_LOG"}), "syscalls[0].names: must be a list"),
    ],
)
def test_a_listener_needs_what_the_specification_says(broken: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        seccomp.compile(broken, "x86_64")
    assert words in str(caught.value)


def test_a_listener_brings_the_flags_that_the_kernel_wants() -> None:
    killable, together = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"
    notifying = policy(NOTIFY, listenerPath="/s", flags=[killable, together])
    assert seccomp.notifies(notifying)
    assert seccomp.filter_flags(notifying) == 32 | 1 | 8 | 16
    assert seccomp.filter_flags(policy(flags=[killable])) == 0


def test_flags() -> None:
    assert seccomp.filter_flags({"flags": ["SECCOMP_FILTER_FLAG_LOG"]}) == 2
    with pytest.raises(InvalidArgument, match="FLAG_X"):
        seccomp.filter_flags({"flags": ["FLAG_X"]})


def test_no_instruction_is_written_in_vain() -> None:
    program = seccomp.compile(seccomp.default_profile((), "x86_64", kernel=(6, 1)), "x86_64")
    code = list(struct.iter_unpack("=HBBI", program))
    reached, waiting = set(), [0]
    while waiting:
        place = waiting.pop()
        if place in reached:
            continue
        reached.add(place)
        op, yes, no, value = code[place]
        if op == 0x05:
            waiting.append(place + 1 + value)
        elif op & 7 == 0x05:
            waiting += [place + 1 + yes, place + 1 + no]
        elif op & 7 != 0x06:
            waiting.append(place + 1)
    assert len(reached) == len(code)
