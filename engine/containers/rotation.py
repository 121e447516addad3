"""When a container's log is rotated: `--log-opt max-size` and `max-file`."""

import re

from engine.containers.model import LogConfig
from engine.errors import InvalidArgument

DEFAULT_BYTES = 64 * 1024 * 1024
DEFAULT_FILES = 4

_SIZE = re.compile(r"(\d{1,15})([kmg]?)b?")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def rotation(config: LogConfig) -> tuple[int | None, int]:
    """Bytes of one file (None: never rotate) and how many files are kept.

    Raises:
        InvalidArgument: an unknown option or a value that is no size or count.
    """
    for name in config.options:
        if name not in ("max-size", "max-file", "compress"):
            raise InvalidArgument(f"unknown log opt '{name}' for json-file log driver")
    size = config.options.get("max-size", "")
    files = config.options.get("max-file", "")
    return _bytes(size), _files(files)


def _bytes(text: str) -> int | None:
    if text in ("", "-1"):
        return None if text else DEFAULT_BYTES
    match = _SIZE.fullmatch(text.lower())
    if match is None or int(match[1]) == 0:
        raise InvalidArgument(f"invalid size for log opt 'max-size': '{text}'")
    return int(match[1]) * _UNITS[match[2]]


def _files(text: str) -> int:
    if not text:
        return DEFAULT_FILES
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise InvalidArgument(f"invalid count for log opt 'max-file': '{text}'")
    return int(text)
