"""Which containers a list or a prune is about; Docker's filter names and meanings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidArgument

LIST = frozenset(
    "ancestor before exited expose health id isolation is-task label name network publish since"
    " status volume".split()
)
PRUNE = frozenset(("label", "label!", "until"))


@dataclass(frozen=True, slots=True)
class Filters:
    """Values by filter name: alternatives within a name (all of them for labels), names add up.

    Raises:
        InvalidArgument: a filter name nobody knows.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.values:
            if name not in LIST | PRUNE:
                raise InvalidArgument(f"invalid filter '{name}'")

    def get(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def only(self, names: frozenset[str]) -> None:
        """Refuse filters that this request has no use for."""
        for name in self.values:
            if name not in names:
                raise InvalidArgument(f"invalid filter '{name}'")
