"""What two containers, or a container and the host, share: volumes, and who changes them when."""

import ast
import ctypes
import os
import threading
from pathlib import Path

import pytest

from tests.suites.host import bounded

from .box import UNCONFINED, Box, program
from .image import Image, bind, outcome

MOUNT_POINTS = """
with open("/proc/self/mountinfo") as file:
    print(sorted(set(line.split()[4] for line in file)))
print(os.path.exists(SECRET), os.path.exists("/vol/swapped" + SECRET))
"""
RENAME_EXCHANGE = 2
ROUNDS = 8


class Swapper:
    """Exchanges a directory and a link as fast as it can, as another container could."""

    def __init__(self, volume: Path, target: str) -> None:
        (volume / "swapped").mkdir()
        (volume / "link").symlink_to(target)
        self._paths = [os.fsencode(volume / name) for name in ("swapped", "link")]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def _run(self) -> None:
        libc, here, (one, other) = ctypes.CDLL(None), -100, self._paths
        while not self._stop.is_set():
            self.count += libc.renameat2(here, one, here, other, RENAME_EXCHANGE) == 0

    def __enter__(self) -> "Swapper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("below", ["", "/made"], ids=["mounted on", "made below"])
async def test_a_target_swapped_while_it_is_used_stays_inside(
    box: Box, image: Image, tmp_path: Path, below: str
) -> None:
    """CVE-2021-30465 and CVE-2024-45310: mounted over, or made, where the link leads on the host.

    The link leads to the root, or by more .. than there are to the victim.
    """
    volume = tmp_path / "volume"
    volume.mkdir()
    secret = str(image.victim / "secret")
    config = box.config(program(f"SECRET = {secret!r}" + MOUNT_POINTS))
    target = "/vol/swapped" + below
    config["mounts"].append(bind("/vol", volume))
    config["mounts"].append({"destination": target, "type": "tmpfs", "source": "none"})
    allowed = {each["destination"] for each in config["mounts"]} | {"/", "/vol/link" + below}
    config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    led = "../" * 30 + str(image.victim).lstrip("/") if below else "/"
    with Swapper(volume, led) as swapper:
        for _ in range(ROUNDS):
            assert_inside(await outcome(box, image, config), allowed, str(image.victim))
    assert swapper.count > 100


def assert_inside(said: str, allowed: set[str], victim: str) -> None:
    if said.startswith("refused"):
        return
    points, found = said.splitlines()
    assert found == "False False", said
    found_points = set(ast.literal_eval(points))
    others = {p for p in found_points - allowed if not p.startswith("/sys/fs/cgroup")}
    assert others <= {victim + "/made"}, said  # of the container's own, made by following inside


MOUNT_INSIDE = """
call("mount", b"none", b"/vol", b"tmpfs", 0, None)
print("mounted", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("propagation", ["rprivate", "rslave"])
async def test_what_is_mounted_inside_is_not_mounted_on_the_host(
    box: Box, tmp_path: Path, propagation: str
) -> None:
    """Even by root with all rights, in a directory of the host's."""
    assert not await mounts_on_host(box, tmp_path / "volume", propagation)


async def test_unless_that_is_asked_for(box: Box, tmp_path: Path) -> None:
    assert await mounts_on_host(box, tmp_path / "volume", "rshared")


async def mounts_on_host(box: Box, volume: Path, propagation: str) -> bool:
    """Whether a mount made in a container appears in the shared mount `volume` of the host."""
    volume.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    path, shared = os.fsencode(volume), 1 << 20
    assert libc.mount(b"none", path, b"tmpfs", 0, None) == 0
    try:
        assert libc.mount(None, path, None, shared, None) == 0
        config = box.config(program(MOUNT_INSIDE), UNCONFINED)
        if propagation == "rshared":
            config["linux"]["rootfsPropagation"] = "shared"  # as Docker does for such a mount
        mount = {"destination": "/vol", "type": "bind", "source": str(volume)}
        config["mounts"].append(mount | {"options": ["rbind", propagation]})
        monitor = await box.create(config, open_stdin=True, stdin_once=True)
        stream = await monitor.attach(stdin=True, stdout=True, stderr=True)
        await monitor.start()
        assert await bounded(stream.read()) == (1, b"mounted\n")
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        await stream.write_eof()
        await stream.close()
        await bounded(monitor.wait())
        return sum(f" {volume} " in line for line in lines) > 1
    finally:
        while libc.umount2(path, 2) == 0:
            pass


async def test_a_read_only_volume_cannot_be_written(box: Box, tmp_path: Path) -> None:
    """Nor remounted; its mounts below are as they were, which is what `rro` is for."""
    (tmp_path / "file").write_text("as it was")
    attack = """
attempt(write, "/vol/file", "changed")
attempt(call, "mount", b"none", b"/vol", b"none", 32 | 4096, None)
attempt(os.mkdir, "/vol/made")
"""
    mount = bind("/vol", tmp_path)
    for options, expected in ((["bind", "ro"], ["EROFS", "EPERM", "EROFS"]), (["bind"], None)):
        config = box.config(program(attack))
        config["mounts"].append(mount | {"options": options})
        said = (await box.finish(config))[0].split()
        assert said == (expected or ["worked", "EPERM", "worked"])


async def test_a_passwd_that_is_a_pipe_does_not_hold_a_start_up(box: Box, image: Image) -> None:
    """The runtime looks there for a home; nobody will ever write into it."""
    os.mkfifo(image.root / "etc/passwd")
    config = box.config(["true"])
    config["process"]["env"] = ["PATH=/bin"]
    assert await outcome(box, image, config) == ""
