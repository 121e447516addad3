"""A silent engine is marked within three seconds, and what is shown heals by itself."""

import signal
import time
from pathlib import Path

from tests.system.daemons import Daemon
from tests.tui.drive import Driver, driving
from tui.screens.base import BerthScreen


async def test_a_silent_engine_is_marked_stale_in_time_and_heals(
    drive: Driver, live: Daemon, box: str
) -> None:
    await drive.shows(box, "● live")
    assert live.process is not None
    live.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        await drive.shows("▲ stale")
        assert time.monotonic() - begun < 3.5
        assert box in drive.text()
        assert drive.app.screen.has_class("-stale")
        await drive.press("ctrl+t")
        await drive.notified("No engine is connected")
    finally:
        live.process.send_signal(signal.SIGCONT)
    await drive.shows("● live")
    assert not drive.app.screen.has_class("-stale")
    await drive.shows(box)


async def test_no_engine_shows_the_way_on_and_connects_when_one_comes(
    live: Daemon, tmp_path: Path
) -> None:
    socket = tmp_path / "engine.sock"
    async with driving(socket, (80, 24), connected=False) as drive:
        await drive.shows("The engine is not running", "berth engine start", "no engine")
        socket.symlink_to(live.socket)
        await drive.shows("● live")
        await drive.hides("The engine is not running")


async def test_the_first_frame_waits_for_nothing(tmp_path: Path) -> None:
    async with driving(tmp_path / "engine.sock", (80, 24), connected=False) as drive:
        assert isinstance(drive.app.screen, BerthScreen)
        assert "1 Containers" in drive.text()


async def test_small_and_growing_terminals_lay_out_again(live: Daemon, box: str) -> None:
    async with driving(live.socket, (80, 24)) as drive:
        await drive.shows(box)
        assert not drive.app.screen.query_one(".side").display
        for size in ((40, 10), (160, 50), (80, 24)):
            await drive.pilot.resize_terminal(*size)
            await drive.pilot.pause()
            await drive.shows(box)
        await drive.pilot.resize_terminal(160, 50)
        await drive.until(lambda: drive.app.screen.query_one(".side").display, "the side")
