"""What is known of one container between two calls: `<root>/<id>/state.json`, and its status.

The status is never written down: it follows from the process. A pid is believed only together with
the boot and the time at which it started, so that another process is never taken for it.
"""

import fcntl
import os
from _json import encode_basestring_ascii as _quote

from engine.ociruntime import parse
from engine.runtime import bundle, gate

OCI_VERSION = "1.2.0"
NAME = "state.json"
CONFIG = "config.json"
SECCOMP = "seccomp.bpf"

CREATING, CREATED, RUNNING, PAUSED, STOPPED = (
    "creating",
    "created",
    "running",
    "paused",
    "stopped",
)


class Record:
    """The fields of state.json; `directory` is where it lies."""

    __slots__ = (
        "annotations",
        "boot",
        "bundle",
        "cgroup",
        "created",
        "directory",
        "id",
        "made",
        "namespaces",
        "owner",
        "pid",
        "pid_start",
        "rootfs",
        "seccomp_flags",
        "systemd",
    )

    def __init__(self, container_id: str, directory: str) -> None:
        self.id = container_id
        self.directory = directory
        self.bundle = ""
        self.rootfs = ""
        self.created = ""
        self.owner = ""
        self.annotations: dict[str, str] = {}
        self.pid = 0
        self.pid_start = 0
        self.boot = boot_id()
        self.made = False  # whether `create` came to its end
        self.cgroup = ""
        self.systemd = False
        self.namespaces = 0  # CLONE_NEW* flags that an exec joins
        self.seccomp_flags = 0

    def write(self) -> None:
        """Replace state.json; nothing reads it after a reboot, so it need not reach the disk."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "directory"}
        data = encode(fields).encode() + b"\n"
        bundle.write_atomic(f"{self.directory}/{NAME}", data, durable=False)

    def alive(self) -> bool:
        """Whether the container's first process lives: not dead, and not merely its number."""
        return bool(self.pid) and self.boot == boot_id() and start_time(self.pid) == self.pid_start

    def status(self) -> str:
        """One of the OCI statuses, or paused."""
        if not self.made:
            return CREATING if self._is_held() else STOPPED
        if not self.alive():
            return STOPPED
        if self.is_frozen():
            return PAUSED
        return CREATED if os.path.exists(f"{self.directory}/{gate.ENTRY}") else RUNNING

    def _is_held(self) -> bool:
        """Whether a call is at work on it: whoever makes a container holds its lock (`store`)."""
        try:
            fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def is_frozen(self) -> bool:
        """Asked of the freezer cgroups that init is in, read from /proc: no look at the layout."""
        return any(_says_frozen(path) for path in _freezers(self.pid))

    def to_oci(self) -> "dict[str, object]":
        """The state as runtime.md has it, and the further keys that runc adds."""
        status = self.status()
        document: dict[str, object] = {
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "pid": 0 if status == STOPPED else self.pid,
            "status": status,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
        }
        if self.annotations:
            document["annotations"] = self.annotations
        document["owner"] = self.owner
        return document


def read(container_id: str, directory: str) -> Record | None:
    """The record in a container's directory; None when none is there, or none of ours."""
    data = bundle.read_bytes(f"{directory}/{NAME}")
    fields = parse.document(data) if data is not None else None
    if not isinstance(fields, dict):
        return None
    record = Record(container_id, directory)
    for name in Record.__slots__:
        if name in fields and isinstance(fields[name], type(getattr(record, name))):
            setattr(record, name, fields[name])
    return record


def boot_id() -> str:
    """The kernel's name for this boot: pids of another boot mean nothing."""
    data = bundle.read_bytes("/proc/sys/kernel/random/boot_id")
    return data.decode().strip() if data else ""


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which `pid` started; None when it is gone, or dead and not reaped.

    Field 22 of /proc/PID/stat (proc(5)). As `engine.runtime.state`, which takes longer to load
    than all of this.
    """
    try:
        data = bundle.read_bytes(f"/proc/{pid}/stat")
    except ProcessLookupError:
        return None
    if data is None:
        return None
    fields = data.rpartition(b") ")[2].split()
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def _freezers(pid: int) -> list[str]:
    """Files that tell whether `pid` is frozen: on v1 of its freezer, on v2 of its cgroup."""
    try:
        data = bundle.read_bytes(f"/proc/{pid}/cgroup")
    except ProcessLookupError:
        data = None  # it ended between the opening and the reading
    text = (data or b"").decode(errors="surrogateescape")
    places = dict(line.split(":", 2)[1:] for line in text.splitlines())
    found = []
    if "freezer" in places:
        found.append(f"/sys/fs/cgroup/freezer{places['freezer']}/freezer.state")
    if "" in places:
        for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            found.append(f"{base}{places['']}/cgroup.events")
    return found


def _says_frozen(path: str) -> bool:
    try:
        data = bundle.read_bytes(path)
    except OSError:
        return False  # gone in this moment
    return data is not None and (data.strip() in {b"FROZEN", b"FREEZING"} or b"frozen 1" in data)


def encode(value: object, indent: str = "", level: str = "") -> str:
    """JSON of dicts, lists, strings, whole numbers, truths and None; indented when asked to."""
    inner = level + indent
    gap = f"\n{inner}" if indent else ""
    end = f"\n{level}" if indent else ""
    colon, comma = (": ", ",") if indent else (":", ",")
    if isinstance(value, dict):
        pairs = [f"{_quote(k)}{colon}{encode(v, indent, inner)}" for k, v in value.items()]
        return "{" + gap + f"{comma}{gap}".join(pairs) + end + "}" if pairs else "{}"
    if isinstance(value, list | tuple):
        items = [encode(each, indent, inner) for each in value]
        return "[" + gap + f"{comma}{gap}".join(items) + end + "]" if items else "[]"
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
