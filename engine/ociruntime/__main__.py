"""`berth-runtime`, also as ``python -m engine.ociruntime``."""

import sys

from engine.ociruntime import commands
from engine.runtime.interpreter import run_from_clone

_INSIDE = {"create", "exec", "run"}
"""The verbs whose process goes into a container, where somebody could look into it."""


def main() -> int:
    """Do what the command line says; the exit code."""
    if _INSIDE & set(sys.argv):
        run_from_clone()
    return commands.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
