"""Where the engine keeps its things and how it is told; the same for every command."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidArgument
from engine.runtime.cgroups import placement

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Options:
    """Absolute paths. `socket` is where the API listens."""

    data_dir: Path
    run_dir: Path
    socket: Path
    cgroup_parent: str = "berth"
    cgroup_driver: str = placement.CGROUPFS
    log_level: str = "info"

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "engine.lock"

    @property
    def run_lock_file(self) -> Path:
        """Two engines must not take each other's bundles for what an earlier one has left."""
        return self.run_dir / "engine.lock"

    @property
    def log_file(self) -> Path:
        return self.data_dir / "engine.log"

    @property
    def pid_file(self) -> Path:
        return self.run_dir / "engine.pid"

    def arguments(self) -> list[str]:
        """The same options as command-line arguments, for a process started with them."""
        return [
            f"--data-dir={self.data_dir}",
            f"--run-dir={self.run_dir}",
            f"--socket={self.socket}",
            f"--cgroup-parent={self.cgroup_parent}",
            f"--cgroup-driver={self.cgroup_driver}",
            f"--log-level={self.log_level}",
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="images, containers, logs")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="socket and run-time state")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="default: RUN_DIR/berth.sock")
    parser.add_argument(
        "--cgroup-parent", metavar="NAME", help="default: berth, or system.slice with systemd"
    )
    drivers = tuple(placement.DEFAULT_PARENTS)
    parser.add_argument("--cgroup-driver", choices=drivers, help="default: cgroupfs")
    parser.add_argument(
        "--exec-opt",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as dockerd's: native.cgroupdriver=systemd is --cgroup-driver systemd",
    )
    parser.add_argument("--log-level", choices=LEVELS, default="info")


def from_arguments(
    arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> Options:
    """Arguments win over BERTH_DATA_DIR and BERTH_RUN_DIR, and these over the defaults."""
    data_dir = arguments.data_dir or _path(environment, "BERTH_DATA_DIR") or _data_dir(environment)
    run_dir = arguments.run_dir or _path(environment, "BERTH_RUN_DIR") or _run_dir(environment)
    socket = arguments.socket or run_dir / "berth.sock"
    driver = _driver(arguments)
    return Options(
        data_dir=data_dir.absolute(),
        run_dir=run_dir.absolute(),
        socket=socket.absolute(),
        cgroup_parent=arguments.cgroup_parent or placement.DEFAULT_PARENTS[driver],
        cgroup_driver=driver,
        log_level=arguments.log_level,
    )


def _driver(arguments: argparse.Namespace) -> str:
    asked = {arguments.cgroup_driver} - {None}
    for option in arguments.exec_opt:
        key, _, value = option.partition("=")
        if key != "native.cgroupdriver" or value not in placement.DEFAULT_PARENTS:
            known = " or ".join(placement.DEFAULT_PARENTS)
            raise InvalidArgument(f"--exec-opt {option}: only native.cgroupdriver={known} is known")
        asked.add(value)
    if len(asked) > 1:
        raise InvalidArgument("--cgroup-driver and --exec-opt ask for different cgroup drivers")
    return str(asked.pop()) if asked else placement.CGROUPFS


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value) if value else None


def _data_dir(environment: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/berth")
    return (_path(environment, "XDG_DATA_HOME") or Path.home() / ".local/share") / "berth"


def _run_dir(environment: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/run/berth")
    return (_path(environment, "XDG_RUNTIME_DIR") or _runtime_dir()) / "berth"


def _runtime_dir() -> Path:
    """A `su` or a cron job lacks the variable and not always the directory (pam_systemd(8))."""
    logged_in = Path(f"/run/user/{os.geteuid()}")
    return logged_in if os.access(logged_in, os.W_OK) else Path(f"/tmp/berth-{os.geteuid()}")
