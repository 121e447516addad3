"""What the steps of one start hand on to each other."""

import os

from engine.runtime.plan import ExecPlan, InitPlan
from engine.runtime.rootfs.mounts import Mounter
from engine.runtime.rootfs.stage import Trees

from .channel import ATTACHED, Channel


class Context:
    """Of any process, be it the first of a container or an exec session's."""

    def __init__(self, process: ExecPlan, channel: Channel) -> None:
        self.process = process
        self.channel = channel
        self.root = -1
        self.master = -1
        self.slave = -1
        self.attached = False
        self.warnings: list[str] = []
        self.environment: dict[bytes, bytes] = {}
        self.own_binary = _own_binary()
        self.gate: tuple[int, int] | None = None
        self.orphaned = False  # whether it goes on without its parent
        self.own_keyring = True

    def wait_attached(self) -> None:
        """Block until this process is in its cgroup; a process cloned ahead gets its streams."""
        if not self.attached:
            for number, fd in enumerate(self.channel.expect(ATTACHED)):
                os.dup2(fd, number)
                os.close(fd)
            self.attached = True


class InitContext(Context):
    """The same for a container's first process."""

    def __init__(
        self, plan: InitPlan, channel: Channel, gated: bool, sourced: bool, trees: Trees | None
    ) -> None:
        super().__init__(plan.process, channel)
        self.trees: Trees = trees or {}
        free = channel.fd + 1
        if gated:
            self.gate = free, free + 1
            self.orphaned = True
            free += 2
        self.plan = plan
        self.own_keyring = not plan.extras or plan.extras.keyring
        self.clones: dict[int, int] | None = None
        if sourced:
            binds = [at for at, mount in enumerate(plan.mounts) if mount.type == "bind"]
            self.clones = {at: free + number for number, at in enumerate(binds)}
        self.mounter: Mounter | None = None


def _own_binary() -> tuple[int, int]:
    status = os.stat("/proc/self/exe")
    return status.st_dev, status.st_ino
