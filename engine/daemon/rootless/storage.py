"""How layers are stacked without root: the kernel's overlayfs, fuse-overlayfs, or not at all."""

from collections.abc import Callable
from pathlib import Path

from engine.snapshots import fuse, probe
from engine.snapshots.copy import Copy
from engine.snapshots.overlay import Overlay
from engine.snapshots.snapshotter import Snapshotter


def choose(place: Path, root: Path) -> tuple[Callable[[Path], Snapshotter], str]:
    """What works below the directory `root`, tried at `place` on the same file system.

    With it why it is not the best there is, and how to get that; empty when it is.
    """
    refused = probe.refusal(place)
    if not refused:
        return Overlay, ""
    wanted = f"put {root} on ext4, xfs or btrfs and boot Linux 5.11 or later"
    lack = fuse.lack()
    if not lack:
        return (
            fuse.FuseOverlay,
            f"overlayfs is refused ({refused}), fuse-overlayfs is slower; {wanted}",
        )
    lost = f"overlayfs is refused ({refused}) and {lack}: every container gets a whole copy"
    return Copy, f"{lost}; apt-get install fuse-overlayfs, or {wanted}"
