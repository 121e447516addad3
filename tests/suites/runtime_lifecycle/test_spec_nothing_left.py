"""A create that fails at any of its steps leaves the host as it was."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import detect
from engine.runtime.launcher import Launcher

from .conftest import Config, Host, until
from .spec import IDS, configure, create, with_user_namespace

SPARE = "spare-"
SPACES = frozenset({"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"})


class Traces:
    """What one host's containers can leave, without those that wait for the next one."""

    def __init__(self, host: Host, launcher: Launcher) -> None:
        self._host = host
        self._places = (str(host.directory), str(host.rootfs))
        self._holders = [os.getpid(), getattr(launcher, "zygote_pid", None)]

    def look(self) -> dict[str, list[str]]:
        return {
            "mounts": self._mounts(),
            "cgroups": sorted(self._cgroups()),
            "processes": sorted(self._processes()),
            "open files": sorted(self._open()),
            "files": self._files(),
        }

    def since(self, before: dict[str, list[str]]) -> dict[str, list[str]]:
        """What is there now and was not; what has gone meanwhile is nobody's loss."""
        more = {
            kind: sorted((Counter(found) - Counter(before[kind])).elements())
            for kind, found in self.look().items()
        }
        return {kind: found for kind, found in more.items() if found}

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if any(place in line for place in self._places)]

    def _cgroups(self) -> Iterator[str]:
        for hierarchy in detect().hierarchies:
            base = Path(hierarchy.base, self._host.cgroup_parent)
            for path in base.rglob("*/"):
                if SPARE not in str(path):
                    yield str(path)

    def _processes(self) -> Iterator[str]:
        """Those in a cgroup of ours, or with something of ours open."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                group = (path / "cgroup").read_text()
                links = [os.readlink(each) for each in (path / "fd").iterdir()]
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it has ended, or is none that anybody may look into, and so not ours
            held = any("/bundles/" in link for link in links if self._places[0] in link)
            if held or (self._host.cgroup_parent in group and SPARE not in group):
                yield f"{path.name} {(path / 'comm').read_text().strip()}"

    def _open(self) -> Iterator[str]:
        """Files and namespaces that this process and the zygote hold, and this one's sockets.

        Those of the zygote are to the containers that wait, which come and go.
        """
        for pid in filter(None, self._holders):
            for each in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    link = os.readlink(each)
                except FileNotFoundError:
                    continue  # the one by which the list is read
                kind = link.partition(":")[0]
                if kind in SPACES or any(place in link for place in self._places):
                    yield f"{pid} {link}"
                elif pid == os.getpid() and kind in ("socket", "pipe"):
                    yield f"{pid} {kind}"

    def _files(self) -> list[str]:
        run = self._host.directory / "run"
        places = (run / "bundles", run / "state", self._host.rootfs)
        return sorted(str(path) for place in places for path in place.rglob("*"))


def _join(path: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config["linux"]["namespaces"][2] = {"type": "network", "path": path}

    return change


def _mount(**mount: Any) -> Callable[[Config], None]:
    return lambda config: config["mounts"].append(mount)


def _in(where: str, **fields: Any) -> Callable[[Config], None]:
    return lambda config: config[where].update(fields)


def _hook(kind: str) -> Callable[[Config], None]:
    return lambda config: config.update({"hooks": {kind: [{"path": "/bin/false"}]}})


def _no_terminals(config: Config) -> None:
    config["process"]["terminal"] = True
    config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/dev/pts"]


def _clock_out_of_range(config: Config) -> None:
    config["linux"]["namespaces"].append({"type": "time"})
    config["linux"]["timeOffsets"] = {"boottime": {"secs": -(2**62)}}


def _user_and_bad_mount(config: Config) -> None:
    with_user_namespace(config)
    config["mounts"].append({"destination": "/x", "type": "nosuchfs", "source": "x"})


def _joins_no_user_namespace(config: Config) -> None:
    path = "/proc/self/ns/net"
    config["linux"]["namespaces"].append({"type": "user", "path": path})


def _seccomp_without_agent(config: Config) -> None:
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/nowhere/agent.sock",
        "syscalls": [rule],
    }


_DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 50, "deadline": 20, "period": 10}
_IDMAP = {"uidMappings": IDS, "gidMappings": IDS, "options": ["bind"]}

FAILURES: dict[str, Callable[[Config], None]] = {
    "a relative cwd": _in("process", cwd="tmp"),
    "a namespace that is not there": _join("/nowhere/net"),
    "a namespace of another kind": _join("/proc/self/ns/uts"),
    "a user namespace that is none": _joins_no_user_namespace,
    "a clock out of range": _clock_out_of_range,
    "no root": _in("root", path="/nowhere"),
    "no source": _mount(destination="/x", type="bind", source="/nowhere", options=["bind"]),
    "no such file system": _mount(destination="/x", type="nosuchfs", source="x"),
    "no such option": _mount(destination="/x", type="tmpfs", source="x", options=["sise=1"]),
    "a file in the way": _mount(destination="/bin/busybox", type="tmpfs", source="x"),
    "not to be idmapped": _mount(destination="/x", type="bind", source="/proc/sys", **_IDMAP),
    "a mount in a user namespace": _user_and_bad_mount,
    "a device below a file": _in(
        "linux", devices=[{"path": "/bin/busybox/x", "type": "c", "major": 1, "minor": 3}]
    ),
    "no terminals": _no_terminals,
    "no such setting": _in("linux", sysctl={"net.nowhere": "1"}),
    "no such value": _in("linux", sysctl={"net.ipv4.ip_forward": "many"}),
    "a cwd below a file": _in("process", cwd="/bin/busybox/x"),
    "a hook outside": _hook("createRuntime"),
    "a hook inside": _hook("createContainer"),
    "a limit that makes no sense": _in(
        "linux", resources={"memory": {"limit": 64 << 20, "swap": 32 << 20}}
    ),
    "a deadline that makes no sense": _in("process", scheduler=_DEADLINE),
    "a label that nothing applies": _in("process", selinuxLabel="a:b:c:d"),
    "an agent that is not there": _seccomp_without_agent,
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_create_leaves_nothing(
    host: Host, launcher: Launcher, failure: str
) -> None:
    traces = Traces(host, launcher)
    # A mount's target is made in the root file system, and stays, as under every runtime.
    (host.rootfs / "x").mkdir(exist_ok=True)
    before = traces.look()
    with pytest.raises(EngineError) as caught:
        await create(host, launcher, "c1", configure(host, "true", FAILURES[failure]))
    assert str(caught.value)
    with suppress(AssertionError):  # what is told is what is left
        await until(lambda: not traces.since(before))
    assert traces.since(before) == {}
