"""Containers need root, a mount namespace of their own and a static shell."""

import os
from pathlib import Path

import pytest

from .harness import BUSYBOX, make_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A scratch root file system."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes namespaces and mounts")
    if not BUSYBOX.exists():
        pytest.skip("needs /bin/busybox: install busybox-static")
    tmp_path.chmod(0o755)
    return make_root(tmp_path / "root")
