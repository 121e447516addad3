"""Plain data that every floor may know.

Frozen records with no behaviour beyond derived figures: no HTTP keys, no colours, no Textual.
Times are seconds since the epoch, sizes are bytes, CPU is in cores; ``None`` is "unknown" or,
for a limit, "none set".
"""

from tui.models.container import (
    Container,
    ContainerDetail,
    ContainerState,
    Limits,
    MountPoint,
    NetworkAddress,
    PortMapping,
    Processes,
)
from tui.models.engine import EngineInfo, Feature, NodeInfo, Usage
from tui.models.event import Event
from tui.models.image import HistoryEntry, Image, ImageDetail
from tui.models.log import LogLine
from tui.models.metrics import HostSample, Sample
from tui.models.pod import NO_POD, PodGroup, group_pods
from tui.models.result import ActionResult
from tui.models.run import RunRequest

__all__ = [
    "NO_POD",
    "ActionResult",
    "Container",
    "ContainerDetail",
    "ContainerState",
    "EngineInfo",
    "Event",
    "Feature",
    "HistoryEntry",
    "HostSample",
    "Image",
    "ImageDetail",
    "Limits",
    "LogLine",
    "MountPoint",
    "NetworkAddress",
    "NodeInfo",
    "PodGroup",
    "PortMapping",
    "Processes",
    "RunRequest",
    "Sample",
    "Usage",
    "group_pods",
]
