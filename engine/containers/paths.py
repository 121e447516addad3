"""Where a container's files are: the data directory keeps them, the run directory its bundle."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Directories are 0700 root; what is mounted into the container is 0644 inside them."""

    data_dir: Path
    run_dir: Path

    @property
    def containers(self) -> Path:
        return self.data_dir / "containers"

    @property
    def bundles(self) -> Path:
        return self.run_dir / "bundles"

    def home(self, container_id: str) -> Path:
        return self.containers / container_id

    def bundle(self, container_id: str) -> Path:
        return self.bundles / container_id

    def log(self, container_id: str) -> Path:
        return self.home(container_id) / "container.log"

    def exit(self, container_id: str) -> Path:
        return self.home(container_id) / "exit.json"

    def record(self, container_id: str) -> Path:
        """A copy of the record beside the log, for the day the database is damaged."""
        return self.home(container_id) / "record.json"

    def hostname(self, container_id: str) -> Path:
        return self.home(container_id) / "hostname"

    def hosts(self, container_id: str) -> Path:
        return self.home(container_id) / "hosts"

    def resolv_conf(self, container_id: str) -> Path:
        return self.home(container_id) / "resolv.conf"

    def volumes(self, container_id: str) -> Path:
        """Anonymous volumes; they live and go with the container."""
        return self.home(container_id) / "volumes"

    def rootfs(self, container_id: str) -> Path:
        """Where the root is mounted, in the container's mount namespace only."""
        return self.home(container_id) / "rootfs"

    def make(self, container_id: str) -> None:
        self.containers.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home(container_id).mkdir(mode=0o700)
        self.rootfs(container_id).mkdir(mode=0o700)

    def set_aside(self, container_id: str) -> Path:
        """Move what nobody can use out of the way; returns where to."""
        aside = self.data_dir / "damaged" / f"{container_id}-{time.time_ns()}"
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        return self.home(container_id).rename(aside)

    def discard(self, container_id: str) -> None:
        """Remove everything durable of a container; what is gone already is no error."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.home(container_id))
