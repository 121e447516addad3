"""The two networks that exist without any being made: `host` and `none`."""

import hashlib
from typing import Any

from engine.dockerapi.codec.times import rfc3339

PREDEFINED = {"host": "host", "none": "null"}


def network_id(name: str) -> str:
    """The same on every start, so that clients can keep it."""
    return hashlib.sha256(f"berth predefined network {name}".encode()).hexdigest()


def write_network(name: str, created_ns: int) -> dict[str, Any]:
    return {
        "Name": name,
        "Id": network_id(name),
        "Created": rfc3339(created_ns),
        "Scope": "local",
        "Driver": PREDEFINED[name],
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": None},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def endpoints(network_mode: str) -> dict[str, Any]:
    """The container's place in its network; what is not `host` has only a loopback."""
    name = "host" if network_mode == "host" else "none"
    return {
        name: {
            "IPAMConfig": None,
            "Links": None,
            "Aliases": None,
            "MacAddress": "",
            "DriverOpts": None,
            "NetworkID": network_id(name),
            "EndpointID": "",
            "Gateway": "",
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None,
        }
    }
