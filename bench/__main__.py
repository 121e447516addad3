"""`python -m bench`: run every benchmark in turn."""

import sys

from bench import command

if __name__ == "__main__":
    sys.exit(command.main(sys.argv[1:]))
