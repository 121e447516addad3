"""The first file system of the machine: busybox, the modules it needs, and a script as init."""

import stat
from collections.abc import Iterable
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
INIT = Path(__file__).with_name("guest") / "init.sh"

# Ways to the host's files first, then what the tests use.
MODULES = (
    *("virtio_pci", "fuse", "virtiofs", "overlay"),
    *("loop", "bfq", "lzo_rle", "zram", "veth", "bridge", "nf_tables", "virtio_rng"),
)


def build(modules: Iterable[Path], target: Path) -> None:
    """Write an uncompressed archive: cpio's "newc" form, as the kernel unpacks it
    (driver-api/early-userspace/buffer-format.rst)."""
    with target.open("wb") as archive:
        for name in ("bin", "modules", "proc", "sys", "dev", "lower", "rw", "root"):
            archive.write(_entry(name, stat.S_IFDIR | 0o755))
        archive.write(_entry("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes()))
        archive.write(_entry("init", stat.S_IFREG | 0o755, INIT.read_bytes()))
        for place, path in enumerate(modules):
            name = f"modules/{place:03}-{path.name}"  # the shell sorts them into this order
            archive.write(_entry(name, stat.S_IFREG | 0o644, path.read_bytes()))
        archive.write(_entry("TRAILER!!!", 0))


def _entry(name: str, mode: int, data: bytes = b"") -> bytes:
    path = name.encode() + b"\0"
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdev (2), namesize, check
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
