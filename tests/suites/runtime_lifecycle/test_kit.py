"""/proc, /dev and /sys that were made before the container was asked for: no program can tell."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.cgroups import detect
from engine.runtime.launcher import Launcher

from .conftest import Host, bounded, log_text, until
from .test_spares import slots

pytestmark = pytest.mark.skipif(
    detect().mode not in ("v1", "hybrid"), reason="nothing is made ahead on cgroup v2"
)

LOOK = r"""
exec 2>&1
sed 's/^[0-9]* [0-9]* [0-9]*:[0-9]* //; s/:[0-9]* / /' /proc/self/mountinfo | sort
find /dev /sys/fs/cgroup -maxdepth 1 | sort | xargs ls -ld | awk '{print $1,$3,$4,$5,$NF}'
for each in /proc/kcore /proc/timer_list /proc/acpi /sys/firmware; do ls -ld $each; done
cat /proc/self/cgroup; cat /proc/1/comm; hostname
cat /proc/sys/kernel/ostype > /proc/sys/kernel/hostname || echo read-only
ls /sys/class/net; echo; tty < /dev/ptmx; ls -l /dev/pts
"""


MOST = 30

MOUNTS = [
    ("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
]
MASKED = ["/proc/kcore", "/proc/timer_list", "/proc/acpi", "/sys/firmware", "/proc/none"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def trees(init: int) -> int:
    """How many detached mounts an init that waits for its container holds."""
    folder = Path(f"/proc/{init}/fd")
    with suppress(OSError):
        return sum(os.readlink(folder / name) == "/" for name in os.listdir(folder))
    return -1


def held(host: Host) -> list[int]:
    """The same of each spare that has an init."""
    inits = [path / "cgroup.procs" for path in slots(host) if "pids" in path.parts]
    return [trees(int(text)) for init in inits if (text := init.read_text().strip())]


def config_of(host: Host, changes: dict[str, Any]) -> dict[str, Any]:
    words = ("destination", "type", "options")
    mounts = [dict(zip(words, each, strict=True), source=each[1]) for each in MOUNTS]
    config = host.config(["sh", "-c", LOOK], mounts=mounts)
    config["linux"].update(maskedPaths=MASKED, readonlyPaths=READONLY, **changes)
    return config


async def look(host: Host, launcher: Launcher, name: str, config: dict[str, Any]) -> str:
    monitor = host.remember(
        await launcher.create(name, host.options(name, json.loads(json.dumps(config))))
    )
    await monitor.start()
    await bounded(monitor.wait())
    told = log_text(host.log(name)).decode()
    return re.sub(rf"{name}|spare-[0-9-]*|ns/[a-z]*:\[\d+\]", "", told)


async def staged(host: Host, launcher: Launcher, config: dict[str, Any]) -> None:
    """Have both spares hold the trees of such a container."""
    for number in range(MOST):  # one that was begun before the first was made has nothing yet
        await until(lambda: len(held(host)) == 2)
        if held(host) == [3, 3]:
            return
        await look(host, launcher, f"other{number}", config)
    pytest.fail("the spares do not learn")


@pytest.mark.parametrize("cgroup_namespace", [True, False])
@pytest.mark.parametrize("propagation", ["", "shared", "rslave", "private"])
async def test_nobody_can_tell(
    host: Host, launcher: Launcher, propagation: str, cgroup_namespace: bool
) -> None:
    config = config_of(host, {"rootfsPropagation": propagation} if propagation else {})
    if not cgroup_namespace:
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "cgroup"]
    await until(lambda: held(host) == [0, 0])
    first = await look(host, launcher, "first", config)
    await staged(host, launcher, config)
    third = await look(host, launcher, "third", config)
    assert "read-only" in first or "Read-only" in first
    assert sorted(third.splitlines()) == sorted(first.splitlines())


@pytest.mark.parametrize("led", ["/proc/acpi", "/proc/bus", "/proc/timer_list"])
async def test_a_link_into_proc_is_refused(host: Host, launcher: Launcher, led: str) -> None:
    await staged(host, launcher, config_of(host, {}))
    with _link(host, led), pytest.raises(EngineError, match="leads into /proc"):
        await look(host, launcher, "box", _with_volume(host, is_file=led.endswith("list")))


async def test_what_a_link_leads_into_is_hidden_all_the_same(
    host: Host, launcher: Launcher
) -> None:
    await staged(host, launcher, config_of(host, {}))
    config = _with_volume(host)
    config["process"]["args"] = ["sh", "-c", "ls -A /data/ /sys/firmware | grep -c volume"]
    with _link(host, "/sys/firmware"):
        assert await look(host, launcher, "box", config) == "0\n"


@contextmanager
def _link(host: Host, led: str) -> Iterator[None]:
    """The image of all tests has a link at /data for a while."""
    link = host.rootfs / "data"
    link.symlink_to(led)
    try:
        yield
    finally:
        link.unlink()


def _with_volume(host: Host, *, is_file: bool = False) -> dict[str, Any]:
    source = host.directory / "volume"
    source.mkdir()
    (source / "of-a-volume").touch()
    source = source / "of-a-volume" if is_file else source
    config = config_of(host, {})
    bind = {"destination": "/data", "type": "bind", "source": str(source), "options": ["bind"]}
    config["mounts"].append(bind)
    return config
