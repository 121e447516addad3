"""What of a container can be made before it is asked for, and what has to wait for it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import kit, plan

from .harness import make_config

Config = dict[str, Any]

MOUNTS = [
    ("/proc", "proc", []),
    ("/dev", "tmpfs", ["mode=755"]),
    ("/dev/pts", "devpts", ["newinstance"]),
    ("/sys", "sysfs", ["ro"]),
    ("/data", "bind", ["bind"]),
]


@pytest.fixture
def config() -> Config:
    words = ("destination", "type", "options")
    mounts = [dict(zip(words, each, strict=True), source="/tmp") for each in MOUNTS]
    made = make_config(Path("/some/root"), "sh")
    made["mounts"] = mounts
    made["linux"]["maskedPaths"] = ["/proc/kcore", "/secret"]
    made["linux"]["readonlyPaths"] = ["/proc/sys", "/usr"]
    return made


def kit_of(config: Config) -> kit.Kit | None:
    return kit.of(plan.compile(config, (), warnings=[]))


def test_it_is_what_lies_in_its_trees(config: Config) -> None:
    made = kit_of(config)
    assert made is not None
    assert made.tops == ("/proc", "/dev", "/sys")
    assert [mount.target for mount in made.mounts] == ["/proc", "/dev", "/dev/pts", "/sys"]
    assert made.masked_paths == ("/proc/kcore",)
    assert made.readonly_paths == ("/proc/sys",)
    assert {os.path.dirname(device.path) for device in made.devices} == {"/dev"}
    assert kit.Kit.from_bytes(made.to_bytes()) == made


def test_what_is_beside_does_not_change_it(config: Config) -> None:
    before = kit_of(config)
    config["process"]["args"] = ["other"]
    config["mounts"].append({"destination": "/more", "type": "tmpfs", "source": "tmpfs"})
    config["linux"]["maskedPaths"].append("/other")
    after = kit_of(config)
    assert before is not None and after is not None
    assert after.to_bytes() == before.to_bytes()
    config["linux"]["maskedPaths"].append("/proc/keys")
    changed = kit_of(config)
    assert changed is not None and changed.to_bytes() != before.to_bytes()


def _bind_inside(config: Config) -> None:
    config["mounts"].append(
        {"destination": "/dev/shm", "type": "bind", "source": "/tmp", "options": ["bind"]}
    )


def _mode_of_the_image(config: Config) -> None:
    config["mounts"].append({"destination": "/dev/shm", "type": "tmpfs", "source": "tmpfs"})


def _another_spelling(config: Config) -> None:
    config["mounts"].append(
        {"destination": "//proc/x", "type": "bind", "source": "/tmp", "options": ["bind"]}
    )


def _hidden_by_another_spelling(config: Config) -> None:
    config["linux"]["maskedPaths"].append("/proc/../etc/secret")


def _read_only_by_another_spelling(config: Config) -> None:
    config["linux"]["readonlyPaths"].append("/dev/../etc")


def _read_only_devices(config: Config) -> None:
    config["linux"]["readonlyPaths"].append("/dev")


def _read_only_tmpfs(config: Config) -> None:
    config["mounts"][1]["options"].append("ro")


def _not_to_be_copied(config: Config) -> None:
    config["mounts"][2]["options"].append("unbindable")


def _processes_elsewhere(config: Config) -> None:
    config["mounts"].append({"destination": "/dev/proc", "type": "proc", "source": "proc"})


def _twice(config: Config) -> None:
    config["mounts"].append({"destination": "/proc", "type": "proc", "source": "proc"})


def _nothing_there(config: Config) -> None:
    config["mounts"] = config["mounts"][-1:]


def _shared_network(config: Config) -> None:
    spaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "network"]


def _joined_network(config: Config) -> None:
    _shared_network(config)
    config["linux"]["namespaces"].append({"type": "network", "path": "/proc/self/ns/net"})


@pytest.mark.parametrize(
    "change",
    [
        _bind_inside,
        _mode_of_the_image,
        _another_spelling,
        _hidden_by_another_spelling,
        _read_only_by_another_spelling,
        _read_only_devices,
        _read_only_tmpfs,
        _not_to_be_copied,
        _processes_elsewhere,
        _twice,
        _nothing_there,
        _shared_network,
        _joined_network,
    ],
)
def test_none_can_be_made_ahead(config: Config, change: Callable[[Config], None]) -> None:
    change(config)
    assert kit_of(config) is None


def test_shared_bytes_are_those_put_last() -> None:
    shared = kit.Shared()
    assert shared.get() == b""
    shared.put(b"first, and longer")
    shared.put(b"second")
    assert shared.get() == b"second"
    shared.put(bytes(1 << 20))  # too long to be kept
    assert shared.get() == b"second"


def test_a_child_sees_what_its_parent_puts_and_the_reverse() -> None:
    shared = kit.Shared()
    shared.put(b"of the parent")
    if (pid := os.fork()) == 0:
        shared.put(b"of the child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert shared.get() == b"of the child"


def test_what_is_half_replaced_is_not_given() -> None:
    shared = kit.Shared()
    shared.put(b"abcdef")
    shared._memory[20:21] = b"X"
    assert shared.get() == b""
