"""`berth-runtime`, also as ``python -m engine.ociruntime``."""

import sys

from engine.ociruntime import commands


def main() -> int:
    """Do what the command line says; the exit code."""
    return commands.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
