"""`berth-runtime`, also as ``python -m engine.ociruntime``."""

import os
import sys

_INSIDE = {"create", "exec", "run"}
"""The verbs whose process goes into a container, where somebody could look into it."""


def main() -> int:
    """Do what the command line says, and end with the exit code; it does not return.

    Nothing is taken apart at the end: it would take longer than some verbs do.
    """
    if _INSIDE & set(sys.argv):
        from engine.runtime.interpreter import run_from_clone

        run_from_clone()
    from engine.ociruntime import commands  # loaded once, by the program that stays

    code = commands.run(sys.argv[1:])
    try:  # noqa: SIM105 (contextlib takes longer to load)
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # nobody is left to read it
    os._exit(code)


if __name__ == "__main__":
    main()
