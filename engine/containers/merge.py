"""A container's configuration over its image's defaults, by Docker's rules.

Follows moby's daemon/create.go and daemon/internal/runconfig (Merge).
"""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.containers.model import Config, Healthcheck
from engine.errors import InvalidArgument
from engine.oci.image import ProcessDefaults


def merge(config: Config, image: ProcessDefaults) -> Config:
    """What the container runs with.

    Raises:
        InvalidArgument: neither the image nor the container says what to run.
    """
    cmd, entrypoint = _command(config, image)
    if not cmd and not entrypoint:
        raise InvalidArgument("no command specified")
    return replace(
        config,
        cmd=cmd,
        entrypoint=entrypoint,
        user=config.user or image.user,
        env=_env(config.env, image.env),
        working_dir=_working_dir(config.working_dir or image.working_dir),
        labels={**image.labels, **config.labels},
        exposed_ports=_ports((*config.exposed_ports, *image.exposed_ports)),
        volumes=_union(config.volumes, image.volumes),
        stop_signal=config.stop_signal or image.stop_signal or "",
        healthcheck=_healthcheck(config.healthcheck, image.healthcheck),
        shell=config.shell or image.shell,
        on_build=config.on_build or image.on_build,
    )


def command(config: Config) -> tuple[str, tuple[str, ...]]:
    """The program and its arguments."""
    words = (*(config.entrypoint or ()), *(config.cmd or ()))
    return words[0], words[1:]


def _command(
    config: Config, image: ProcessDefaults
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """An own entrypoint also drops the image's arguments; an empty one drops its entrypoint."""
    cmd, entrypoint = config.cmd, config.entrypoint
    if not entrypoint:
        cmd = cmd or image.cmd
        entrypoint = image.entrypoint if entrypoint is None else entrypoint
    return cmd, None if entrypoint == ("",) else entrypoint


def _env(own: tuple[str, ...], image: tuple[str, ...]) -> tuple[str, ...]:
    names = {entry.partition("=")[0] for entry in own}
    return own + tuple(entry for entry in image if entry.partition("=")[0] not in names)


def _working_dir(path: str) -> str:
    return posixpath.normpath(path) if path else ""


def _ports(ports: tuple[str, ...]) -> tuple[str, ...]:
    return _union(tuple(port if "/" in port else f"{port}/tcp" for port in ports))


def _union(*lists: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for items in lists for item in items))


def _healthcheck(own: Healthcheck | None, image: Mapping[str, Any] | None) -> Healthcheck | None:
    """Zero values and an absent test inherit, each by itself."""
    base = _from_image(image) if image else None
    if own is None or base is None:
        return own or base
    return Healthcheck(
        test=own.test or base.test,
        interval=own.interval or base.interval,
        timeout=own.timeout or base.timeout,
        retries=own.retries or base.retries,
        start_period=own.start_period or base.start_period,
        start_interval=own.start_interval or base.start_interval,
    )


def _from_image(document: Mapping[str, Any]) -> Healthcheck:
    def number(key: str) -> int:
        value = document.get(key)
        return value if isinstance(value, int) else 0

    test = document.get("Test")
    return Healthcheck(
        test=tuple(str(word) for word in test) if isinstance(test, list) else (),
        interval=number("Interval"),
        timeout=number("Timeout"),
        retries=number("Retries"),
        start_period=number("StartPeriod"),
        start_interval=number("StartInterval"),
    )
