"""List-then-watch caches with plain callbacks, called in the event loop; no Textual here."""

from tui.informers.containers import ContainerInformer
from tui.informers.events import EventLog
from tui.informers.hub import Hub
from tui.informers.images import ImageInformer
from tui.informers.informer import Informer
from tui.informers.link import Link
from tui.informers.metrics import MetricsInformer
from tui.informers.node import NodeInformer
from tui.informers.series import Series
from tui.informers.underway import Underway

__all__ = [
    "ContainerInformer",
    "EventLog",
    "Hub",
    "ImageInformer",
    "Informer",
    "Link",
    "MetricsInformer",
    "NodeInformer",
    "Series",
    "Underway",
]
