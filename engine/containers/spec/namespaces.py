"""Own namespaces of a container, less those it shares with the host."""

from engine.containers.model import Container


def namespaces(container: Container) -> list[dict[str, str]]:
    host = container.host_config
    shared = {
        "pid": host.pid_mode == "host",
        "ipc": host.ipc_mode == "host",
        "uts": host.uts_mode == "host",
        "cgroup": host.cgroupns_mode == "host",
        "network": is_host_network(container),
    }
    own = [kind for kind, is_shared in shared.items() if not is_shared]
    return [{"type": kind} for kind in ("mount", *own)]


def is_host_network(container: Container) -> bool:
    return container.host_config.network_mode == "host" and not container.config.network_disabled
