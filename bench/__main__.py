"""`python -m bench`: run every benchmark in turn."""

import sys

from bench import start

if __name__ == "__main__":
    sys.exit(start.main(sys.argv[1:]))
