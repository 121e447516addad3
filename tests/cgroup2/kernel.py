"""Debian's cloud kernel out of its package, unpacked into a cache; nothing is installed."""

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PACKAGE = "linux-image-cloud-amd64"
_CACHE = "berth/test-kernel"


class Kernel(NamedTuple):
    """An unpacked kernel: its image and its modules by name."""

    release: str
    image: Path
    modules: dict[str, Path]

    def in_order(self, names: Iterable[str]) -> list[Path]:
        """The modules and what they need, in the order of loading; what is built in is left out."""
        found: dict[str, Path] = {}
        for name in names:
            self._add(name, found)
        return list(found.values())

    def _add(self, name: str, found: dict[str, Path]) -> None:
        path = self.modules.get(name)
        if path is None or name in found:
            return
        for needed in _needs(path):
            self._add(needed, found)
        found[name] = path


def fetch() -> Kernel:
    """The newest kernel the package archive has, from the cache where it is there already.

    Raises RuntimeError with what apt said.
    """
    if platform.machine() != "x86_64":
        raise RuntimeError(f"{PACKAGE} runs on x86_64, and this is {platform.machine()}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _CACHE
    cache.mkdir(parents=True, exist_ok=True)
    package = _newest()
    directory = cache / package
    if not directory.exists():
        _unpack(package, directory)
    return _open(directory)


def _newest() -> str:
    """The real package that the name without a version stands for today."""
    if not _image_package():
        _run("apt-get", "update", "-qq")
    package = _image_package()
    if not package:
        raise RuntimeError(f"{PACKAGE} is not in this machine's package archive")
    return package


def _image_package() -> str:
    depends = _run("apt-cache", "depends", PACKAGE)
    match = re.search(r"Depends: (linux-image-[0-9][\w.+-]*)", depends)
    return match[1] if match else ""


def _unpack(package: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        _run("apt-get", "download", "-qq", package, cwd=scratch)
        (archive,) = Path(scratch).glob("*.deb")
        _run("dpkg", "-x", str(archive), f"{scratch}/root")
        Path(scratch, "root").rename(directory)


def _run(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _open(directory: Path) -> Kernel:
    (image,) = (directory / "boot").glob("vmlinuz-*")
    release = image.name.removeprefix("vmlinuz-")
    found = (directory / "lib/modules" / release).rglob("*.ko")
    return Kernel(release, image, {path.stem.replace("-", "_"): path for path in found})


def _needs(module: Path) -> list[str]:
    """What a module says of itself in its .modinfo section: `depends=one,two`."""
    match = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    names = match[1].decode().split(",") if match else []
    return [name.replace("-", "_") for name in names if name]
