"""Which events a subscriber asked for: values of one key are alternatives, keys add up.

Follows moby's daemon/events/filter.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidArgument
from engine.events.event import Event

_OBJECTS = ("container", "image", "volume", "network", "daemon", "plugin", "node", "service")
_NAMES = {*_OBJECTS, "config", "event", "label", "scope", "secret", "type"}

_Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Filters:
    """Docker's event filters as `{"type": ("container",), "label": ("a=b",)}`.

    Raises:
        InvalidArgument: a filter name Docker does not have.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.values:
            if name not in _NAMES:
                raise InvalidArgument(f"invalid filter '{name}'")

    def match(self, event: Event) -> bool:
        """Whether the subscriber wants this event."""
        return (
            self._any("type", lambda value: value == event.type)
            and self._any("event", lambda value: _is_action(event, value))
            and self._any("scope", lambda value: value == "local")
            and all(_has_label(event, label) for label in self.values.get("label", ()))
            and all(self._any(kind, _names(event, kind)) for kind in _OBJECTS)
        )

    def _any(self, name: str, test: _Test) -> bool:
        wanted = self.values.get(name, ())
        return not wanted or any(test(value) for value in wanted)


def _is_action(event: Event, value: str) -> bool:
    # exec_create, exec_start and health_status carry their detail after a colon.
    return event.action == value or event.action.startswith(f"{value}:")


def _has_label(event: Event, label: str) -> bool:
    key, separator, value = label.partition("=")
    return key in event.attributes and (not separator or event.attributes[key] == value)


def _names(event: Event, kind: str) -> _Test:
    return lambda value: (
        _is_image(event, value) if kind == "image" else _is_named(event, kind, value)
    )


def _is_named(event: Event, kind: str, value: str) -> bool:
    name = event.attributes.get("name", "")
    return event.type == kind and (event.id.startswith(value) or name == value.removeprefix("/"))


def _is_image(event: Event, value: str) -> bool:
    """An image's own events by id or name; those of containers made of it by its name."""
    named = event.attributes.get("name" if event.type == "image" else "image", "")
    if event.type not in ("image", "container"):
        return False
    return value in (event.id, named, _untagged(named))


def _untagged(name: str) -> str:
    head, separator, tail = name.rpartition(":")
    return head if separator and "/" not in tail else name
