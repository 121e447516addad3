"""What `-v`, `--mount` and `--tmpfs` ask for, as one list of mount points."""

import posixpath
import re

from engine.containers.model import Config, HostConfig, MountPoint
from engine.errors import InvalidArgument, Unsupported

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# Labels of SELinux and hints for other systems' file sharing change nothing here.
_MODES = frozenset(("ro", "rw", "z", "Z", "cached", "delegated", "consistent", "nocopy"))
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_TMPFS_SIZE = re.compile(r"\d+[kmgKMG]?%?")


def points(host: HostConfig) -> tuple[MountPoint, ...]:
    """Every mount the host configuration names, in order.

    Raises:
        InvalidArgument: a path, a mode or a type that cannot be.
        Unsupported: a named volume.
    """
    return (
        *shown(host),
        *(_tmpfs(target, options) for target, options in host.tmpfs.items()),
    )


def shown(host: HostConfig) -> tuple[MountPoint, ...]:
    """Those that `inspect` lists: Docker leaves `--tmpfs` out."""
    return (*binds(host), *(_checked(point) for point in host.mounts))


def binds(host: HostConfig) -> tuple[MountPoint, ...]:
    """Those of `-v`, whose missing sources are made."""
    return tuple(_bind(text) for text in host.binds)


def anonymous(config: Config, host: HostConfig) -> tuple[str, ...]:
    """Volumes without a name that nothing else is mounted on."""
    given = points(host)
    covered = {point.target for point in given if point.type != "volume"}
    wanted = [posixpath.normpath(path) for path in config.volumes]
    wanted += [point.target for point in given if point.type == "volume"]
    return tuple(dict.fromkeys(path for path in wanted if path not in covered))


def check_target(target: str, whole: str) -> str:
    """The clean absolute path inside the container."""
    if not target.startswith("/"):
        raise InvalidArgument(f"invalid mount path: '{target}' mount path must be absolute")
    clean = "/" + posixpath.normpath(target).lstrip("/")
    if clean == "/":
        raise InvalidArgument(f"invalid volume specification: '{whole}': destination can't be '/'")
    return clean


def _bind(text: str) -> MountPoint:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    source, target = parts[0], check_target(parts[1], text)
    if not source.startswith("/"):
        _refuse_name(source)
    modes = parts[2].split(",") if len(parts) == 3 else []
    propagation = _check_modes(modes)
    return MountPoint(
        type="bind",
        target=target,
        source=posixpath.normpath(source),
        read_only="ro" in modes,
        propagation=propagation,
    )


def _refuse_name(source: str) -> None:
    if _VOLUME_NAME.fullmatch(source):
        raise Unsupported("named volumes are not available yet: use a host path")
    raise InvalidArgument(
        f'"{source}" includes invalid characters for a local volume name, only'
        ' "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use'
        " absolute path"
    )


def _check_modes(modes: list[str]) -> str:
    given = [mode for mode in modes if mode in PROPAGATIONS]
    for mode in modes:
        if mode not in _MODES and mode not in PROPAGATIONS:
            raise InvalidArgument(f"invalid mode: {mode}")
    if len(given) > 1 or {"ro", "rw"} <= set(modes):
        raise InvalidArgument(f"invalid mode: {','.join(modes)}")
    return given[0] if given else ""


def _checked(point: MountPoint) -> MountPoint:
    prefix = f'invalid mount config for type "{point.type}"'
    if point.type not in ("bind", "tmpfs", "volume"):
        raise InvalidArgument(f"{prefix}: mount type unknown")
    if not point.target:
        raise InvalidArgument(f"{prefix}: field Target must not be empty")
    target = check_target(point.target, point.target)
    if point.type == "tmpfs":
        return _clean(_check_tmpfs(point, prefix), target)
    if point.type == "volume":
        if point.source:
            raise Unsupported("named volumes are not available yet: use a host path")
        return _clean(point, target)
    return _clean(_check_bind(point, prefix), target)


def _clean(point: MountPoint, target: str) -> MountPoint:
    source = posixpath.normpath(point.source) if point.source else ""
    return MountPoint(
        type=point.type,
        target=target,
        source=source,
        read_only=point.read_only,
        propagation=point.propagation,
        tmpfs_size=point.tmpfs_size,
        tmpfs_mode=point.tmpfs_mode,
    )


def _check_bind(point: MountPoint, prefix: str) -> MountPoint:
    if not point.source:
        raise InvalidArgument(f"{prefix}: field Source must not be empty")
    if not point.source.startswith("/"):
        raise InvalidArgument(
            f"{prefix}: invalid mount path: '{point.source}' mount path must be absolute"
        )
    if point.propagation and point.propagation not in PROPAGATIONS:
        raise InvalidArgument(f"{prefix}: invalid propagation mode: {point.propagation}")
    return point


def _check_tmpfs(point: MountPoint, prefix: str) -> MountPoint:
    if point.source:
        raise InvalidArgument(f"{prefix}: field Source must not be specified")
    if point.tmpfs_size < 0:
        raise InvalidArgument(f"{prefix}: invalid tmpfs size {point.tmpfs_size}")
    return point


def _tmpfs(target: str, options: str) -> MountPoint:
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name == "size" and not _TMPFS_SIZE.fullmatch(value):
            raise InvalidArgument(f"invalid tmpfs option {option}")
    clean = check_target(target, target)
    return MountPoint(type="tmpfs", target=clean, source=options, read_only=False)
