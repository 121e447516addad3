"""What the run form and ``berth demo`` ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One ``docker run -d``; None leaves a limit unset.

    ``command`` replaces the image's command when not empty. ``restart_policy`` is Docker's
    word: ``no``, ``always``, ``unless-stopped``, ``on-failure`` or ``on-failure:5``.
    """

    image: str
    command: tuple[str, ...] = ()
    name: str = ""
    entrypoint: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    open_stdin: bool = False
    working_dir: str = ""
    user: str = ""
    network: str = ""
    restart_policy: str = "no"
    auto_remove: bool = False

    def command_line(self) -> str:
        """The docker command that does the same, quoted for a shell."""
        words = ["docker", "run", "-d", *self._options(), self.image, *self.command]
        return " ".join(quote(word) for word in words)

    def _options(self) -> list[str]:
        return [*self._limits(), *self._process(), *self._lifetime()]

    def _limits(self) -> list[str]:
        memory = [] if self.memory is None else ["-m", _size(self.memory)]
        cpus = [] if self.cpus is None else ["--cpus", f"{self.cpus:g}"]
        pids = [] if self.pids is None else ["--pids-limit", str(self.pids)]
        return [*memory, *cpus, *pids]

    def _process(self) -> list[str]:
        words = ["-t"] * self.tty + ["-i"] * self.open_stdin
        words += [word for item in self.env for word in ("-e", item)]
        words += ["-w", self.working_dir] if self.working_dir else []
        words += ["-u", self.user] if self.user else []
        return words + (["--entrypoint", self.entrypoint[0]] if self.entrypoint else [])

    def _lifetime(self) -> list[str]:
        words = ["--name", self.name] if self.name else []
        words += ["--network", self.network] if self.network else []
        words += ["--restart", self.restart_policy] if self.restart_policy != "no" else []
        words += ["--rm"] * self.auto_remove
        return words + [
            word for key, value in self.labels.items() for word in ("--label", f"{key}={value}")
        ]


def _size(value: int) -> str:
    """``64m``: the greatest of docker's units in which it is a whole number."""
    for scale, unit in ((1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")):
        if value and value % scale == 0:
            return f"{value // scale}{unit}"
    return str(value)
