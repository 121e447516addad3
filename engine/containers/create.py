"""create: validate, merge with the image, and record; nothing runs and nothing is mounted."""

import socket
import time
from contextlib import ExitStack
from dataclasses import replace

from engine.containers import mounts, names, validate
from engine.containers.context import Context
from engine.containers.live import Live
from engine.containers.merge import command, merge
from engine.containers.model import (
    Config,
    Container,
    Created,
    HostConfig,
    MountPoint,
    Resources,
    RestartPolicy,
)
from engine.containers.paths import Paths
from engine.containers.ports import Image
from engine.containers.spec.mounts import check_sources
from engine.containers.spec.resources import resources
from engine.containers.stats import unlimited
from engine.errors import Unavailable


async def create(context: Context, name: str | None, config: Config, host: HostConfig) -> Created:
    """See `Containers.create`."""
    image = context.images.resolve(config.image)
    config, host = merge(config, image.config.config), _normal(host)
    warnings = validate.check(config, host, context.host, context.cgroup_driver)
    check_sources(host)
    warnings += unlimited(resources(host.resources))
    registry = context.registry
    chosen = names.check(name) if name else names.choose(registry)
    record = _record(context.paths, chosen, config, host, image)
    live = _add(context, record)
    context.publish(live, "create")
    return Created(live.id, warnings)


def _add(context: Context, record: Container) -> Live:
    """Everything of a new container, or nothing.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        return _write(context, Live(record))
    except OSError as error:
        raise Unavailable(f"cannot create container {record.name}: {error}") from error


def _write(context: Context, live: Live) -> Live:
    with ExitStack() as undo:
        context.registry.add(live)
        undo.callback(context.registry.drop, live)
        undo.callback(context.paths.discard, live.id)
        context.paths.make(live.id)
        context.save_copy(live)
        context.save(live)
        undo.pop_all()
    return live


def _record(paths: Paths, name: str, config: Config, host: HostConfig, image: Image) -> Container:
    key = names.new_id()
    program, args = command(config)
    return Container(
        id=key,
        name=name,
        created_at=time.time_ns(),
        config=replace(config, hostname=config.hostname or _hostname(key, config, host)),
        host_config=host,
        image_id=str(image.id),
        path=program,
        args=args,
        log_path=str(paths.log(key)),
        hostname_path=str(paths.hostname(key)),
        hosts_path=str(paths.hosts(key)),
        resolv_conf_path=str(paths.resolv_conf(key)),
        mounts=_mounts(config, host),
    )


def _hostname(key: str, config: Config, host: HostConfig) -> str:
    """The beginning of the id; the host's own name where its network or names are shared."""
    is_host_network = host.network_mode == "host" and not config.network_disabled
    return socket.gethostname() if is_host_network or host.uts_mode == "host" else key[:12]


def _mounts(config: Config, host: HostConfig) -> tuple[MountPoint, ...]:
    shown = [point for point in mounts.shown(host) if point.type != "volume"]
    volumes = mounts.anonymous(config, host)
    return (*shown, *(MountPoint(type="volume", target=target) for target in volumes))


def _normal(host: HostConfig) -> HostConfig:
    """What Docker fills in where nothing was said."""
    policy = host.restart_policy
    return replace(
        host,
        resources=_with_swap(host.resources),
        restart_policy=policy if policy.name else RestartPolicy("no", policy.maximum_retry_count),
        shm_size=host.shm_size or 64 * 1024 * 1024,
    )


def _with_swap(limits: Resources) -> Resources:
    """As much swap again as memory, unless something else was asked for."""
    if limits.memory > 0 and limits.memory_swap == 0:
        return replace(limits, memory_swap=limits.memory * 2)
    return limits
