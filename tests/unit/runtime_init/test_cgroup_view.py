"""The cgroup a container is born in, and what it sees of it, on v1, hybrid and v2 alike."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import hierarchies, init
from engine.runtime.hierarchies import mounted

from .harness import compile, drive, make_config, shell

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def group() -> Iterator[Path]:
    """An empty cgroup of the v2 hierarchy, wherever the host has it."""
    points = [each.mount_point for each in mounted() if each.version == 2]
    if not points:
        pytest.skip("needs a cgroup v2 hierarchy mounted below /sys/fs/cgroup")
    path = Path(points[0]) / f"berth-test-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


def lines(config: dict[str, Any], group: Path) -> list[str]:
    compiled = compile(config)
    fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        running = drive(lambda stdio: init.spawn(compiled, stdio, cgroup_fd=fd))
    finally:
        os.close(fd)
    return running.finish()[1].splitlines()


def test_container_is_born_in_the_given_cgroup(root: Path, group: Path) -> None:
    config = shell(root, "cat /proc/self/cgroup")
    config["linux"]["namespaces"] = [
        each for each in config["linux"]["namespaces"] if each["type"] != "cgroup"
    ]
    assert f"0::/{group.name}" in lines(config, group)


def test_born_inside_its_cgroup_is_the_root_of_its_view(root: Path, group: Path) -> None:
    assert "0::/" in lines(shell(root, "cat /proc/self/cgroup"), group)


def test_options_of_the_mount_are_no_controllers() -> None:
    """SELinux adds `seclabel`; taken for a name it would hide the hierarchy's own place."""
    line = "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,seclabel,memory"
    found = hierarchies.parse(line, frozenset({"memory", "cpu", ""}))
    assert found is not None and found.option == "memory"


def test_a_hierarchy_this_process_is_not_in_is_never_shown_whole(root: Path) -> None:
    config = shell(root, "true")
    config["linux"]["namespaces"] = [
        each for each in config["linux"]["namespaces"] if each["type"] != "cgroup"
    ]
    first = next((each for each in mounted() if each.version == 1), None)
    if first is None:
        pytest.skip("needs a cgroup v1 hierarchy mounted below /sys/fs/cgroup")
    compiled = compile(config)._replace(cgroup_mounts=(first._replace(option="unknown"),))
    with pytest.raises(init.StepFailed, match=f"no cgroup of this process.*{first.mount_point}"):
        drive(lambda stdio: init.spawn(compiled, stdio))


def test_exec_is_born_in_the_given_cgroup(root: Path, group: Path) -> None:
    from .harness import start

    config = make_config(root, "sleep", "600")
    container, compiled = start(config), compile(config)
    fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    session = drive(
        lambda stdio: init.spawn_exec(
            compiled.process,
            stdio,
            target=container.child.pidfd,
            namespaces=compiled.namespaces,
            cgroup_fd=fd,
        )
    )
    os.close(fd)
    assert f"0::/{group.name}" in Path(f"/proc/{session.pid}/cgroup").read_text().split()
    session.kill()
    container.kill()


_UNIFIED_ONLY = """
import json, sys
sys.path[:0] = [{repository!r}, {tests!r}]
from runtime_init.harness import run
print(*run(json.loads(sys.argv[1])))
"""


@pytest.mark.parametrize("own_namespace", [True, False])
def test_view_where_everything_is_cgroup_v2(root: Path, own_namespace: bool) -> None:
    """The host's hierarchies are covered, in a mount namespace of the test's own."""
    config = shell(root, "cat /proc/mounts; ls /sys/fs/cgroup; touch /sys/fs/cgroup/x")
    if not own_namespace:
        config["linux"]["namespaces"] = [
            each for each in config["linux"]["namespaces"] if each["type"] != "cgroup"
        ]
    script = _UNIFIED_ONLY.format(repository=str(REPOSITORY), tests=str(REPOSITORY / "tests/unit"))
    covered = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", covered, "sh", sys.executable, "-c", script]
    done = subprocess.run(
        [*command, json.dumps(config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "/sys/fs/cgroup cgroup2 ro," in done.stdout
    assert "cgroup.procs" in done.stdout
    assert "/sys/fs/cgroup/x: " in done.stdout
