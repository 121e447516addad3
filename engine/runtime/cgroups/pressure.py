"""Time lost for want of CPU, memory and block I/O: pressure stall information (psi.rst)."""

from engine.runtime.cgroups import files
from engine.runtime.cgroups.stats import Pressure, Stall

RESOURCES = ("cpu", "memory", "io")


def read(directory: str | None) -> Pressure | None:
    """None where nobody counts it: v1 alone, or a kernel without psi=1."""
    if directory is None:
        return None
    texts = [files.read_if_there(f"{directory}/{name}.pressure") for name in RESOURCES]
    return Pressure(*map(parse, texts)) if any(texts) else None


def parse(text: str) -> Stall:
    """Two lines like `some avg10=0.12 avg60=0.02 avg300=0.00 total=4217`; `full` may be missing."""
    lines = {line.partition(" ")[0]: line for line in text.splitlines()}
    some, full = (lines.get(kind, "") for kind in ("some", "full"))
    return Stall(_average(some), _total(some), _average(full), _total(full))


def _average(line: str) -> float:
    return float(_value(line, "avg10="))


def _total(line: str) -> int:
    return int(_value(line, "total="))


def _value(line: str, key: str) -> str:
    return line.partition(key)[2].partition(" ")[0] or "0"
