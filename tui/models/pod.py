"""Containers grouped the way their owner labelled them."""

from collections.abc import Iterable
from dataclasses import dataclass

from tui.models.container import Container, ContainerState

POD_LABEL = "berth.pod"
PROJECT_LABEL = "com.docker.compose.project"
NO_POD = "—"


@dataclass(frozen=True, slots=True)
class PodGroup:
    """One pod: its name and its containers, by name."""

    name: str
    containers: tuple[Container, ...]

    @property
    def ready(self) -> int:
        """How many of its containers run and are not known to be unhealthy."""
        return sum(1 for one in self.containers if _ready(one))

    @property
    def restarts(self) -> int:
        """Restarts of all its containers, as far as known."""
        return sum(container.restarts or 0 for container in self.containers)


def _ready(container: Container) -> bool:
    return container.state is ContainerState.RUNNING and container.health != "unhealthy"


def pod_name(container: Container) -> str:
    """berth's label, else compose's project, else a dash."""
    labels = container.labels
    return labels.get(POD_LABEL) or labels.get(PROJECT_LABEL) or NO_POD


def group_pods(containers: Iterable[Container]) -> list[PodGroup]:
    """Groups by name, the ungrouped last."""
    groups: dict[str, list[Container]] = {}
    for container in sorted(containers, key=lambda item: item.name):
        groups.setdefault(pod_name(container), []).append(container)
    names = sorted(groups, key=lambda name: (name == NO_POD, name))
    return [PodGroup(name, tuple(groups[name])) for name in names]
