"""All containers by id and name, with Docker's rules for finding one."""

from collections.abc import Iterator

from engine.containers.live import Live
from engine.containers.model import Container
from engine.errors import Conflict, InvalidArgument, NotFound


class Registry:
    """Names are kept without the leading slash; a name belongs to one container at a time."""

    def __init__(self) -> None:
        self._live: dict[str, Live] = {}
        self._names: dict[str, str] = {}

    def __iter__(self) -> Iterator[Live]:
        return iter(tuple(self._live.values()))

    def containers(self) -> list[Container]:
        return [live.record for live in self]

    def find(self, ref: str) -> Live:
        """By full id, then name, then id prefix, as Docker.

        Raises:
            NotFound: nothing has this id or name.
            InvalidArgument: several ids begin with it.
        """
        name = self._names.get(ref.removeprefix("/"), "")
        found = self._live.get(ref) or self._live.get(name)
        return found or self._by_prefix(ref)

    def get(self, container_id: str) -> Live | None:
        return self._live.get(container_id)

    def has_name(self, name: str) -> bool:
        return name in self._names

    def add(self, live: Live) -> None:
        self.reserve(live.name, live.id)
        self._live[live.id] = live

    def reserve(self, name: str, container_id: str) -> None:
        """Raises Conflict when another container has the name."""
        owner = self._names.setdefault(name, container_id)
        if owner != container_id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{owner}".'
                " You have to remove (or rename) that container to be able to reuse that name."
            )

    def release(self, name: str) -> None:
        self._names.pop(name, None)

    def drop(self, live: Live) -> None:
        self._live.pop(live.id, None)
        self.release(live.name)

    def _by_prefix(self, prefix: str) -> Live:
        matches = [key for key in self._live if key.startswith(prefix)] if prefix else []
        if len(matches) > 1:
            raise InvalidArgument(
                f"Multiple IDs found with provided prefix: {prefix}: give more of the id"
            )
        if not matches:
            raise NotFound(f"No such container: {prefix}")
        return self._live[matches[0]]
