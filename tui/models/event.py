"""Something that happened in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is container, image, …; ``action`` is Docker's word (start, die, oom, …).

    Docker appends detail to some actions (``exec_start: sh``); ``verb`` is the bare word.
    """

    kind: str
    action: str
    id: str
    time: float
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def verb(self) -> str:
        """The action without what follows its colon."""
        return self.action.partition(":")[0].strip()

    @property
    def name(self) -> str:
        """The name of the thing it happened to, else its short id."""
        return self.attributes.get("name", "") or self.id.rpartition(":")[2][:12]
