"""/etc/hostname, /etc/hosts and /etc/resolv.conf as the container will see them."""

import os
from collections.abc import Iterable
from pathlib import Path

from engine.containers.model import Container
from engine.containers.paths import Paths
from engine.containers.spec.namespaces import is_host_network

_HOSTS = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::", "ip6-localnet"),
    ("ff00::", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


def write(container: Container, paths: Paths, hostname: str) -> None:
    """Write the three files anew, 0644; the directory around them is closed to others."""
    key = container.id
    _write(paths.hostname(key), f"{hostname}\n")
    _write(paths.hosts(key), hosts(container))
    _write(paths.resolv_conf(key), resolv_conf(container))


def hosts(container: Container) -> str:
    """The host's own file with its network, or loopback names; then `--add-host`."""
    extra = (entry.partition(":") for entry in container.host_config.extra_hosts)
    added = "".join(f"{address.strip('[]')}\t{name}\n" for name, _, address in extra)
    own = "".join(f"{address}\t{names}\n" for address, names in _HOSTS)
    return (_host_file("/etc/hosts") if is_host_network(container) else own) + added


def resolv_conf(container: Container) -> str:
    """The host's file, where every kind of line that was asked for replaces the host's own."""
    host = container.host_config
    replaced = {
        "nameserver": [f"nameserver {address}" for address in host.dns],
        "search": [f"search {' '.join(host.dns_search)}"] if host.dns_search else [],
        "options": [f"options {' '.join(host.dns_options)}"] if host.dns_options else [],
    }
    kept = _kept(_host_file("/etc/resolv.conf").splitlines(), replaced)
    return "".join(
        f"{line}\n" for line in (*kept, *(x for lines in replaced.values() for x in lines))
    )


def _kept(lines: Iterable[str], replaced: dict[str, list[str]]) -> list[str]:
    def is_replaced(line: str) -> bool:
        words = line.split()
        kind = "search" if words[:1] == ["domain"] else "".join(words[:1])
        return bool(replaced.get(kind))

    return [line for line in lines if not is_replaced(line)]


def _host_file(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""  # a host without one: the container gets only what was asked for


def _write(path: Path, text: str) -> None:
    with path.open("wb", buffering=0) as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text.encode())
