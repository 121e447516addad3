"""Hooks in all six places: their order, what they are told, and what a failure does."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import Launcher, Monitor

from .conftest import Config, Host, bounded, until
from .spec import Change, configure, create, finish

OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
CREATE = ("prestart", "createRuntime", "createContainer")


class Hooks:
    """Hooks that append a line of what they see to one file."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.told = directory / "told"
        self._inside = host.rootfs / "told"
        self._inside.unlink(missing_ok=True)
        self.script = directory / "hook"
        self._write(self.script, f'{_SEEN} >> "{self.told}"')
        # Which only those that run in the container's own file system find.
        self._write(host.rootfs / "hook", f"export PATH=/bin; {_SEEN} >> /told")

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(f'#!/bin/sh\n[ "$2" = fail ] && {{ echo so it is >&2; exit 3; }}\n{text}\n')
        path.chmod(0o755)

    def change(self, *, failing: str = "") -> Change:
        def change(config: Config) -> None:
            config["annotations"] = {"com.example.key": "value"}
            config["hooks"] = {kind: [self._hook(kind, kind == failing)] for kind in OUTSIDE}
            start = self._hook("startContainer", failing == "startContainer")
            config["hooks"]["startContainer"] = [start | {"path": "/hook"}]
            if failing in config["hooks"]:
                config["hooks"][failing].append(self._hook("after", False))

        return change

    def _hook(self, kind: str, fails: bool) -> dict[str, Any]:
        arguments = ["hook", kind, *(["fail"] if fails else [])]
        return {"path": str(self.script), "args": arguments, "env": ["A=b"], "timeout": 20}

    def seen(self) -> "list[tuple[str, dict[str, str], dict[str, Any]]]":
        """(kind, what it saw, its state) of each that has run, outside and then inside."""
        files = [path for path in (self.told, self._inside) if path.exists()]
        rows = [line.split(" ", 4) for path in files for line in path.read_text().splitlines()]
        return [
            (kind, {"ns": space, "pwd": directory, "env": env}, json.loads(state))
            for kind, space, directory, env, state in rows
        ]

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.seen()]


_SEEN = 'echo "$1 $(readlink /proc/self/ns/uts) $PWD $A $(cat)"'


@pytest.fixture
def hooks(host: Host, tmp_path: Path) -> Hooks:
    return Hooks(host, tmp_path)


async def test_all_six_in_their_places(host: Host, launcher: Launcher, hooks: Hooks) -> None:
    config = configure(host, "test -f /told && echo after startContainer", hooks.change())
    monitor = await create(host, launcher, "c1", config)
    assert hooks.kinds() == list(CREATE)
    code, text = await finish(monitor)
    assert (code, text) == (0, "after startContainer\n")
    await bounded(monitor.delete())
    assert hooks.kinds() == [*OUTSIDE, "startContainer"]
    _check_states(hooks, monitor, str(host.bundle("c1")))
    own = os.readlink("/proc/self/ns/uts")
    where = {kind: seen["ns"] == own for kind, seen, _ in hooks.seen()}
    inside = ("createContainer", "startContainer")
    assert where == {kind: kind not in inside for kind in (*OUTSIDE, "startContainer")}


def _check_states(hooks: Hooks, monitor: Monitor, bundle: str) -> None:
    states = {kind: state for kind, _, state in hooks.seen()}
    for state in states.values():
        assert (state["id"], state["bundle"]) == ("c1", bundle)
        assert state["annotations"]["com.example.key"] == "value"
        assert state["ociVersion"].startswith("1.")
    pids = {kind: state.get("pid", 0) for kind, state in states.items()}
    pid = monitor.pid
    assert (pids["prestart"], pids["createRuntime"], pids["poststart"]) == (pid, pid, pid)
    assert (pids["createContainer"], pids["startContainer"], pids["poststop"]) == (1, 1, 0)
    statuses = [states[kind]["status"] for kind in (*CREATE, "startContainer", "poststop")]
    assert statuses == ["creating", "creating", "creating", "created", "stopped"]


async def test_hooks_of_create_run_beside_bundle_and_root(
    host: Host, launcher: Launcher, hooks: Hooks
) -> None:
    monitor = await create(host, launcher, "c1", configure(host, "true", hooks.change()))
    places = {kind: (seen["pwd"], seen["env"]) for kind, seen, _ in hooks.seen()}
    bundle = str(host.bundle("c1"))
    assert places == {
        "prestart": (bundle, "b"),
        "createRuntime": (bundle, "b"),
        "createContainer": (str(host.rootfs), "b"),
    }
    await bounded(monitor.delete())
    assert hooks.kinds() == [*CREATE, "poststop"]


