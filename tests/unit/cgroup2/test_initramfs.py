"""What the virtual machine of `make test-cgroup2` boots from."""

import subprocess
from pathlib import Path

import pytest

from tests.cgroup2 import initramfs
from tests.cgroup2.kernel import Kernel


def module(directory: Path, name: str, depends: str) -> Path:
    path = directory / f"{name}.ko"
    path.write_bytes(b"ELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0")
    return path


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    needs = {"overlay": "", "virtiofs": "fuse,virtio", "fuse": "", "virtio": "virtio-ring"}
    needs["virtio_ring"] = ""
    modules = {name: module(tmp_path, name, depends) for name, depends in needs.items()}
    return Kernel("6.1", tmp_path / "vmlinuz", modules)


def test_what_a_module_needs_is_loaded_before_it(kernel: Kernel) -> None:
    names = [path.stem for path in kernel.in_order(["virtiofs", "fuse", "ext4", "overlay"])]
    assert names == ["fuse", "virtio_ring", "virtio", "virtiofs", "overlay"]


@pytest.mark.skipif(not initramfs.BUSYBOX.exists(), reason="needs busybox-static")
def test_the_archive_is_one_that_cpio_unpacks(kernel: Kernel, tmp_path: Path) -> None:
    archive, target = tmp_path / "archive", tmp_path / "unpacked"
    initramfs.build(kernel.in_order(["virtio"]), archive)
    target.mkdir()
    with archive.open("rb") as file:
        command = [str(initramfs.BUSYBOX), "cpio", "-i"]
        subprocess.run(command, stdin=file, cwd=target, check=True, capture_output=True)
    assert (target / "init").read_bytes() == initramfs.INIT.read_bytes()
    assert (target / "bin/busybox").stat().st_mode & 0o777 == 0o755
    names = [path.name for path in sorted((target / "modules").iterdir())]
    assert names == ["000-virtio_ring.ko", "001-virtio.ko"]
