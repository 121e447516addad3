"""A user without root: `spec --rootless`, and a container in a user namespace of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.daemons import ROOT
from tests.system.ociruntime.cli import Cli

pytestmark = pytest.mark.root

UID = 54320
PYTHON = "/usr/bin/python3"
START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from engine.ociruntime.__main__ import main; sys.exit(main())"
)


@pytest.fixture
def home(tmp_path: Path, cli: Cli) -> Path:
    """Engine, bundle and root file system where the user can read them; pytest's are private."""
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    shutil.copytree(cli.rootfs, tmp_path / "bundle" / "rootfs", symlinks=True)
    tmp_path.chmod(0o755)
    (tmp_path / "run").mkdir(mode=0o700)
    for place in (tmp_path / "bundle", tmp_path / "bundle" / "rootfs", tmp_path / "run"):
        os.chown(place, UID, UID)
    return tmp_path


def as_user(cli: Cli, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """With the directory as the root of its view: those above it are closed to the user."""
    runtime = [PYTHON, "-I", "-c", START, "/mnt"] if cli.name == "berth" else ["runc"]
    where = ["--root", "/mnt/run/state"]
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    script = 'mount --bind "$0" /mnt && cd /mnt/bundle && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, str(home), *drop, *runtime, *where, *words],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": "/mnt/run"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def configure(cli: Cli, home: Path, **limits: Any) -> None:
    """The user's own configuration, with a program of ours, and limits."""
    assert as_user(cli, home, "spec", "--rootless").returncode == 0
    path = home / "bundle" / "config.json"
    config = json.loads(path.read_text())
    script = "id -u; cat /proc/self/uid_map; exit 4"
    config["process"] |= {"terminal": False, "args": ["sh", "-c", script]}
    config["linux"].setdefault("resources", {}).update(limits)
    path.write_text(json.dumps(config))


def test_limits_that_nobody_would_keep_are_refused(cli: Cli, home: Path) -> None:
    configure(cli, home, memory={"limit": 1 << 26})
    done = as_user(cli, home, "run", "c")
    assert done.returncode == 1
    assert "cgroup" in done.stderr
    assert as_user(cli, home, "list", "--quiet").stdout == ""


def test_a_user_runs_a_container(cli: Cli, home: Path) -> None:
    configure(cli, home)
    done = as_user(cli, home, "run", "c")
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.split() == ["0", "0", str(UID), "1"]
    assert as_user(cli, home, "list", "--quiet").stdout == ""
