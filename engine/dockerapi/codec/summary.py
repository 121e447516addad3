"""A container as `ps` lists it."""

import shlex
import time
from typing import Any

from engine.containers.model import Container, Size, State, Status
from engine.dockerapi.codec.container import write_mounts
from engine.dockerapi.codec.networks import endpoints

_SECOND = 1_000_000_000


def write_summary(container: Container, image: str, size: Size | None = None) -> dict[str, Any]:
    """One line of the list; `image` is the name to show, or the id when there is none."""
    document: dict[str, Any] = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": image,
        "ImageID": container.image_id,
        "Command": _command(container),
        "Created": container.created_at // _SECOND,
        "Ports": [],
        "Labels": dict(container.config.labels),
        "State": str(container.state.status),
        "Status": describe(container.state),
        "HostConfig": {"NetworkMode": container.host_config.network_mode},
        "NetworkSettings": {"Networks": endpoints(container.host_config.network_mode)},
        "Mounts": write_mounts(container.mounts),
    }
    if size is not None:
        document |= {"SizeRw": size.rw, "SizeRootFs": size.rootfs}
    return document


def describe(state: State, now_ns: int | None = None) -> str:
    """The STATUS column: `Up 5 minutes (Paused)`, `Exited (137) 2 hours ago`."""
    now = time.time_ns() if now_ns is None else now_ns
    up = f"Up {human_duration(now - state.started_at)}"
    ago = f"{human_duration(now - state.finished_at)} ago"
    match state.status:
        case Status.RUNNING:
            health = "" if state.health is None else f" ({_health_words(state.health.status)})"
            return up + health
        case Status.PAUSED:
            return f"{up} (Paused)"
        case Status.RESTARTING:
            return f"Restarting ({state.exit_code}) {ago}"
        case Status.EXITED:
            return f"Exited ({state.exit_code}) {ago}"
        case Status.REMOVING:
            return "Removal In Progress"
        case Status.DEAD:
            return "Dead"
        case Status.CREATED:
            return "Created"


def human_duration(nanoseconds: int) -> str:
    """A length of time in the one unit that says most, as the docker CLI's users know it."""
    seconds = max(nanoseconds, 0) // _SECOND
    minutes, hours = seconds // 60, round(seconds / 3600)
    if seconds < 60:
        return _seconds_words(seconds)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    return _long_words(hours)


def _seconds_words(seconds: int) -> str:
    words = {0: "Less than a second", 1: "1 second"}
    return words.get(seconds, f"{seconds} seconds")


def _long_words(hours: int) -> str:
    units = ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks"), (17520, 720, "months"))
    if hours == 1:
        return "About an hour"
    for below, hours_each, unit in units:
        if hours < below:
            return f"{hours // hours_each} {unit}"
    return f"{hours // 8760} years"


def _health_words(status: str) -> str:
    return "health: starting" if status == "starting" else status


def _command(container: Container) -> str:
    """Arguments with a blank in quotes, so that they can be told apart."""
    quoted = [shlex.quote(item) if " " in item else item for item in container.args]
    return " ".join([container.path, *quoted])
