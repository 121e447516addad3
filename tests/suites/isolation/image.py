"""A root file system made by an attacker, and what of the host it is aimed at."""

import os
import shutil
from pathlib import Path

from engine.errors import InvalidArgument, RuntimeFailure
from tests.suites.host import Config

from .box import Box

SECRET = "what nobody inside may read"


class Image:
    """A hostile root file system beside its victim."""

    def __init__(self, directory: Path, model: Path) -> None:
        self.root = directory / "image"
        for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            (self.root / name).mkdir(parents=True)
        for name in ("busybox", "python3", "true", "cat"):
            os.link(model / "bin" / name, self.root / "bin" / name, follow_symlinks=False)
        self.victim = directory / "victim"
        self.victim.mkdir()
        (self.victim / "secret").write_text(SECRET)
        self._before = self.look()

    def look(self) -> dict[str, str]:
        """Everything about the victim that a mount, a made file or a write would change."""
        mounts = [
            line
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(self.victim.parent) in line
        ]
        found = {"mounts": "\n".join(mounts)}
        for path in sorted([self.victim, *self.victim.rglob("*")]):
            status = path.lstat()
            text = path.read_text() if path.is_file() else ""
            found[str(path)] = f"{status.st_mode} {status.st_uid} {status.st_mtime_ns} {text}"
        return found

    def link(self, place: str, target: str | Path, *, climbing: bool = False) -> None:
        """Put a link to a host's path at `place`; `climbing` by more .. than there are."""
        path = self.root / place.lstrip("/")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to("../" * 30 + str(target).lstrip("/") if climbing else target)

    def assert_untouched(self) -> None:
        assert self.look() == self._before


async def outcome(box: Box, image: Image, config: Config) -> str:
    """What the attacker printed, or the refusal."""
    inside = Box(box.host, box.launcher, image.root)
    config["root"]["path"] = str(image.root)
    try:
        said = (await inside.finish(config))[0]
    except (InvalidArgument, RuntimeFailure) as error:
        said = f"refused: {error}"
    image.assert_untouched()
    return said


def bind(target: str, source: str | Path) -> Config:
    options = ["bind"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}
