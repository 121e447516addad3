"""`features`: what this runtime has, as runtime-spec's features.md describes it.

Read from the tables that the compiler itself works by, so that nothing is promised that is not
done.
"""

from typing import Any

from engine.ociruntime import record
from engine.ociruntime.commands import PROGRAM, VERSION, Call
from engine.runtime import capabilities, hooks, mount, namespaces, seccomp


def run(call: Call) -> int:
    print(record.encode(document(), "    "))
    return 0


def document() -> dict[str, Any]:
    """The features document."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": record.OCI_VERSION,
        "hooks": list(hooks.KINDS),
        "mountOptions": mount.option_words(),
        "linux": {
            "namespaces": sorted(namespaces.FLAGS),
            "capabilities": list(capabilities.BITS),
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": False,
                "rdma": True,
            },
            "seccomp": {"enabled": True} | seccomp.supported(),
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {f"{PROGRAM}.version": VERSION},
    }
