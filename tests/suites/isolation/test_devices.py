"""Device nodes: a number is a way into the kernel, whatever file carries it."""

import os
import shutil
import stat
from pathlib import Path

from tests.suites.host import make_rootfs

from .box import DOCKER, UNCONFINED, Box, give_python, program

# Of every kernel: the log, which needs no more than the right number; then memory and a disk's.
NODES = """
for kind, major, minor in {nodes}:
    path = f"/tmp/node-{{major}}-{{minor}}"
    print(kind, major, minor, outcome(os.mknod, path, kind | 0o600, os.makedev(major, minor)),
          outcome(lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))), flush=True)
    os.unlink(path)
"""
KMSG = (stat.S_IFCHR, 1, 11)


def nodes() -> list[tuple[int, int, int]]:
    """The kernel's log, memory, ports, a terminal of the host, fuse, and every disk."""
    found = [
        KMSG,
        *((stat.S_IFCHR, *number) for number in ((1, 1), (1, 4), (4, 1), (10, 229))),
    ]
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor = line.split()[:2]
        found.append((stat.S_IFBLK, int(major), int(minor)))
    return found


async def test_a_node_can_be_made_and_not_opened(box: Box) -> None:
    """Docker grants CAP_MKNOD; the cgroup decides what the node is good for."""
    attack = NODES.format(nodes=nodes())
    said = [line.split() for line in (await box.run(attack)).splitlines()]
    assert {tuple(words[3:]) for words in said} == {("worked", "EPERM")}
    assert len(said) == len(nodes())
    granted = await box.run(NODES.format(nodes=[KMSG]), UNCONFINED)
    assert granted.split()[3:] == ["worked", "worked"]


async def test_a_node_of_the_image_opens_nothing(box: Box, tmp_path: Path) -> None:
    root = give_python(make_rootfs(_directory(tmp_path / "image")))
    os.mknod(root / "log", 0o666 | stat.S_IFCHR, os.makedev(1, 11))
    inside = Box(box.host, box.launcher, root)
    attack = "attempt(os.open, '/log', os.O_RDONLY | os.O_NONBLOCK)"
    assert await inside.run(attack) == "EPERM"
    assert await inside.run(attack, UNCONFINED) == "worked"
    shutil.rmtree(root)


DEVICE_FILES = """
for name in sorted(os.listdir("/dev")):
    status = os.lstat("/dev/" + name)
    if status.st_mode & 0o170000 in (0o020000, 0o060000):
        print(name, os.major(status.st_rdev), os.minor(status.st_rdev))
"""


async def test_dev_holds_the_standard_devices_alone(box: Box) -> None:
    """As the OCI runtime specification lists them; /dev/ptmx is a link to the container's own."""
    said = [line.split() for line in (await box.run(DEVICE_FILES)).splitlines()]
    assert {name: (int(major), int(minor)) for name, major, minor in said} == {
        "full": (1, 7),
        "null": (1, 3),
        "random": (1, 8),
        "tty": (5, 0),
        "urandom": (1, 9),
        "zero": (1, 5),
    }


async def test_a_terminal_of_the_host_is_not_opened_by_its_number(box: Box) -> None:
    """Docker permits 136:*, which in the container's devpts are its own terminals or none."""
    master, slave = os.openpty()
    number = os.fstat(slave).st_rdev
    minor = os.minor(number)
    code = f"""
os.mknod("/tmp/terminal", 0o020666, os.makedev({os.major(number)}, {minor}))
attempt(os.open, "/tmp/terminal", os.O_RDWR | os.O_NOCTTY)
os.unlink("/tmp/terminal")
"""
    try:
        assert await box.run(code, DOCKER) in ("EIO", "ENXIO", "ENODEV", "EPERM")
    finally:
        os.close(master)
        os.close(slave)


async def test_a_device_of_ones_own_is_given_and_no_more(box: Box) -> None:
    """A rule for one minor lets no other through."""
    fuse, memory = (stat.S_IFCHR, 10, 229), (stat.S_IFCHR, 1, 1)
    config = box.config(program(NODES.format(nodes=[fuse, memory])))
    rules = config["linux"]["resources"]["devices"]
    rules.append({"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"})
    said = [line.split()[4] for line in (await box.finish(config))[0].splitlines()]
    assert said[0] in ("worked", "ENXIO", "ENODEV")  # the rule, or a kernel without FUSE
    assert said[1] == "EPERM"


async def test_the_tunnel_device_is_not_open(box: Box) -> None:
    attack = NODES.format(nodes=[(stat.S_IFCHR, 10, 200)])
    assert (await box.run(attack)).split()[3:] == ["worked", "EPERM"]


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
