"""An assembler for classic BPF as seccomp(2) runs it: decision trees and argument tests.

Knows numbers, offsets and jumps; names of system calls and OCI's words stay in seccomp.py.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

MAX_INSTRUCTIONS = 4096
EQ, NE, GT, GE, LT, LE, MASKED_EQ = "EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ"

_LD, _AND, _JA, _JEQ, _JGT, _JGE, _RET = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_WORD = 0xFFFFFFFF
_FAR = 255  # the furthest a conditional jump reaches


class Test(NamedTuple):
    """One comparison of one argument (0 to 5); MASKED_EQ holds when `argument & mask == value`."""

    argument: int
    op: str
    value: int
    mask: int = 0


class Rule(NamedTuple):
    """Return `action` when every test holds."""

    tests: tuple[Test, ...]
    action: int


class Decision(NamedTuple):
    """What happens to a call: the first rule that fits, or else `action`; 64- or 32-bit words."""

    action: int
    rules: tuple[Rule, ...] = ()
    wide: bool = True


class Section(NamedTuple):
    """One architecture: (first number, decision) in rising order, the first being number 0."""

    arch: int
    starts: tuple[tuple[int, Decision], ...]


_JUMPS = {
    # operator: (jump, whether the jump is taken when the operator holds)
    EQ: (_JEQ, True),
    NE: (_JEQ, False),
    GT: (_JGT, True),
    GE: (_JGE, True),
    LT: (_JGE, False),
    LE: (_JGT, False),
}


def assemble(sections: Sequence[Section], otherwise: int) -> bytes:
    """The whole program, 8 bytes an instruction; `otherwise` answers foreign architectures.

    Raises ValueError when the kernel would refuse its length.
    """
    program = _Program()
    entry = program.answer(otherwise)
    for section in reversed(sections):
        root = program.tree(section.starts)
        entry = program.jump(_JEQ, section.arch, program.load(_NUMBER, root), entry)
    program.load(_ARCH, entry)
    return program.encode()


class _Program:
    """Instructions written from the last to the first, so that every jump knows its target.

    A place is an index in this backward list. Equal answers and equal decisions are written once
    for as long as a conditional jump can reach them.
    """

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._known: dict[Decision, int] = {}

    def encode(self) -> bytes:
        if len(self._code) > MAX_INSTRUCTIONS:
            words = f"{len(self._code)} instructions, and the kernel takes {MAX_INSTRUCTIONS}"
            raise ValueError(words)
        packed = (
            struct.pack("=HBBI", code, yes, no, value)
            for code, value, yes, no in reversed(self._code)
        )
        return b"".join(packed)

    def answer(self, action: int) -> int:
        return self._leaf(Decision(action))

    def tree(self, starts: Sequence[tuple[int, Decision]]) -> int:
        """Binary search over the intervals."""
        if len(starts) == 1:
            return self._leaf(starts[0][1])
        middle = len(starts) // 2
        above, below = self.tree(starts[middle:]), self.tree(starts[:middle])
        return self.jump(_JGE, starts[middle][0], above, below)

    def _leaf(self, decision: Decision) -> int:
        place = self._known.get(decision)
        if place is None or self._distance(place) > _FAR:
            place = self._known[decision] = self._decide(decision)
        return place

    def _decide(self, decision: Decision) -> int:
        if not decision.rules:
            return self._add(_RET, decision.action)
        place = self.answer(decision.action)
        for rule in reversed(decision.rules):
            place = self._rule(rule, place, wide=decision.wide)
        return place

    def _rule(self, rule: Rule, fail: int, *, wide: bool) -> int:
        """Test after test, each going on to the next, and to `fail` when it does not hold."""
        place = self.answer(rule.action)
        for test in reversed(rule.tests):
            high = self._high if wide else self._low
            place = high(test, place, fail)
        return place

    def _low(self, test: Test, holds: int, fail: int) -> int:
        """Compare the low word, the only one that means anything on 32-bit architectures."""
        offset, value = _ARGUMENTS + 8 * test.argument, test.value & _WORD
        if test.op == MASKED_EQ:
            mask = test.mask & _WORD
            place = self.jump(_JEQ, value & mask, holds, fail)
            return self.load(offset, place, mask=mask)
        op, positive = _JUMPS[test.op]
        yes, no = (holds, fail) if positive else (fail, holds)
        return self.load(offset, self.jump(op, value, yes, no))

    def _high(self, test: Test, holds: int, fail: int) -> int:
        """Compare 64 bits: the high word (second in memory) decides, or else the low one."""
        low = self._low(test, holds, fail)
        offset, value = _ARGUMENTS + 8 * test.argument + 4, test.value >> 32
        if test.op == MASKED_EQ:
            mask = test.mask >> 32
            if not mask:
                return low
            return self.load(offset, self.jump(_JEQ, value & mask, low, fail), mask=mask)
        unequal = holds if test.op == NE else fail
        if test.op in {GE, GT, LE, LT}:
            greater, less = (holds, fail) if test.op in {GE, GT} else (fail, holds)
            unequal = self.jump(_JGT, value, greater, less)
        return self.load(offset, self.jump(_JEQ, value, low, unequal))

    def load(self, offset: int, then: int, *, mask: int | None = None) -> int:
        """Load a word of the call, mask it, and go on at `then`."""
        if then != len(self._code) - 1:
            self._add(_JA, self._distance(then))
        if mask is not None:
            self._add(_AND, mask)
        return self._add(_LD, offset)

    def jump(self, op: int, value: int, yes: int, no: int) -> int:
        if yes == no:
            return yes
        near, far = max(yes, no), min(yes, no)
        far = self._bring_near(far)
        near = self._bring_near(near)
        yes, no = (near, far) if yes > no else (far, near)
        return self._add(op, value, self._distance(yes), self._distance(no))

    def _bring_near(self, place: int) -> int:
        """The place itself, or a jump to it when a conditional jump could not reach it."""
        # One instruction may still come in between, for the other branch.
        return place if self._distance(place) < _FAR else self._add(_JA, self._distance(place))

    def _distance(self, place: int) -> int:
        """How far the next instruction would jump to get there."""
        return len(self._code) - 1 - place

    def _add(self, code: int, value: int, yes: int = 0, no: int = 0) -> int:
        self._code.append((code, value, yes, no))
        return len(self._code) - 1
