"""One valid configuration that uses every field, and the kind of each field."""

from typing import Any, NamedTuple

ID = (0, 2**32 - 2)
IDS = {"containerID": 0, "hostID": 100_000, "size": 65_536}


def config() -> dict[str, Any]:
    """A new copy each time, to be broken."""
    return {
        "ociVersion": "1.2.0",
        "root": {"path": "/some/root", "readonly": True},
        "hostname": "box",
        "domainname": "example.org",
        "annotations": {"com.example.key": "value"},
        "process": _process(),
        "mounts": _mounts(),
        "hooks": {
            "prestart": [{"path": "/bin/hook", "args": ["hook", "x"], "env": ["A=1"]}],
            "createRuntime": [{"path": "/bin/hook", "timeout": 5}],
            "createContainer": [{"path": "/bin/hook"}],
            "startContainer": [{"path": "/bin/hook"}],
            "poststart": [{"path": "/bin/hook"}],
            "poststop": [{"path": "/bin/hook"}],
        },
        "linux": _linux(),
    }


def _process() -> dict[str, Any]:
    sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    return {
        "args": ["sh", "-c", "true"],
        "env": ["PATH=/bin", "A=b"],
        "cwd": "/",
        "terminal": True,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "additionalGids": [3, 4], "umask": 0o22},
        "noNewPrivileges": True,
        "oomScoreAdj": 100,
        "apparmorProfile": "unconfined",
        "selinuxLabel": "",
        "capabilities": {name: ["CAP_CHOWN", "CAP_KILL"] for name in sets},
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0-3,7", "final": "1"},
    }


def _mounts() -> list[dict[str, Any]]:
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
        {
            "destination": "/data",
            "type": "bind",
            "source": "/srv/data",
            "options": ["rbind", "ro", "rnosuid", "rslave", "ridmap"],
            "uidMappings": [dict(IDS)],
            "gidMappings": [dict(IDS)],
        },
        {"destination": "/t", "type": "tmpfs", "options": ["tmpcopyup", "size=1m"]},
    ]


def _linux() -> dict[str, Any]:
    kinds = ("pid", "mount", "network", "uts", "ipc", "cgroup", "user", "time")
    return {
        "namespaces": [{"type": kind, "path": ""} for kind in kinds],
        "uidMappings": [dict(IDS)],
        "gidMappings": [dict(IDS)],
        "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}, "boottime": {"secs": -3}},
        "devices": [_device()],
        "cgroupsPath": "/some/group",
        "rootfsPropagation": "rslave",
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "mountLabel": "",
        "sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "1"},
        "personality": {"domain": "LINUX32", "flags": []},
        "seccomp": _seccomp(),
        "resources": {
            "memory": {"limit": 1 << 26, "swap": 1 << 27, "reservation": 1 << 25},
            "cpu": {"shares": 100, "quota": 1000, "period": 10_000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 100},
            "devices": [{"allow": False, "access": "rwm"}],
        },
    }


def _device() -> dict[str, Any]:
    device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600}
    return device | {"uid": 1, "gid": 2}


