"""The history of an image as Docker prints it: newest first, with the size of each layer."""

from engine.images.catalogue import Record
from engine.images.model import HistoryEntry
from engine.oci.image import History
from engine.snapshots.snapshotter import Snapshotter

_MISSING = "<missing>"


def history(record: Record, tags: tuple[str, ...], snapshots: Snapshotter) -> list[HistoryEntry]:
    """An image without history gets one line a layer, as Docker's own archives of old do."""
    config = record.config
    steps = config.history or tuple(History(created=config.created) for _ in config.diff_ids)
    chain = iter(config.chain_ids)
    lines = []
    for step in steps:
        chain_id = None if step.empty_layer else next(chain, None)
        layer = None if chain_id is None else snapshots.layer(chain_id)
        lines.append(_line(step, layer.size if layer else 0))
    lines.reverse()
    if lines:
        top = lines[0]
        lines[0] = HistoryEntry(record.id, top.created, top.created_by, tags, top.size, top.comment)
    return lines


def _line(step: History, size: int) -> HistoryEntry:
    return HistoryEntry(_MISSING, step.created, step.created_by, (), size, step.comment)
