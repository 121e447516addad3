"""From a program's name to the real file: through PATH, symlinks, version shims and scripts."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidArgument
from engine.images.host import elf

STANDARD = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SHEBANG_LIMIT = 512
_SCRIPT_DEPTH = 4
_SHIMS = "shims"
_SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Program:
    """`path` is where it was found, `real` the file behind every link and shim.

    `interpreters` are what a script needs to run, outermost last.
    """

    name: str
    path: Path
    real: Path
    interpreters: tuple["Program", ...] = ()

    @property
    def is_script(self) -> bool:
        return bool(self.interpreters)


def find(name: str, search: tuple[str, ...] | None = None) -> Program:
    """Raises InvalidArgument naming the program, and saying what can be done."""
    return _find(name, search_path() if search is None else search, 0)


def search_path() -> tuple[str, ...]:
    """The engine's PATH, then the usual directories, which a service's PATH may lack."""
    own = [item for item in os.environ.get("PATH", "").split(":") if item.startswith("/")]
    return tuple(dict.fromkeys((*own, *STANDARD)))


def _find(name: str, search: tuple[str, ...], depth: int) -> Program:
    if not name or "\0" in name:
        raise InvalidArgument(f"program {name!r}: the name is empty or holds a NUL byte")
    for path in _places(name, search):
        real = _real(path)
        if real is not None:
            return Program(Path(name).name, path, real, _interpreters(real, search, depth))
    raise InvalidArgument(
        f"program {name!r:.200} is not on this host: install it, or name one by its full path"
        f" (looked in {':'.join(search)})"
    )


def _places(name: str, search: tuple[str, ...]) -> Iterator[Path]:
    if "/" in name:
        if not name.startswith("/"):
            raise InvalidArgument(f"program {name!r:.200}: give a name or an absolute path")
        yield Path(name)
        return
    for directory in search:
        yield Path(directory) / name


def _real(path: Path) -> Path | None:
    """The executable file behind `path`; None when there is none, or a shim leads nowhere."""
    if not path.is_file() or not os.access(path, os.X_OK):
        return None
    real = Path(os.path.realpath(path))
    if real.parent.name == _SHIMS and _first_bytes(real).startswith(b"#!"):
        return _behind_shim(real)
    return real


def _behind_shim(shim: Path) -> Path | None:
    """pyenv, rbenv and their kin: `<root>/versions/<chosen>/bin/<name>`."""
    root = shim.parent.parent
    for version in _chosen_versions(root):
        found = root / "versions" / version / "bin" / shim.name
        if version != _SYSTEM and "/" not in version and found.is_file():
            return Path(os.path.realpath(found))
    return None


def _chosen_versions(root: Path) -> list[str]:
    named = os.environ.get(f"{root.name.lstrip('.').upper()}_VERSION", "")
    if named:
        return named.split(":")
    try:
        return (root / "version").read_text().split()
    except OSError:
        return []


def _interpreters(real: Path, search: tuple[str, ...], depth: int) -> tuple[Program, ...]:
    head = _first_bytes(real)
    if head.startswith(elf.MAGIC):
        return ()
    if not head.startswith(b"#!"):
        raise InvalidArgument(f"program {real} is neither an ELF program nor a script with '#!'")
    if depth >= _SCRIPT_DEPTH:
        raise InvalidArgument(f"program {real}: its interpreters are scripts of scripts")
    words = _shebang(head, real)
    outer = _find(words[0], search, depth + 1)
    inner = _env_program(words) if outer.name == "env" else None
    return (outer,) if inner is None else (outer, _find(inner, search, depth + 1))


def _shebang(head: bytes, real: Path) -> list[str]:
    line = os.fsdecode(head[2:].partition(b"\n")[0])
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    if not words:
        raise InvalidArgument(f"program {real}: its '#!' line names no interpreter")
    return words


def _env_program(words: list[str]) -> str | None:
    """What `env` is to run: the first word that is no option and no variable."""
    return next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_SHEBANG_LIMIT)
    except OSError as error:
        raise InvalidArgument(f"program {path} cannot be read: {error}") from None
