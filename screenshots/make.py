"""Makes the pictures of the README: the real app on an engine of its own with the demo running.

The engine gets a folder, a cgroup parent and a host name of its own, and is taken away
afterwards; nothing of an engine that already runs on this machine is touched.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from textual.pilot import Pilot

from tui.app import BerthApp
from tui.clients import Client, Endpoint
from tui.commands import demo
from tui.informers import Hub
from tui.screens.main import MainScreen

HERE = Path(__file__).resolve().parent
SIZE = (160, 46)
# Just under what the graphs span while they grow, so that they are full.
HISTORY_SECONDS = 110
READY_SECONDS = 60.0
HOST_NAME = "harbour"


def main() -> int:
    """Write the pictures; the exit status says whether all were made."""
    if os.geteuid() != 0:
        print("screenshots: needs root, because the demo runs real containers", file=sys.stderr)
        return 1
    folder = Path(tempfile.gettempdir()) / "berth-demo"  # seen in the pictures: no random name
    environ = {**os.environ, "BERTH_DATA_DIR": f"{folder}/data", "BERTH_RUN_DIR": str(folder)}
    environ.pop("DOCKER_HOST", None)
    folder.mkdir()
    try:
        with engine(environ) as socket:
            asyncio.run(take_all(environ, socket))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


@contextmanager
def engine(environ: Mapping[str, str]) -> Iterator[Path]:
    """An engine in the foreground of its own session, in a UTS namespace where that can be had."""
    words = [sys.executable, "-m", "engine", "run", "--cgroup-parent", f"berth-shots-{os.getpid()}"]
    if shutil.which("unshare"):
        rename = f'hostname {HOST_NAME}; exec "$@"'
        words = ["unshare", "--uts", "sh", "-c", rename, "sh", *words]
    socket = Path(environ["BERTH_RUN_DIR"]) / "berth.sock"
    process = subprocess.Popen(
        words, env=dict(environ), cwd=HERE.parent, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(socket.exists, process)
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(READY_SECONDS)


def wait_for(probe: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Until the probe says yes; the engine must stay alive meanwhile."""
    deadline = time.monotonic() + READY_SECONDS
    while not probe():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("screenshots: the engine did not start; see `berth doctor`")
        time.sleep(0.05)


async def take_all(environ: Mapping[str, str], socket: Path) -> None:
    """Demo on, pictures, demo off."""
    await demo.begin(environ, image=None)
    try:
        async with opened(socket) as pilot:
            await take(pilot)
    finally:
        await demo.clean(environ)


@asynccontextmanager
async def opened(socket: Path) -> AsyncIterator[Pilot[None]]:
    """The app, once its graphs have something to show."""
    app = BerthApp(Hub(Client(Endpoint(path=str(socket)))))
    async with app.run_test(size=SIZE) as pilot:
        print(f"screenshots: collecting {HISTORY_SECONDS} s of history", flush=True)
        await until(pilot, lambda: len(app.hub.metrics.host) >= HISTORY_SECONDS)
        yield pilot


async def until(pilot: Pilot[None], probe: Callable[[], bool]) -> None:
    """Wait for a condition of the app."""
    async with asyncio.timeout(HISTORY_SECONDS + READY_SECONDS):
        while not probe():
            await pilot.pause(0.1)


async def take(pilot: Pilot[None]) -> None:
    """Walk through the views by keys."""
    await select(pilot, "burner")
    await shoot(pilot, "containers")
    await pilot.press("3")
    await shoot(pilot, "metrics")
    await pilot.press("4")
    await select(pilot, "grower")
    await shoot(pilot, "node")
    await pilot.press("1")
    await select(pilot, "writer")
    await pilot.press("l", "t")
    await shoot(pilot, "logs")
    await pilot.press("3")
    await shoot(pilot, "inspect")
    await pilot.press("escape")


async def select(pilot: Pilot[None], word: str) -> None:
    """Put the cursor on the container with this word in its name."""
    await pilot.pause()
    app = pilot.app
    assert isinstance(app, BerthApp)
    assert isinstance(app.screen, MainScreen)
    for item in app.hub.containers.items.values():
        if word in item.name:
            app.screen.pane.table.move_to(item.id)
    await pilot.pause()


async def shoot(pilot: Pilot[None], name: str) -> None:
    """One picture, after two sweeps of figures have come in."""
    await pilot.pause(2.2)
    pilot.app.clear_notifications()
    await pilot.pause(0.2)
    svg = pilot.app.export_screenshot(title="berth")
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"screenshots: wrote {name}.svg", flush=True)


if __name__ == "__main__":
    sys.exit(main())
