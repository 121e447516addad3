"""Say in one line what must be installed before the virtual environment can be made.

Runs on whatever python3 the system has, so it uses nothing newer than Python 3.6.
"""

import sys


def missing():
    """Return the one line to print, or None when everything is there."""
    if sys.version_info < (3, 11):  # noqa: UP036  # this file runs before the right Python is chosen
        found = ".".join(map(str, sys.version_info[:2]))
        return f"berth needs Python 3.11 or newer, not {found}: try `make PYTHON=python3.11 run`"
    if not sys.platform.startswith("linux"):
        return f"berth runs containers with the Linux kernel; this is {sys.platform}"
    try:
        import ensurepip  # noqa: F401  # absent on Debian without python3-venv
        import venv  # noqa: F401
    except ImportError:
        return "python3-venv is missing: run `sudo apt-get install -y python3-venv`"
    return None


if __name__ == "__main__":
    sys.exit(missing())
