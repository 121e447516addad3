"""`--init`: a small first process that reaps children and passes signals on.

It has to be static, because it runs among the container's files and not the host's.
"""

import os
import shutil
from typing import Any

from engine.errors import Unsupported

TARGET = "/sbin/docker-init"
PROGRAMS = ("docker-init", "tini-static", "catatonit")


def program() -> str:
    """The host's init program; raises Unsupported when it has none."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return os.path.realpath(found)
    raise Unsupported(
        "this host has no static init program for --init: install tini, or leave --init out"
    )


def mount() -> dict[str, Any]:
    options = ["bind", "ro", "rprivate"]
    return {"destination": TARGET, "type": "bind", "source": program(), "options": options}
