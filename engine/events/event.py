"""One thing that happened to one object."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """`type` is Docker's (container, image, …), `action` its verb; nanoseconds since the epoch."""

    type: str
    action: str
    id: str
    attributes: dict[str, str] = field(default_factory=dict)
    time_ns: int = field(default_factory=time.time_ns)
