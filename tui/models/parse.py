"""Text a person typed into values, with errors that say what was wrong and what works.

Everything here raises ``ValueError``; forms show its message beside the field.
"""

import math
import re
import shlex

_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([kmgtp]?)(i?b?)", re.IGNORECASE | re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SCALE = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_ENV_NAME = re.compile(r"[^=\s]+")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?")
MINIMUM_MEMORY = 6 << 20
# Docker's grammar of image names: a registry may have capitals and a port, the path may not.
_REGISTRY = r"(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+(?::\d+)?|[a-zA-Z0-9-]+:\d+|localhost)/"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(rf"(?:{_REGISTRY})?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of ``64m``, ``1.5 GiB``, ``4096``; units are binary, as in ``docker run -m``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size: {text!r}; write for example 64m, 1.5g or 4096")
    return int(float(match[1]) * _SCALE[match[2].lower()])


def parse_memory(text: str) -> int | None:
    """A memory limit in bytes, None when empty; Docker's least is 6 MiB."""
    if not text.strip():
        return None
    size = parse_size(text)
    if size < MINIMUM_MEMORY:
        raise ValueError(f"memory limit too small: {text.strip()!r}; the least is 6m")
    return size


def parse_cpus(text: str) -> float | None:
    """A CPU limit in cores, None when empty."""
    if not text.strip():
        return None
    try:
        cpus = float(text)
    except ValueError:
        raise ValueError(f"not a number of CPUs: {text!r}; write for example 0.5 or 2") from None
    if not math.isfinite(cpus) or cpus < 0.01:
        raise ValueError(f"CPU limit out of range: {text.strip()!r}; the least is 0.01")
    return cpus


def parse_pids(text: str) -> int | None:
    """A process limit, None when empty."""
    if not text.strip():
        return None
    if not text.strip().isascii() or not text.strip().isdigit() or int(text) < 1:
        raise ValueError(f"not a process limit: {text!r}; write a whole number from 1")
    return int(text)


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``1m30s``, ``2h``, ``500ms``."""
    word = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return float(word)
    parts = _DURATION_PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        raise ValueError(f"not a duration: {text!r}; write for example 30s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_command(text: str) -> tuple[str, ...]:
    """Words of a shell-quoted command line; no expansion is done."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        reason = "a quote is not closed" if "quotation" in str(error) else "it ends in a backslash"
        raise ValueError(f"cannot read the command {text!r}: {reason}") from None


def parse_env(text: str) -> tuple[str, ...]:
    """``NAME=value`` words, shell-quoted, separated by spaces or lines."""
    words = parse_command(text)
    for word in words:
        name, equals, _ = word.partition("=")
        if not equals or not _ENV_NAME.fullmatch(name):
            raise ValueError(f"not an environment variable: {word!r}; write NAME=value")
    return words


def parse_name(text: str) -> str:
    """A container name, empty for one the engine chooses."""
    name = text.strip()
    if name and not _NAME.fullmatch(name):
        raise ValueError(
            f"not a container name: {name!r}; use letters, digits, _ . - and begin with a letter "
            "or digit"
        )
    return name


def parse_reference(text: str) -> str:
    """The name of an image, with or without a tag."""
    name = text.strip()
    if not _REFERENCE.fullmatch(name):
        raise ValueError(
            f"not an image name: {name!r}; use small letters, digits and . _ - as in shop/web:2"
        )
    return name


def split_reference(reference: str) -> tuple[str, str]:
    """(repository, tag); a colon before a slash belongs to a registry's port."""
    head, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, "latest"
    return head, tag


def parse_restart_policy(text: str) -> str:
    """Docker's restart policy word; empty is ``no``."""
    word = text.strip() or "no"
    if not _RESTART.fullmatch(word):
        raise ValueError(
            f"not a restart policy: {word!r}; use no, always, unless-stopped or on-failure[:N]"
        )
    return word
