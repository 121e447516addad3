"""The hooks of an OCI configuration: programs told of a container's state on their stdin.

Follows the runtime specification, config.md "POSIX-platform Hooks". Loaded only for containers that
have hooks, by whoever runs them: for three kinds that is outside of the container, for
createContainer and startContainer it is init.
"""

import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import RuntimeFailure

KINDS = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)
OCI_VERSION = "1.2.0"
_KILL = 9
_SIGNALS = tuple(number for number in range(1, 32) if number not in (9, 19))
_LARGEST_WORDS = 2000

Hook = Mapping[str, Any]
"""`path`, and where wanted `args`, `env` and `timeout` (seconds), as in config.json."""


def make_state(
    container_id: str,
    status: str,
    pid: int,
    bundle: str,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The state that hooks are told (runtime.md, "State"); a pid of 0 is left out."""
    state: dict[str, Any] = {"ociVersion": OCI_VERSION, "id": container_id, "status": status}
    if pid:
        state["pid"] = pid
    return state | {"bundle": bundle, "annotations": dict(annotations or {})}


def run(hooks: Sequence[Hook], state: Mapping[str, Any]) -> None:
    """Run each in order with `state` on its stdin, until one fails.

    A hook gets only the environment it lists, a session of its own, and the caller's working
    directory. One that takes longer than its timeout is killed with its process group.

    Raises:
        RuntimeFailure: naming the hook, how it ended, and the last of what it wrote.
    """
    for hook in hooks:
        _run(hook, state)


def run_all(hooks: Sequence[Hook], state: Mapping[str, Any]) -> list[str]:
    """Run each whatever becomes of the others, as for poststop; returns what failed."""
    failures = []
    for hook in hooks:
        try:
            _run(hook, state)
        except RuntimeFailure as error:
            failures.append(str(error))
    return failures


def _run(hook: Hook, state: Mapping[str, Any]) -> None:
    stdin, output = _told(state), os.memfd_create("hook-output")
    try:
        status = _wait(_spawn(hook, stdin, output), hook.get("timeout"))
        if status:
            raise RuntimeFailure(f"hook {hook['path']}: {_how(status, hook)}{_words(output)}")
    finally:
        os.close(stdin)
        os.close(output)


def _told(state: Mapping[str, Any]) -> int:
    """A descriptor to read the state from; a file, so that no hook has to read it."""
    import json  # where there are no hooks nobody needs it

    fd = os.memfd_create("hook-state")
    data = memoryview(json.dumps(state).encode())
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _spawn(hook: Hook, stdin: int, output: int) -> int:
    """By posix_spawn, which may be called in a process with threads."""
    environment = dict(entry.partition("=")[::2] for entry in hook.get("env") or ())
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, output, fd) for fd in (1, 2)]
    closed = [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()]
    try:
        return os.posix_spawn(
            hook["path"],
            hook.get("args") or [hook["path"]],
            environment,
            file_actions=[*actions, *closed],
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise RuntimeFailure(f"hook {hook['path']}: {text}") from error


def _inheritable() -> list[int]:
    """What a caller was itself given and not told to close, e.g. by `--preserve-fds`."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except FileNotFoundError:
        return []  # a container without /proc, whose init has nothing inheritable left
    return [fd for fd in numbers if fd > 2 and _is_inheritable(fd)]


def _is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # the one by which the list was read


def _wait(pid: int, timeout: int | None) -> int:
    """The wait status; -1 for one that took too long and was killed.

    Nor does it outlive its caller, where a signal ends that.
    """
    try:
        if timeout is None or _ends(pid, timeout):
            return os.waitpid(pid, 0)[1]
    except BaseException:
        _kill(pid)
        raise
    _kill(pid)
    return -1


def _kill(pid: int) -> None:
    os.killpg(pid, _KILL)
    os.waitpid(pid, 0)


def _ends(pid: int, timeout: int) -> bool:
    process = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                return True
        return False
    finally:
        os.close(process)


def _how(status: int, hook: Hook) -> str:
    if status < 0:
        return f"took longer than {hook['timeout']} s and was killed"
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"killed by signal {-code}"


def _words(output: int) -> str:
    size = os.fstat(output).st_size
    data = os.pread(output, _LARGEST_WORDS, max(0, size - _LARGEST_WORDS))
    text = data.decode(errors="replace").strip()
    return f": {text}" if text else ""