def _seccomp() -> dict[str, Any]:
    test = {"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "/run/agent.sock",
        "listenerMetadata": "data",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [test]},
            {"names": ["open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
            {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"},
        ],
    }


class Field(NamedTuple):
    """`path` as keys and indices; `bounds` of a number; `words` that an enumeration has not."""

    path: str
    kind: str
    bounds: tuple[int, int] = (0, 0)
    needed: bool = False


def _fields(kind: str, *paths: str, needed: bool = False) -> list[Field]:
    return [Field(path, kind, needed=needed) for path in paths]


def _numbers(bounds: tuple[int, int], *paths: str, needed: bool = False) -> list[Field]:
    return [Field(path, "number", bounds, needed) for path in paths]


_P, _L = "process", "linux"
_S = f"{_L}.seccomp"

FIELDS: list[Field] = [
    *_fields(
        "object",
        *("root", "annotations", "process", "hooks", "linux", f"{_P}.consoleSize", f"{_P}.user"),
        *(f"{_P}.capabilities", f"{_P}.scheduler", f"{_P}.ioPriority", f"{_P}.execCPUAffinity"),
        *(f"{_L}.timeOffsets", f"{_L}.timeOffsets.monotonic", f"{_L}.sysctl"),
        *(f"{_L}.personality", _S, f"{_L}.resources", f"{_L}.resources.memory"),
        *(f"{_L}.resources.cpu", f"{_L}.resources.pids"),
        *("mounts[0]", f"{_P}.rlimits[0]", f"{_L}.namespaces[0]", f"{_L}.devices[0]"),
        *(f"{_L}.uidMappings[0]", f"{_L}.gidMappings[0]", "mounts[1].uidMappings[0]"),
        *("hooks.prestart[0]", f"{_S}.syscalls[0]", f"{_S}.syscalls[0].args[0]"),
        f"{_L}.resources.devices[0]",
    ),
    *_fields(
        "list",
        *("mounts", f"{_P}.args", f"{_P}.env", f"{_P}.user.additionalGids", f"{_P}.rlimits"),
        *(f"{_P}.capabilities.{name}" for name in ("bounding", "effective", "ambient")),
        *(f"{_P}.scheduler.flags", "mounts[0].options", "mounts[1].uidMappings"),
        *("mounts[1].gidMappings", f"{_L}.namespaces", f"{_L}.uidMappings", f"{_L}.gidMappings"),
        *(f"{_L}.devices", f"{_L}.maskedPaths", f"{_L}.readonlyPaths", f"{_L}.personality.flags"),
        *(f"{_S}.architectures", f"{_S}.flags", f"{_S}.syscalls", f"{_S}.syscalls[0].names"),
        *(f"{_S}.syscalls[0].args", "hooks.prestart[0].args", "hooks.prestart[0].env"),
        *("hooks.prestart", "hooks.createRuntime", "hooks.createContainer"),
        *("hooks.startContainer", "hooks.poststart", "hooks.poststop"),
        f"{_L}.resources.devices",
    ),
    *_fields(
        "text",
        *("hostname", "domainname", "annotations.com.example.key", f"{_P}.args[1]"),
        *(f"{_P}.env[1]", f"{_P}.apparmorProfile", f"{_P}.selinuxLabel", "mounts[0].source"),
        *(f"{_P}.capabilities.bounding[0]", "mounts[2].options[1]", f"{_L}.cgroupsPath"),
        *(f"{_L}.mountLabel", f"{_L}.sysctl.net.ipv4.ip_forward", f"{_S}.listenerMetadata"),
        *(f"{_S}.syscalls[0].names[0]", "hooks.prestart[0].args[1]", "hooks.prestart[0].env[0]"),
    ),
    *_fields(
        "word",
        *(f"{_P}.rlimits[0].type", f"{_P}.scheduler.flags[0]", f"{_L}.rootfsPropagation"),
        *(f"{_S}.architectures[0]", f"{_S}.flags[0]"),
        *(f"{_P}.execCPUAffinity.initial", f"{_P}.execCPUAffinity.final"),
    ),
    *_fields(
        "word",
        *("ociVersion", f"{_P}.scheduler.policy", f"{_P}.ioPriority.class"),
        *(f"{_L}.namespaces[0].type", f"{_L}.devices[0].type", f"{_L}.personality.domain"),
        *(f"{_S}.defaultAction", f"{_S}.syscalls[0].action", f"{_S}.syscalls[0].args[0].op"),
        needed=True,
    ),
    *_fields("absolute", f"{_L}.namespaces[0].path", f"{_L}.maskedPaths[0]"),
    *_fields("absolute", f"{_L}.readonlyPaths[0]", "mounts[1].source"),
    *_fields(
        "absolute",
        *("root.path", f"{_P}.cwd", "mounts[0].destination", f"{_L}.devices[0].path"),
        *(f"{_S}.listenerPath", "hooks.prestart[0].path", "hooks.poststop[0].path"),
        needed=True,
    ),
    *_fields("boolean", "root.readonly", f"{_P}.terminal", f"{_P}.noNewPrivileges"),
    *_numbers(ID, f"{_P}.user.uid", f"{_P}.user.gid", f"{_P}.user.additionalGids[0]"),
    *_numbers(ID, f"{_L}.devices[0].uid", f"{_L}.devices[0].gid"),
    *_numbers((0, 0o777), f"{_P}.user.umask"),
    *_numbers((0, 65535), f"{_P}.consoleSize.height", f"{_P}.consoleSize.width"),
    *_numbers((-1000, 1000), f"{_P}.oomScoreAdj"),
    *_numbers((-1, 2**64 - 1), f"{_P}.rlimits[0].soft", f"{_P}.rlimits[0].hard", needed=True),
    *_numbers((-20, 19), f"{_P}.scheduler.nice"),
    *_numbers((0, 99), f"{_P}.scheduler.priority"),
    *_numbers((0, 2**63 - 1), f"{_P}.scheduler.runtime", f"{_P}.scheduler.deadline"),
    *_numbers((0, 7), f"{_P}.ioPriority.priority", needed=True),
    *_numbers((0, 4095), f"{_L}.devices[0].major", needed=True),
    *_numbers((0, 2**20 - 1), f"{_L}.devices[0].minor", needed=True),
    *_numbers((0, 0o7777), f"{_L}.devices[0].fileMode"),
    *_numbers((-(2**63), 2**63 - 1), f"{_L}.timeOffsets.monotonic.secs"),
    *_numbers((0, 999_999_999), f"{_L}.timeOffsets.monotonic.nanosecs"),
    *(
        Field(f"{where}.{key}", "number", ID, needed=True)
        for where in (f"{_L}.uidMappings[0]", f"{_L}.gidMappings[0]", "mounts[1].uidMappings[0]")
        for key in ("containerID", "hostID", "size")
    ),
    *_numbers((0, 65535), f"{_S}.defaultErrnoRet", f"{_S}.syscalls[1].errnoRet"),
    *_numbers((0, 5), f"{_S}.syscalls[0].args[0].index", needed=True),
    *_numbers((0, 2**64 - 1), f"{_S}.syscalls[0].args[0].value", needed=True),
    *_numbers((0, 2**64 - 1), f"{_S}.syscalls[0].args[0].valueTwo"),
    *_numbers((1, 2**31 - 1), "hooks.createRuntime[0].timeout"),
    *_numbers((-1, 2**63 - 1), f"{_L}.resources.memory.limit", f"{_L}.resources.pids.limit"),
]
