"""Copying the pages a forked process will write to before it is in a hurry."""

from engine.runtime import bundle, syscalls

_POPULATE_READ, _POPULATE_WRITE = 22, 23  # madvise(2), Linux 5.14


def take() -> None:
    """Have a copy of every page of one's own that may be written, and the code at hand.

    A fork copies no memory: each page is copied when it is first written to, in a fault that costs
    2 to 5 µs on a virtual machine, some hundred times in a short life. Costs the memory of a whole
    process; where the kernel cannot do it, nothing happens.
    """
    for line in (bundle.read_bytes("/proc/self/maps") or b"").splitlines():
        extent, rights, *_ = line.split(None, 2)
        advice = {b"rw-p": _POPULATE_WRITE, b"r-xp": _POPULATE_READ}.get(rights)
        if advice is None:
            continue
        start, end = (int(part, 16) for part in extent.split(b"-"))
        try:
            syscalls.call("madvise", start, end - start, advice)
        except OSError:
            continue  # not memory that can be populated, or an older kernel
