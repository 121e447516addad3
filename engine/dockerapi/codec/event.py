"""An event as `docker events` prints it."""

from typing import Any

from engine.events import Event

_SECOND = 1_000_000_000


def write_event(event: Event) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if event.type in {"container", "image"}:
        # The form from before API 1.22; clients still read it.
        document = {"status": event.action, "id": event.id}
    if event.type == "container":
        document["from"] = event.attributes.get("image", "")
    return document | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.time_ns // _SECOND,
        "timeNano": event.time_ns,
    }
