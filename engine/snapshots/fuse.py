"""Snapshots by fuse-overlayfs(1): overlay's layers, stacked by a process where the kernel refuses.

The process serves one container. It is unmounted here as soon as the container has the mount in a
mount namespace of its own: when that ends, however it ends, the kernel ends the process.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from engine.errors import RuntimeFailure
from engine.runtime import syscalls
from engine.runtime.mount import MNT_DETACH, Mount
from engine.snapshots.overlay import Overlay

PROGRAM = "fuse-overlayfs"
DEVICE = "/dev/fuse"
MOUNT_BOUND = 20.0
_OURS = ("lowerdir=", "upperdir=", "workdir=")


def lack() -> str:
    """What is missing for it; empty when nothing is."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed"
    return "" if os.access(DEVICE, os.R_OK | os.W_OK) else f"{DEVICE} may not be opened"


class FuseOverlay(Overlay):
    """Needs a user namespace, or root, and `lack()` to be empty."""

    name = PROGRAM

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._merged = root / "merged"
        self._merged.mkdir(exist_ok=True)
        self._log = root / f"{PROGRAM}.log"

    @asynccontextmanager
    async def shown(self, key: str, *, lasting: bool = True) -> AsyncIterator[tuple[Mount, ...]]:
        mounts = self.mounts(key)
        if mounts[0].type != "overlay":
            yield mounts
            return
        target = self._merged / key
        target.mkdir(exist_ok=True)
        try:
            await self._mount(mounts[0], target)
            yield (Mount("bind", str(target), "", ("rbind", "rw")),)
        finally:
            _take_down(target)

    async def clean(self) -> None:
        for left in self._merged.iterdir():
            _take_down(left)
        await super().clean()

    async def _mount(self, overlay: Mount, target: Path) -> None:
        """It goes to the background when it is mounted."""
        options = ",".join(option for option in overlay.options if option.startswith(_OURS))
        with self._log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(PROGRAM, "-o", options, str(target)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        try:
            status = await asyncio.wait_for(process.wait(), MOUNT_BOUND)
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            raise
        if status:
            said = self._log.read_text(errors="replace").strip() or f"exit status {status}"
            raise RuntimeFailure(f"{PROGRAM}: {said}")


def _take_down(target: Path) -> None:
    with suppress(OSError):  # never mounted, or not any more
        syscalls.umount(str(target), MNT_DETACH)
    target.rmdir()
