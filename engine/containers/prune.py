"""prune: remove every container that does not run."""

import logging

from engine.containers.context import Context
from engine.containers.filters import PRUNE, Filters
from engine.containers.listing import has_labels
from engine.containers.live import Live
from engine.containers.model import Container, Pruned
from engine.containers.remove import remove
from engine.containers.stats import size
from engine.containers.times import parse as parse_time
from engine.errors import Conflict, EngineError, InvalidArgument
from engine.events import Event

log = logging.getLogger(__name__)


async def prune(context: Context, filters: Filters) -> Pruned:
    """See `Containers.prune`."""
    filters.only(PRUNE)
    until = _until(filters)
    removed: list[str] = []
    reclaimed = 0
    for live in context.registry:
        if live.alive or not _is_wanted(live.record, filters, until):
            continue
        used = await _remove(context, live)
        if used is not None:
            removed.append(live.id)
            reclaimed += used
    context.events.publish(Event("container", "prune", "", {"reclaimed": str(reclaimed)}))
    return Pruned(tuple(removed), reclaimed)


async def _remove(context: Context, live: Live) -> int | None:
    """Bytes that were freed; None when it is still there, or was removed by somebody else."""
    used = (await size(context, live)).rw
    try:
        await remove(context, live, force=False)
    except Conflict:
        return None  # started, or removed by somebody else, meanwhile
    except EngineError as error:
        log.warning("prune leaves container %s: %s", live.name, error)
        return None
    return used


def _until(filters: Filters) -> int | None:
    values = filters.get("until")
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    return parse_time(values[0]) if values else None


def _is_wanted(record: Container, filters: Filters, until: int | None) -> bool:
    if until is not None and record.created_at > until:
        return False
    barred = filters.get("label!")
    return has_labels(record, filters.get("label")) and not (barred and has_labels(record, barred))
