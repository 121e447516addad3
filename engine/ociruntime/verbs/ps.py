"""`ps`: the processes in a container's cgroup, by pid or as the host's ps shows them."""

import os
import subprocess

from engine.errors import InvalidArgument, RuntimeFailure
from engine.ociruntime import groups, record, store
from engine.ociruntime.commands import Call
from engine.ociruntime.store import Store

_BOUND_S = 30


def run(call: Call) -> int:
    kept = Store(call.common.text("root") or store.default_root()).find(call.container_id)
    form = call.options.text("format") or "table"
    if form not in {"table", "json"}:
        raise InvalidArgument("invalid format option")
    group = groups.manager(kept)
    pids = sorted(group.pids() if group.exists() else _beside(kept.pid) if kept.alive() else ())
    if form == "json":
        print(record.encode(pids) if pids else "null")
    else:
        print(_table(pids, call.options.arguments[1:] or ["-ef"]), end="")
    return 0


def _beside(init: int) -> list[int]:
    """Without a cgroup: who is in the same pid namespace, where that is the container's own."""
    own, space = _pid_namespace(os.getpid()), _pid_namespace(init)
    if space in {"", own}:
        return [init]
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [pid for pid in pids if _pid_namespace(pid) == space]


def _pid_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""  # it has ended, or is none of this user's


def _table(pids: list[int], arguments: list[str]) -> str:
    """The lines of ps(1) that are about these; its output must have a PID column."""
    try:
        shown = subprocess.run(
            ["ps", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_BOUND_S,
            check=True,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeFailure(f"ps {' '.join(arguments)}: {error}") from error
    title, *lines = shown.stdout.decode(errors="replace").splitlines()
    if "PID" not in title.split():
        raise InvalidArgument("couldn't find PID field in ps output")
    column = title.split().index("PID")
    return "".join(f"{line}\n" for line in (title, *_about(pids, lines, column)))


def _about(pids: list[int], lines: list[str], column: int) -> list[str]:
    wanted = {str(pid) for pid in pids}
    return [line for line in lines if (line.split() + [""] * column)[column] in wanted]
