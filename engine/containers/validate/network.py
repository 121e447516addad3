"""Networks and ports. This release has `none` and `host`."""

import ipaddress

from engine.containers.model import Config, HostConfig, PortBinding
from engine.errors import InvalidArgument, Unsupported

_PROTOCOLS = ("tcp", "udp", "sctp")
_DEFAULT = (
    "no network was chosen and bridge networks are not available yet: the container gets only a"
    " loopback interface; use --network host for the host's network"
)


def check(config: Config, host: HostConfig) -> tuple[str, ...]:
    for port in config.exposed_ports:
        _check_port(port)
    for binding in host.port_bindings:
        _check_binding(binding)
    for address in host.dns:
        _check_address(address)
    for entry in host.extra_hosts:
        _check_extra_host(entry)
    return _check_mode(config, host)


def _check_mode(config: Config, host: HostConfig) -> tuple[str, ...]:
    mode = host.network_mode or "default"
    if mode in ("none", "host", "default"):
        return _warnings(config, host, mode)
    kind = f"network '{mode}'" if mode != "bridge" else "the bridge network"
    raise Unsupported(f"{kind} is not available yet: use --network none or --network host")


def _warnings(config: Config, host: HostConfig, mode: str) -> tuple[str, ...]:
    chosen = mode != "default" or config.network_disabled
    warnings = () if chosen else (_DEFAULT,)
    if not host.port_bindings and not host.publish_all_ports:
        return warnings
    words = "host" if mode == "host" else "none"
    return (*warnings, f"Published ports are discarded when using {words} network mode")


def _check_port(text: str) -> None:
    port, _, protocol = text.partition("/")
    if (protocol or "tcp").lower() not in _PROTOCOLS:
        raise InvalidArgument(f"invalid port specification: invalid proto: {protocol}")
    low, _, high = port.partition("-")
    first, last = _number(low, text), _number(high or low, text)
    if first > last:
        raise InvalidArgument(f'invalid port specification: "{text}": the range is descending')


def _check_binding(binding: PortBinding) -> None:
    _check_port(binding.port)
    if binding.host_port and binding.host_port != "0":
        low, _, high = binding.host_port.partition("-")
        if _number(low, binding.host_port) > _number(high or low, binding.host_port):
            raise InvalidArgument(f'invalid port specification: "{binding.host_port}"')
    if binding.host_ip:
        _check_address(binding.host_ip)


def _number(text: str, whole: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= 65535:
        raise InvalidArgument(f'invalid port specification: "{whole}"')
    return number


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {text}") from None


def _check_extra_host(entry: str) -> None:
    name, separator, address = entry.partition(":")
    if not name or not separator or not address:
        raise InvalidArgument(f'bad format for add-host: "{entry}"')
    if address == "host-gateway":
        raise Unsupported("host-gateway in --add-host needs a bridge network, not available yet")
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from None
