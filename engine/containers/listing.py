"""list: which containers, in which order."""

import re
from collections.abc import Callable, Sequence

from engine.containers.context import Context
from engine.containers.filters import LIST, Filters
from engine.containers.model import Container, Status
from engine.containers.registry import Registry
from engine.containers.spec.namespaces import is_host_network
from engine.errors import InvalidArgument, NotFound

_HEALTH = ("none", "starting", "healthy", "unhealthy")
_CODE, _PORT = re.compile(r"-?[0-9]{1,9}"), re.compile(r"[0-9]{1,5}")
_ACTIVE = (Status.RUNNING, Status.PAUSED, Status.RESTARTING)

_Test = Callable[[Container, str], bool]


def containers(
    context: Context, filters: Filters, *, all: bool, limit: int | None
) -> list[Container]:
    """See `Containers.list`."""
    filters.only(LIST)
    _check(filters)
    chosen = _between(context.registry, filters)
    if not (all or limit or filters.get("status")):
        chosen = [record for record in chosen if record.state.status in _ACTIVE]
    ancestors = _ancestors(context, filters)
    tests = {**_TESTS, "ancestor": lambda record, value: record.image_id == ancestors[value]}
    chosen = [record for record in chosen if _matches(record, filters, tests)]
    return chosen[:limit] if limit and limit > 0 else chosen


def has_labels(record: Container, labels: Sequence[str]) -> bool:
    """Whether it has every one of them, as `key` or `key=value`."""
    own = record.config.labels
    parts = (label.partition("=") for label in labels)
    return all(key in own and (not equals or own[key] == value) for key, equals, value in parts)


def _matches(record: Container, filters: Filters, tests: dict[str, _Test]) -> bool:
    if not has_labels(record, filters.get("label")):
        return False
    return all(
        any(test(record, value) for value in filters.get(name))
        for name, test in tests.items()
        if filters.get(name)
    )


def _between(registry: Registry, filters: Filters) -> list[Container]:
    """Newest first, cut by `before` and `since`."""
    records = sorted(registry.containers(), key=lambda record: record.created_at, reverse=True)
    for ref in filters.get("before"):
        edge = registry.find(ref).record.created_at
        records = [record for record in records if record.created_at < edge]
    for ref in filters.get("since"):
        edge = registry.find(ref).record.created_at
        records = [record for record in records if record.created_at > edge]
    return records


def _ancestors(context: Context, filters: Filters) -> dict[str, str]:
    """Image ids by the names given; an image nobody has has no containers."""
    found = {}
    for name in filters.get("ancestor"):
        try:
            found[name] = str(context.images.resolve(name).id)
        except NotFound:
            found[name] = ""
    return found


def _check(filters: Filters) -> None:
    for value in filters.get("status"):
        if value not in list(Status):
            raise InvalidArgument(f"invalid filter 'status={value}'")
    for value in filters.get("health"):
        if value not in _HEALTH:
            raise InvalidArgument(f"invalid filter 'health={value}'")
    for value in filters.get("exited"):
        if not _CODE.fullmatch(value):
            raise InvalidArgument(f"invalid filter 'exited={value}'")
    for value in filters.get("name"):
        _pattern(value)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidArgument(f"invalid filter 'name={text}': {error}") from None


def _has_name(record: Container, value: str) -> bool:
    """A pattern for the name with or without its slash, as Docker."""
    pattern = _pattern(value)
    return bool(pattern.search(record.name) or pattern.search(f"/{record.name}"))


def _has_exited(record: Container, value: str) -> bool:
    state = record.state
    return state.exit_code == int(value) and state.status is Status.EXITED


def _has_health(record: Container, value: str) -> bool:
    health = record.state.health
    return value == ("none" if health is None else health.status)


def _has_volume(record: Container, value: str) -> bool:
    return any(value in (point.source, point.target) for point in record.mounts)


def _has_network(record: Container, value: str) -> bool:
    return value == ("host" if is_host_network(record) else "none")


def _exposes(record: Container, value: str) -> bool:
    return _has_port(record.config.exposed_ports, value)


def _publishes(record: Container, value: str) -> bool:
    return _has_port([binding.port for binding in record.host_config.port_bindings], value)


def _has_port(ports: Sequence[str], value: str) -> bool:
    number, _, protocol = value.partition("/")
    low, _, high = number.partition("-")
    high = high or low
    if not _PORT.fullmatch(low) or not _PORT.fullmatch(high):
        raise InvalidArgument(f"invalid filter port: {value}")
    for port in ports:
        own, _, kind = port.partition("/")
        if kind == (protocol or "tcp") and own.isdigit() and int(low) <= int(own) <= int(high):
            return True
    return False


_TESTS: dict[str, _Test] = {
    "name": _has_name,
    "id": lambda record, value: record.id.startswith(value),
    "status": lambda record, value: record.state.status == value,
    "exited": _has_exited,
    "health": _has_health,
    "volume": _has_volume,
    "network": _has_network,
    "expose": _exposes,
    "publish": _publishes,
    "is-task": lambda _, value: value.lower() in ("false", "0"),
    "isolation": lambda _, value: value in ("", "default"),
}
