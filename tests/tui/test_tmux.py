"""A person at a real terminal: list, log, inspect, shell, quit."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.system.daemons import ROOT, Daemon

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="needs tmux: run scripts/test-packages"
)


class Terminal:
    """One tmux server of the test's own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.name = f"berth-{uuid.uuid4().hex[:8]}"
        self.environment = {**environment, "TERM": "xterm-256color", "SHELL": "/bin/sh"}

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.name, "-f", os.devnull, *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def start(self, command: str, size: tuple[int, int]) -> None:
        width, height = map(str, size)
        self.tmux("new-session", "-d", "-x", width, "-y", height, command)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def shows(self, *words: str, seconds: float = 20) -> str:
        def found() -> str:
            text = self.screen()
            return text if all(word in text for word in words) else ""

        try:
            return eventually(found, seconds=seconds, what=f"the screen shows {words}")
        except BaseException:
            print(self.screen())
            raise

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self.name, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal(live: Daemon) -> Iterator[Terminal]:
    made = Terminal(live.env)
    yield made
    made.close()


@pytest.fixture
def bare() -> Iterator[Terminal]:
    """A terminal of no engine."""
    made = Terminal(dict(os.environ))
    yield made
    made.close()


def test_a_walk_through_at_80x24(terminal: Terminal, box: str) -> None:
    terminal.start(f"{sys.executable} -m tui; echo left with $?; exec sh", (80, 24))
    terminal.shows("Containers", box, "● live")
    terminal.press("/")
    terminal.press("-l", box)
    terminal.press("Enter")
    terminal.shows(f"filter: {box}")
    terminal.press("l")
    terminal.shows("hello from", "following")
    terminal.press("]")
    terminal.shows("State", "Restart policy")
    terminal.press("Escape")
    terminal.shows("1 Containers")
    terminal.press("s")
    terminal.shows("shell in", "#")
    terminal.press("-l", "echo hi; stty size; echo $((6*7))done")
    terminal.press("Enter")
    terminal.shows("\nhi\n", "24 80", "42done")
    terminal.tmux("resize-window", "-x", "100", "-y", "30")
    terminal.press("-l", "stty size")
    terminal.press("Enter")
    terminal.shows("30 100")
    terminal.press("C-d")
    terminal.shows("1 Containers", "● live")
    terminal.press("q")
    terminal.shows("left with 0")
    terminal.press(
        "-l", "clear; stty -a | tr ' ' '\\n' | grep -xE 'echo;?|icanon;?' | xargs echo modes"
    )
    terminal.press("Enter")
    terminal.shows("modes", "icanon", "echo")
    text = terminal.screen()
    assert "Traceback" not in text
    assert "1 Containers" not in text
    assert (
        terminal.tmux("display-message", "-p", "#{alternate_on}#{mouse_any_flag}").strip() == "00"
    )
    assert terminal.tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"


def test_attach_and_detach_at_160x50(terminal: Terminal, live: Daemon, box: str) -> None:
    other = f"{box}-2"
    live.docker("run", "-dit", "--network", "none", "--name", other, "box:1", "sh")
    terminal.start(f"{sys.executable} -m tui; echo left with $?; exec sh", (160, 50))
    terminal.shows(box, other, "● live", "Last lines")
    terminal.press("-l", f"/{other}")
    terminal.press("Enter")
    terminal.shows(f"filter: {other}")
    terminal.press("a")
    terminal.shows("attached to", "ctrl-p ctrl-q")
    terminal.press("-l", "echo $((6*7))done")
    terminal.press("Enter")
    terminal.shows("42done")
    terminal.press("C-p")
    terminal.press("C-q")
    terminal.shows("1 Containers", f"filter: {other}")
    assert live.state(other)["Running"]
    terminal.press("/", "Escape")
    terminal.shows(f"{box}  ")
    terminal.press("g", "a")
    terminal.shows("attached to", "ctrl-c comes back")
    terminal.press("C-c")
    terminal.shows("1 Containers", "● live")
    assert live.state(box)["Running"]
    terminal.press("q")
    terminal.shows("left with 0")


@pytest.mark.parametrize(("word", "status"), [("TERM", 143), ("HUP", 129)])
def test_a_signal_ends_it_and_leaves_a_clean_terminal(
    bare: Terminal, tmp_path: Path, word: str, status: int
) -> None:
    script = tmp_path / "open.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "from tui.app import run\n"
        "from tui.clients import Endpoint\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        f"sys.exit(run(Endpoint(path={str(tmp_path / 'none.sock')!r})))\n"
    )
    bare.start(f"PYTHONPATH=. {sys.executable} {script}; echo left with $?; exec sh", (80, 24))
    bare.shows("no engine")
    os.kill(int((tmp_path / "pid").read_text()), getattr(signal, f"SIG{word}"))
    bare.shows(f"left with {status}")
    modes = bare.tmux("display-message", "-p", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}")
    assert modes.strip() == "001"