async def test_hooks_of_create_find_the_containers_mounts(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    """What device plug-ins live by: the root is mounted, and still at its path of the host."""
    look = tmp_path / "look"
    look.write_text(
        f"#!/bin/sh\n[ -c {host.rootfs}/dev/null ] && grep -c {host.rootfs}/proc /proc/mounts\n"
        f"mkdir -p {host.rootfs}/hooked && mount -t tmpfs -o mode=700 hooked {host.rootfs}/hooked"
    )
    look.chmod(0o755)

    def change(config: Config) -> None:
        hook = {"path": str(look), "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}
        config["hooks"] = {"createContainer": [hook]}

    monitor = await create(
        host, launcher, "c1", configure(host, "grep -c ' /hooked tmpfs' /proc/mounts", change)
    )
    assert await finish(monitor) == (0, "1\n")
    assert f"{host.rootfs}/hooked" not in Path("/proc/mounts").read_text()


@pytest.mark.parametrize("kind", CREATE)
async def test_a_failing_hook_fails_create(
    host: Host, launcher: Launcher, hooks: Hooks, kind: str
) -> None:
    config = configure(host, "true", hooks.change(failing=kind))
    with pytest.raises(EngineError, match=r"exit status 3.*so it is"):
        await create(host, launcher, "c1", config)
    assert hooks.kinds()[: CREATE.index(kind)] == list(CREATE[: CREATE.index(kind)])
    assert "after" not in hooks.kinds()
    assert not host.bundle("c1").exists()
    again = await create(host, launcher, "c1", configure(host, "echo well"))
    assert await finish(again) == (0, "well\n")


async def test_after_a_failing_create_comes_poststop(
    host: Host, launcher: Launcher, hooks: Hooks
) -> None:
    with pytest.raises(EngineError):
        config = configure(host, "true", hooks.change(failing="createContainer"))
        await create(host, launcher, "c1", config)
    await until(lambda: hooks.kinds() == ["prestart", "createRuntime", "poststop"])


async def test_a_failing_hook_fails_start(host: Host, launcher: Launcher, hooks: Hooks) -> None:
    config = configure(host, "touch /tmp/ran", hooks.change(failing="startContainer"))
    monitor = await create(host, launcher, "c1", config)
    with pytest.raises(EngineError, match="exit status 3"):
        await monitor.start()
    assert not (host.rootfs / "tmp/ran").exists()
    await bounded(monitor.delete())
    assert hooks.kinds() == [*CREATE, "poststop"]


@pytest.mark.parametrize("kind", ["poststart", "poststop"])
async def test_a_failing_late_hook_changes_nothing(
    host: Host, launcher: Launcher, hooks: Hooks, kind: str
) -> None:
    config = configure(host, "echo well", hooks.change(failing=kind))
    monitor = await create(host, launcher, "c1", config)
    assert await finish(monitor) == (0, "well\n")
    await bounded(monitor.delete())
    rest = [each for each in OUTSIDE if each != kind]
    assert sorted(hooks.kinds()) == sorted([*rest, "after", "startContainer"])


async def test_a_slow_hook_is_given_up(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        hook = {"path": shutil.which("sleep"), "args": ["sleep", "1000"], "timeout": 1}
        config["hooks"] = {"createRuntime": [hook]}

    with pytest.raises(EngineError):
        await create(host, launcher, "c1", configure(host, "true", change))
    assert not host.bundle("c1").exists()


async def test_an_engine_that_adopts_a_container_runs_its_late_hooks(
    host: Host, hooks: Hooks
) -> None:
    first = await host.launcher()
    await create(host, first, "c1", configure(host, "sleep 1000", hooks.change()))
    await first.close()
    monitor = await (await host.launcher()).adopt("c1", host.bundle("c1"))
    assert monitor is not None
    host.monitors[:] = [host.remember(monitor)]
    await monitor.start()
    assert hooks.kinds() == [*CREATE, "poststart", "startContainer"]
    await monitor.kill(9)
    await bounded(monitor.wait())
    await bounded(monitor.delete())
    assert hooks.kinds() == [*OUTSIDE, "startContainer"]
