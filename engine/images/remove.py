"""Untag and delete, by Docker's rules (daemon/images/image_delete.go).

A name given removes that name, and the image with its last name; an id given removes the image
when all its names are of one repository. `force` overrides names and stopped containers, never
running ones.
"""

from collections.abc import Callable

from engine.errors import Conflict
from engine.events import Event, Exchange
from engine.images.catalogue import Catalogue
from engine.images.model import InUse, Removed
from engine.images.resolve import is_id, resolve
from engine.oci.digest import Digest
from engine.oci.reference import Reference

Running = Callable[[str], bool]


class Remover:
    """Changes the catalogue only; blobs and layers are the collector's."""

    def __init__(
        self, catalogue: Catalogue, events: Exchange, in_use: InUse, running: Running
    ) -> None:
        self._catalogue = catalogue
        self._events = events
        self._in_use = in_use
        self._running = running

    def remove(self, name: str, *, force: bool) -> list[Removed]:
        """Raises NotFound, or Conflict in Docker's words."""
        image_id = resolve(self._catalogue, name)
        if is_id(name, image_id) and self._catalogue.lookup_text(name) is None:
            return self._by_id(image_id, force=force)
        return self._by_name(name, image_id, force=force)

    def _by_name(self, name: str, image_id: Digest, *, force: bool) -> list[Removed]:
        names = self._catalogue.references(image_id)
        if not force and _single(names) and (users := self._in_use(image_id)):
            raise Conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - '
                f"container {users[0][:12]} is using its referenced image {image_id.short}"
            )
        removed = self._untag(image_id, [self._named(name, image_id, names)])
        left = self._catalogue.references(image_id)
        if left and not all(item.digest is not None for item in left):
            return removed
        removed += self._untag(image_id, left)
        if self._blocker(image_id, force=force):
            return removed  # the container keeps the image, which has no name now
        return removed + self._delete(image_id)

    def _by_id(self, image_id: Digest, *, force: bool) -> list[Removed]:
        names = self._catalogue.references(image_id)
        if not force and not _single(names):
            raise _conflict(
                image_id, "must be forced", "image is referenced in multiple repositories"
            )
        blocker = self._blocker(image_id, force=force)
        if blocker is not None:
            raise blocker
        return self._untag(image_id, names) + self._delete(image_id)

    def _named(self, name: str, image_id: Digest, names: list[Reference]) -> Reference:
        """The reference that was meant; `name@digest` may stand for a tag."""
        wanted = Reference.parse(name)
        if wanted in names:
            return wanted
        return next(item for item in names if item.name == wanted.name)

    def _blocker(self, image_id: Digest, *, force: bool) -> Conflict | None:
        users = self._in_use(image_id)
        for user in users:
            if self._running(user):
                used = f"image is being used by running container {user[:12]}"
                return _conflict(image_id, "cannot be forced", used)
        if users and not force:
            used = f"image is being used by stopped container {users[0][:12]}"
            return _conflict(image_id, "must be forced", used)
        return None

    def _untag(self, image_id: Digest, names: list[Reference]) -> list[Removed]:
        for reference in names:
            self._catalogue.untag(reference)
            self._publish("untag", image_id)
        return [Removed("untagged", reference.familiar) for reference in names]

    def _delete(self, image_id: Digest) -> list[Removed]:
        record = self._catalogue.get(image_id)
        chain = () if record is None else record.config.chain_ids
        self._catalogue.delete(image_id)
        self._publish("delete", image_id)
        kept = self._catalogue.chain_ids()
        layers = [Removed("deleted", item) for item in reversed(chain) if item not in kept]
        return [Removed("deleted", image_id), *layers]

    def _publish(self, action: str, image_id: Digest) -> None:
        self._events.publish(Event("image", action, image_id, {"name": image_id}))


def _single(names: list[Reference]) -> bool:
    """At most one tag, and everything in one repository."""
    tags = [name for name in names if name.digest is None]
    return len(tags) <= 1 and len({name.name for name in names}) <= 1


def _conflict(image_id: Digest, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {image_id.short} ({how}) - {why}")
