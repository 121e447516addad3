"""What of a container's configuration is needed after create: late hooks, and for exec sessions.

Kept by the engine, and read from the bundle by one that adopts a container. Most containers have
nothing of the kind.
"""

import json
import logging
from typing import Any

from engine.runtime import bundle

log = logging.getLogger(__name__)

_HOOKS = ("poststart", "poststop")
_MARKS = (b'"hooks"', b'"personality"', b"SCMP_ACT_NOTIFY", b'"intelRdt"')

Config = dict[str, Any]


def part(config: Config) -> Config:
    """That part of a checked configuration; empty for most."""
    linux = config.get("linux") or {}
    hooks = {kind: each for kind, each in (config.get("hooks") or {}).items() if kind in _HOOKS}
    kept = {
        "personality": linux.get("personality"),
        "intelRdt": linux.get("intelRdt"),
        "seccomp": _notifying(linux.get("seccomp") or {}),
    }
    set_there = {key: value for key, value in kept.items() if value is not None}
    needed = {"hooks": hooks, "linux": set_there}
    found = {key: value for key, value in needed.items() if value}
    return {**found, "annotations": config.get("annotations")} if found else {}


def read(bundle_path: str) -> Config:
    """The same of the bundle's config.json; empty where it is gone or damaged."""
    data = bundle.read_bytes(f"{bundle_path}/{bundle.CONFIG}") or b""
    if not any(mark in data for mark in _MARKS):
        return {}
    try:
        config = json.loads(data)
    except ValueError:
        return {}  # a bundle that somebody wrote to: nothing in it can be believed
    return part(config) if isinstance(config, dict) else {}


def poststart(config: Config, container_id: str, pid: int, bundle_path: str) -> list[str]:
    """Run those hooks; as the specification has it, what fails is told and changes nothing."""
    return _run("poststart", config, container_id, pid, bundle_path)


def poststop(config: Config, container_id: str, bundle_path: str) -> None:
    """The same once the container is gone, when there is nobody to tell but the log."""
    if "intelRdt" in (config.get("linux") or {}):
        from engine.runtime import resctrl

        resctrl.forget(config, container_id)
    for failure in _run("poststop", config, container_id, 0, bundle_path):
        log.warning("container %s: %s", container_id, failure)


def _run(kind: str, config: Config, container_id: str, pid: int, bundle_path: str) -> list[str]:
    listed = (config.get("hooks") or {}).get(kind)
    if not listed:
        return []
    from engine.runtime import hooks

    status = "running" if pid else "stopped"
    state = hooks.make_state(container_id, status, pid, bundle_path, config.get("annotations"))
    return [f"{kind} {failure}" for failure in hooks.run_all(listed, state)]


def _notifying(policy: Config) -> Config | None:
    rules = [each for each in policy.get("syscalls") or () if each["action"] == "SCMP_ACT_NOTIFY"]
    return {**policy, "syscalls": rules} if rules else None
