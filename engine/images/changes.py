"""`--change` of import and commit: Dockerfile instructions that edit an image's defaults."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.image import ProcessDefaults

_SHELL = ("/bin/sh", "-c")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?")
_UNIT_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_HEALTH_OPTION = re.compile(r"--([a-z-]+)=(\S+)\s*")
_HEALTH_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_SIGNAL = re.compile(r"(?:SIG)?[A-Z][A-Z0-9+-]*|\d{1,2}")


def apply(defaults: ProcessDefaults, changes: Sequence[str]) -> ProcessDefaults:
    """The defaults after every instruction, in order.

    Raises InvalidArgument naming the instruction that is wrong or not allowed here.
    """
    for change in changes:
        for line in change.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                defaults = _one(defaults, line.strip())
    return defaults


def _one(defaults: ProcessDefaults, line: str) -> ProcessDefaults:
    word, _, rest = line.partition(" ")
    edit = _EDITS.get(word.upper())
    if edit is None:
        raise InvalidArgument(f"{word} is not a valid change command")
    rest = rest.strip()
    if not rest:
        raise InvalidArgument(f"{word.upper()} requires an argument")
    return edit(defaults, rest)


def _cmd(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    return replace(defaults, cmd=_command(rest, defaults))


def _entrypoint(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    return replace(defaults, entrypoint=_command(rest, defaults))


def _env(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    added = _pairs("ENV", rest)
    kept = [item for item in defaults.env if item.partition("=")[0] not in added]
    return replace(defaults, env=(*kept, *(f"{key}={value}" for key, value in added.items())))


def _label(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    return replace(defaults, labels=defaults.labels | _pairs("LABEL", rest))


def _expose(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    ports = [port for word in rest.split() for port in _ports(word)]
    return replace(defaults, exposed_ports=tuple(dict.fromkeys((*defaults.exposed_ports, *ports))))


def _ports(word: str) -> list[str]:
    match = _PORT.fullmatch(word)
    first = int(match[1]) if match else 0
    last = int(match[2] or first) if match else 0
    if match is None or not 0 < first <= last < 65536:
        raise InvalidArgument(f"invalid port: {word}: EXPOSE takes 1 to 65535, as 80 or 53/udp")
    return [f"{port}/{match[3] or 'tcp'}" for port in range(first, last + 1)]


def _volume(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    paths = _json_words(rest) or tuple(rest.split())
    return replace(defaults, volumes=tuple(dict.fromkeys((*defaults.volumes, *paths))))


def _workdir(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    path = _unquoted(rest)
    if not path.startswith("/"):
        path = f"{defaults.working_dir.rstrip('/')}/{path}"
    return replace(defaults, working_dir=path)


def _user(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    return replace(defaults, user=_unquoted(rest))


def _stop_signal(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    if not _SIGNAL.fullmatch(rest):
        raise InvalidArgument(f"Invalid signal: {rest}")
    return replace(defaults, stop_signal=rest)


def _on_build(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    word = rest.split(maxsplit=1)[0].upper()
    if word in {"ONBUILD", "FROM", "MAINTAINER"}:
        raise InvalidArgument(f"{word} isn't allowed as an ONBUILD trigger")
    return replace(defaults, on_build=(*defaults.on_build, rest))


def _shell(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    words = _json_words(rest)
    if not words:
        raise InvalidArgument("SHELL requires the arguments to be in JSON form")
    return replace(defaults, shell=words)


def _healthcheck(defaults: ProcessDefaults, rest: str) -> ProcessDefaults:
    check: dict[str, Any] = {}
    while match := _HEALTH_OPTION.match(rest):
        rest = rest[match.end() :]
        _health_option(check, match[1], match[2])
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE":
        return replace(defaults, healthcheck={"Test": ["NONE"]})
    if word.upper() != "CMD" or not command.strip():
        raise InvalidArgument(f"Unknown type {word!r} in HEALTHCHECK (try CMD)")
    words = _json_words(command.strip())
    check["Test"] = ["CMD", *words] if words else ["CMD-SHELL", command.strip()]
    return replace(defaults, healthcheck=check)


def _health_option(check: dict[str, Any], key: str, value: str) -> None:
    if key in _HEALTH_TIMES:
        check[_HEALTH_TIMES[key]] = _nanoseconds(key, value)
    elif key == "retries" and value.isdigit():
        check["Retries"] = int(value)
    else:
        raise InvalidArgument(f"HEALTHCHECK: unknown or wrong option --{key}={value}")


def _nanoseconds(key: str, value: str) -> int:
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise InvalidArgument(f"HEALTHCHECK --{key}: {value!r} is not a duration such as 30s")
    return int(sum(float(number) * _UNIT_NS[unit] for number, unit in parts))


def _command(rest: str, defaults: ProcessDefaults) -> tuple[str, ...]:
    words = _json_words(rest)
    return words if words is not None else (*(defaults.shell or _SHELL), rest)


def _json_words(rest: str) -> tuple[str, ...] | None:
    """The exec form; None for anything else, which is the shell form."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)


def _pairs(word: str, rest: str) -> dict[str, str]:
    """`key=value key2="a b"`, or the old `key the rest`."""
    if "=" not in rest.split(maxsplit=1)[0]:
        key, _, value = rest.partition(" ")
        if not value:
            raise InvalidArgument(f"{word} must have two arguments")
        return {key: _unquoted(value.strip())}
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise InvalidArgument(f"{word} {rest!r:.80}: {error}") from None
    for item in words:
        if item.find("=") < 1:
            raise InvalidArgument(
                f"Syntax error - can't find = in {item!r}. Must be of the form: name=value"
            )
    return {key: value for key, _, value in (item.partition("=") for item in words)}


def _unquoted(rest: str) -> str:
    quoted = len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "\"'"
    return rest[1:-1] if quoted else rest


_EDITS: dict[str, Callable[[ProcessDefaults, str], ProcessDefaults]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
