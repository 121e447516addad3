"""The `process` object: what is executed, as whom, and with what around it."""

from typing import Any

from engine.containers.merge import command
from engine.containers.model import Container, ExecConfig, HostConfig
from engine.containers.spec import capabilities, reaper, security
from engine.containers.spec.users import User

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def process(container: Container, user: User, hostname: str) -> dict[str, Any]:
    """The container's first process."""
    config, host = container.config, container.host_config
    program, args = command(config)
    height, width = host.console_size
    made: dict[str, Any] = {
        "terminal": config.tty,
        "user": _user(user),
        "args": [*((reaper.TARGET, "--") if host.init else ()), program, *args],
        "env": environment(config.env, hostname, user.home, tty=config.tty),
        "cwd": config.working_dir or "/",
        "capabilities": _capabilities(host, user),
        "noNewPrivileges": security.options(host.security_opt).no_new_privileges,
        "rlimits": _rlimits(host),
        "oomScoreAdj": host.oom_score_adj,
    }
    if config.tty and height and width:
        made["consoleSize"] = {"height": height, "width": width}
    return made


def exec_process(container: Container, wanted: ExecConfig, user: User) -> dict[str, Any]:
    """A further process in the container; it inherits the container's environment."""
    host = container.host_config
    privileged = wanted.privileged or host.privileged
    env = merged(container.config.env, wanted.env)
    height, width = wanted.console_size
    made: dict[str, Any] = {
        "terminal": wanted.tty,
        "user": _user(user),
        "args": list(wanted.cmd),
        "env": environment(env, hostname(container), user.home, tty=wanted.tty),
        "cwd": wanted.working_dir or container.config.working_dir or "/",
        "capabilities": _exec_capabilities(host, user, privileged=privileged),
        "noNewPrivileges": security.options(host.security_opt).no_new_privileges,
        "rlimits": _rlimits(host),
        "oomScoreAdj": host.oom_score_adj,
    }
    if wanted.tty and height and width:
        made["consoleSize"] = {"height": height, "width": width}
    return made


def hostname(container: Container) -> str:
    return container.config.hostname or container.id[:12]


def environment(env: tuple[str, ...], hostname: str, home: str, *, tty: bool) -> list[str]:
    """Docker's own variables below the container's; a name without `=` takes one away."""
    terminal = ("TERM=xterm",) if tty else ()
    base = (f"PATH={PATH}", f"HOSTNAME={hostname}", *terminal, f"HOME={home}")
    return [entry for entry in merged(base, env) if "=" in entry]


def merged(base: tuple[str, ...], over: tuple[str, ...]) -> tuple[str, ...]:
    """Entries of `over` take the place of those of `base` with the same name."""
    entries = {entry.partition("=")[0]: entry for entry in (*base, *over)}
    return tuple(entries.values())


def _user(user: User) -> dict[str, Any]:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups), "umask": 0o022}


def _capabilities(host: HostConfig, user: User) -> dict[str, list[str]]:
    return _sets(list(capabilities.granted(host)), user)


def _exec_capabilities(host: HostConfig, user: User, *, privileged: bool) -> dict[str, list[str]]:
    names = capabilities.available() if privileged else capabilities.granted(host)
    return _sets(list(names), user)


def _sets(names: list[str], user: User) -> dict[str, list[str]]:
    """A user other than root has them bounding only, as execve(2) would leave it."""
    held: list[str] = names if user.uid == 0 else []
    return {
        "bounding": names,
        "effective": held,
        "permitted": held,
        "inheritable": [],
        "ambient": [],
    }


def _rlimits(host: HostConfig) -> list[dict[str, Any]]:
    return [
        {"type": f"RLIMIT_{u.name.upper()}", "soft": _bound(u.soft), "hard": _bound(u.hard)}
        for u in host.ulimits
    ]


def _bound(value: int) -> int:
    return 2**64 - 1 if value == -1 else value
