"""A user without root whose own systemd makes the cgroup of a container, as podman's would be."""

import json
import os
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system import user_systemd
from tests.system.daemons import busybox_rootfs
from tests.system.unprivileged import Unprivileged

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(user_systemd.missing()), reason=user_systemd.missing()),
]
MIB = 1 << 20
LIMITS = {"memory": {"limit": 64 * MIB}, "pids": {"limit": 55}}
UNIT = "berth-box.scope"
DETACHED = 'exec berth-runtime --systemd-cgroup "$@" </dev/null >/dev/null 2>"$0"/log'


@pytest.fixture
def user() -> Iterator[Unprivileged]:
    made = Unprivileged()
    try:
        bundle(made)
        with user_systemd.user_systemd(made):
            yield made
            oci(made, "delete", "--force", "box")
    finally:
        made.close()


def bundle(user: Unprivileged) -> None:
    """A container that sleeps, within limits, in the user's home."""
    rootfs = user.home / "rootfs"
    with tarfile.open(fileobj=BytesIO(busybox_rootfs())) as tar:
        tar.extractall(rootfs, filter="fully_trusted")
    for path in (rootfs, *rootfs.rglob("*")):
        os.lchown(path, user.uid, user.uid)
    user.run("berth-runtime", "spec", "--rootless", "--bundle", str(user.home))
    path = user.home / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"args": ["sleep", "1000"], "terminal": False}
    config["linux"] |= {"resources": LIMITS, "cgroupsPath": "user.slice:berth:box"}
    path.write_text(json.dumps(config))


def oci(user: Unprivileged, *words: str) -> str:
    return user.run("berth-runtime", "--systemd-cgroup", *words).stdout


def shown(user: Unprivileged, name: str) -> str:
    words = ("systemctl", "--user", "show", "--value", "-p", name, UNIT)
    return user.run(*words).stdout.strip()


def test_it_is_a_scope_of_the_users(user: Unprivileged) -> None:
    words = ("run", "--detach", "--bundle", str(user.home), "box")
    started = user.run("sh", "-c", DETACHED, str(user.home), *words, check=False)
    assert started.returncode == 0, (user.home / "log").read_text()
    pid = json.loads(oci(user, "state", "box"))["pid"]
    place = Path(f"/proc/{pid}/cgroup").read_text().strip().partition("::")[2]
    assert place.endswith(f"/user.slice/{UNIT}")
    group = Path(f"/sys/fs/cgroup{place}")
    assert (group / "memory.max").read_text() == f"{64 * MIB}\n"
    assert shown(user, "TasksMax") == "55"
    oci(user, "update", "--pids-limit", "44", "box")
    assert shown(user, "TasksMax") == (group / "pids.max").read_text().strip() == "44"
    oci(user, "pause", "box")
    assert json.loads(oci(user, "state", "box"))["status"] == "paused"
    oci(user, "resume", "box")
    oci(user, "kill", "box", "KILL")
    eventually(lambda: json.loads(oci(user, "state", "box"))["status"] == "stopped")
    oci(user, "delete", "box")
    assert not group.exists()
    eventually(lambda: shown(user, "LoadState") == "not-found")
