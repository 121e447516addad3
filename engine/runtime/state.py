"""What is written about a container while it lives (state.json) and when it ends (exit record).

Follows the OCI runtime specification, "State". Writing is done by the monitor, which does without
the json module; reading by the engine.
"""

from _json import encode_basestring_ascii as _quote
from enum import StrEnum
from typing import Any

from engine.runtime import bundle

OCI_VERSION = "1.2.0"


def encode(value: Any) -> str:
    """JSON of what these documents hold: dicts of dicts, strings, whole numbers and None."""
    if isinstance(value, dict):
        pairs = (f"{_quote(key)}: {encode(each)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    return str(int(value)) if not isinstance(value, bool) else str(value).lower()


class Status(StrEnum):
    """The four statuses of the OCI runtime specification."""

    CREATING = "creating"
    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"


TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    Status.CREATING: (Status.CREATED, Status.STOPPED),
    Status.CREATED: (Status.RUNNING, Status.STOPPED),
    Status.RUNNING: (Status.STOPPED,),
    Status.STOPPED: (),
}
"""The statuses that may follow each status: a container is never started twice."""


def can_become(status: Status, following: Status) -> bool:
    return following in TRANSITIONS[status]


def boot_id() -> str:
    """The kernel's name for this boot: pids of another boot mean nothing."""
    return _BOOT_ID


def _read_boot_id() -> str:
    data = bundle.read_bytes("/proc/sys/kernel/random/boot_id")
    return data.decode().strip() if data else ""


_BOOT_ID = _read_boot_id()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which `pid` started; None when it is gone, or dead and not reaped.

    Field 22 of /proc/PID/stat (proc(5)).
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def parent_of(pid: int) -> int | None:
    """Field 4 of the same file."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[bytes]:
    """The fields from the third on: the command name before it may hold spaces and brackets."""
    try:
        data = bundle.read_bytes(f"/proc/{pid}/stat")
    except ProcessLookupError:
        return []
    fields = (data or b"").rpartition(b") ")[2].split()
    return [] if not fields or fields[0] in {b"Z", b"X"} else fields


class State:
    """state.json: the OCI state, and who is responsible for the container."""

    __slots__ = (
        "boot",
        "bundle",
        "cgroup",
        "id",
        "monitor_pid",
        "monitor_start",
        "pid",
        "pid_start",
        "status",
    )

    def __init__(self, container_id: str, bundle_path: str, cgroup: str, monitor_pid: int) -> None:
        self.id = container_id
        self.bundle = bundle_path
        self.cgroup = cgroup
        self.status = Status.CREATING
        self.pid = 0
        self.pid_start = 0
        self.monitor_pid = monitor_pid
        self.monitor_start = start_time(self.monitor_pid) or 0
        self.boot = boot_id()

    def to_json(self) -> dict[str, Any]:
        """OCI's keys at the top, berth's own under `berth`."""
        return {
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "status": self.status,
            "pid": self.pid,
            "bundle": self.bundle,
            "berth": {
                "cgroup": self.cgroup,
                "monitorPid": self.monitor_pid,
                "monitorStart": self.monitor_start,
                "pidStart": self.pid_start,
                "bootId": self.boot,
            },
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "State":
        """Raises KeyError, TypeError or ValueError when it is not such a document."""
        own = document["berth"]
        state = cls.__new__(cls)
        state.id = str(document["id"])
        state.bundle = str(document["bundle"])
        state.status = Status(document["status"])
        state.pid = int(document["pid"])
        state.cgroup = str(own["cgroup"])
        state.monitor_pid = int(own["monitorPid"])
        state.monitor_start = int(own["monitorStart"])
        state.pid_start = int(own["pidStart"])
        state.boot = str(own["bootId"])
        return state

    def write(self) -> None:
        """Replace `<bundle>/state.json`; nobody reads it after a reboot, so no fsync."""
        data = encode(self.to_json()).encode() + b"\n"
        bundle.write_atomic(f"{self.bundle}/{bundle.STATE}", data, durable=False)

    def monitor_alive(self) -> bool:
        """Whether the very process that wrote this lives: same boot, pid not reused."""
        return self.boot == boot_id() and start_time(self.monitor_pid) == self.monitor_start


def read(bundle_path: str) -> State | None:
    """The state in a bundle; None when there is none, or none that can be understood."""
    import json

    data = bundle.read_bytes(f"{bundle_path}/{bundle.STATE}")
    if data is None:
        return None
    try:
        return State.from_json(json.loads(data))
    except (KeyError, TypeError, ValueError):
        return None


def write_exit(path: str, record: dict[str, Any]) -> None:
    """The exit record: complete before anybody is told that the container has ended.

    It outlives every process from then on, and a loss of power after `bundle.sync`.
    """
    bundle.write_atomic(path, encode(record).encode() + b"\n", durable=False)


def read_exit(path: str) -> dict[str, Any] | None:
    """The exit record's fields; None when the container left none."""
    import json

    data = bundle.read_bytes(path)
    if data is None:
        return None
    try:
        record = json.loads(data)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
