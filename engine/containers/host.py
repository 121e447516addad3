"""What of this machine bounds a container's limits: its CPUs and memory nodes."""

import os
from dataclasses import dataclass
from pathlib import Path

_MEMORY_NODES = Path("/sys/devices/system/node/online")
_CPUS = Path("/sys/devices/system/cpu/online")


@dataclass(frozen=True, slots=True)
class Host:
    """`cpus` and `memory_nodes` as the kernel lists them: `0-1,4`."""

    cpus: str
    memory_nodes: str

    @classmethod
    def detect(cls) -> "Host":
        count = os.cpu_count() or 1
        return cls(_read(_CPUS, f"0-{count - 1}"), _read(_MEMORY_NODES, "0"))

    @property
    def cpu_count(self) -> int:
        return len(parse_list(self.cpus))


def parse_list(text: str) -> frozenset[int]:
    """The numbers of a kernel list such as `0-2,5`; ValueError when it is none (cpuset(7))."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        low, high = _number(first), _number(last if dash else first)
        if low > high:
            raise ValueError(f"descending range {part}")
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if not 0 <= number <= 8192:
        raise ValueError(f"not a CPU or node number: {text!r}")
    return number


def _read(path: Path, default: str) -> str:
    try:
        return path.read_text().strip() or default
    except FileNotFoundError:
        return default  # a kernel without NUMA or hotplug
