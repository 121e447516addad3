"""What ``make run`` starts: the full screen, or without a terminal the same job headless."""

import sys

from tui.__main__ import has_terminal, main

if __name__ == "__main__":
    sys.exit(main([] if has_terminal() else ["demo", "--headless"]))
