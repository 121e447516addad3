"""Every action of a container, by its key, on a live engine."""

import io
import tarfile

import pytest
from textual.widgets import Button

from tests.system.daemons import Daemon
from tests.tui.drive import Driver
from tui.dialogs.confirm import Confirm
from tui.dialogs.result import Results
from tui.models import ContainerState
from tui.screens.container import ContainerScreen


async def test_list_follows_the_engine_without_a_key(drive: Driver, live: Daemon, box: str) -> None:
    await drive.shows(box, "Up")
    live.docker("stop", "-t", "0", box)
    await drive.until(lambda: (c := drive.container(box)) and not c.running, "sees the stop")
    await drive.shows("Exited (137)")
    live.docker("rm", box)
    await drive.hides(box)


async def test_toggle_stops_then_starts(drive: Driver, live: Daemon, box: str) -> None:
    live.docker("kill", box)
    await drive.until(lambda: (c := drive.container(box)) and not c.running, "stopped")
    await drive.select(box)
    await drive.press("ctrl+t")
    await drive.until(lambda: (c := drive.container(box)) and c.running, "started")
    assert live.state(box)["Running"]
    await drive.notified("Started")


async def test_pause_and_go_on(drive: Driver, live: Daemon, box: str) -> None:
    await drive.select(box)
    await drive.press("P")
    await drive.until(lambda: (c := drive.container(box)) and c.paused, "paused")
    assert live.state(box)["Paused"]
    await drive.shows("Paused")
    await drive.press("P")
    await drive.until(lambda: (c := drive.container(box)) and not c.paused, "goes on")
    assert not live.state(box)["Paused"]


async def test_restart_gives_a_new_start_time(drive: Driver, live: Daemon, box: str) -> None:
    live.docker("kill", box)
    live.docker("start", box)
    before = live.state(box)["StartedAt"]
    await drive.select(box)
    live.docker("kill", box)
    await drive.until(lambda: (c := drive.container(box)) and not c.running, "stopped")
    await drive.press("r")
    await drive.notified("Restarted")
    assert live.state(box)["StartedAt"] != before


@pytest.mark.parametrize("key", ["ctrl+k", "delete", "ctrl+x"])
async def test_dangerous_keys_do_nothing_by_themselves(
    drive: Driver, live: Daemon, box: str, key: str
) -> None:
    await drive.select(box)
    await drive.press(key)
    await drive.until(lambda: isinstance(drive.app.screen, Confirm), "asks")
    focused = drive.app.screen.focused
    assert isinstance(focused, Button)
    assert focused.id == "cancel"
    await drive.press("enter")
    assert not isinstance(drive.app.screen, Confirm)
    await drive.press(key)
    await drive.press("escape")
    assert not isinstance(drive.app.screen, Confirm)
    assert live.state(box)["Running"]


async def test_confirmed_kill_ends_it_with_137(drive: Driver, live: Daemon, box: str) -> None:
    await drive.select(box)
    await drive.press("ctrl+k")
    await drive.press("tab", "enter")
    await drive.until(lambda: (c := drive.container(box)) and not c.running, "killed")
    assert live.state(box)["ExitCode"] == 137


async def test_confirmed_remove_takes_a_running_one(drive: Driver, live: Daemon, box: str) -> None:
    await drive.select(box)
    await drive.press("delete")
    await drive.shows("running")
    await drive.press("right", "enter")
    await drive.until(lambda: drive.container(box) is None, "gone from the list")
    assert live.docker("inspect", box, check=False).returncode != 0


async def test_rename_checks_the_name_and_then_does_it(
    drive: Driver, live: Daemon, box: str
) -> None:
    await drive.select(box)
    await drive.press("e")
    await drive.press("ctrl+u")
    await drive.write("/bad name")
    await drive.shows("not a container name")
    await drive.press("enter")
    assert drive.container(box)
    await drive.press("ctrl+u")
    await drive.write(f"{box}-2")
    await drive.press("enter")
    await drive.until(lambda: drive.container(f"{box}-2"), "renamed")
    assert live.inspect(f"{box}-2")["Name"] == f"/{box}-2"


async def test_rename_shows_the_engines_refusal_in_the_dialog(
    drive: Driver, live: Daemon, box: str
) -> None:
    other = f"{box}-2"
    live.docker("create", "--network", "none", "--name", other, "box:1", "true")
    await drive.select(box)
    await drive.press("e")
    await drive.press("ctrl+u")
    await drive.write(other)
    await drive.press("enter")
    await drive.shows("already in use")
    await drive.press("escape")
    assert drive.container(box)


async def test_copy_puts_the_id_on_the_clipboard(drive: Driver, box: str) -> None:
    held = await drive.select(box)
    await drive.press("c")
    assert drive.app.clipboard == held.id


async def test_marked_ones_are_removed_together_with_a_result_each(
    drive: Driver, live: Daemon, box: str
) -> None:
    other = f"{box}-2"
    live.docker("create", "--network", "none", "--name", other, "box:1", "true")
    await drive.select(box)
    await drive.press("space")
    await drive.select(other)
    await drive.press("space")
    await drive.shows("2 marked")
    await drive.press("delete")
    await drive.shows("Remove 2 containers?", box, other)
    await drive.press("tab", "enter")
    await drive.until(lambda: isinstance(drive.app.screen, Results), "shows the results")
    await drive.shows("2 done")
    await drive.press("enter")
    await drive.until(lambda: not drive.container(box) and not drive.container(other), "gone")


async def test_a_disabled_action_says_why(drive: Driver, live: Daemon, box: str) -> None:
    live.docker("kill", box)
    await drive.until(lambda: (c := drive.container(box)) and not c.running, "stopped")
    await drive.select(box)
    await drive.press("s")
    await drive.notified("not running: start it first")


async def test_an_image_without_a_shell_is_said_clearly(
    drive: Driver, live: Daemon, box: str
) -> None:
    live.docker("rm", "-f", box)
    live.docker("import", "-", "bare:1", input=bare_rootfs())
    command = ("run", "-d", "--network", "none", "--name", box, "bare:1", "/bin/sleep", "1000")
    live.docker(*command)
    await drive.until(lambda: (c := drive.container(box)) and c.image == "bare:1", "runs")
    await drive.select(box)
    await drive.press("s")
    await drive.notified("holds no sh, bash or busybox")


def bare_rootfs() -> bytes:
    """A root file system with one static program and nothing else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/sleep")
    return buffer.getvalue()


async def test_an_engine_error_is_told_with_short_ids(
    drive: Driver, live: Daemon, box: str
) -> None:
    held = await drive.select(box)
    live.docker("pause", box)
    await drive.until(lambda: (c := drive.container(box)) and c.paused, "paused")
    live.docker("unpause", box)
    await drive.press("P")
    await drive.until(lambda: len(drive.app._notifications) or live.state(box)["Paused"], "acts")
    assert not any(held.id in note.message for note in drive.app._notifications)


async def test_filter_narrows_inverts_and_clears(drive: Driver, live: Daemon, box: str) -> None:
    other = f"{box}-2"
    create = ("create", "--network", "none", "--label", "team=blue", "--name")
    live.docker(*create, other, "box:1", "true")
    await drive.select(other)
    await drive.press("slash")
    await drive.write("-l team=blue")
    await drive.until(lambda: len(drive.table().rows) == 1, "one row")
    await drive.press("escape")
    await drive.press("slash")
    await drive.write(f"!{other}")
    await drive.until(lambda: other not in [r.cells[1].text for r in drive.table().rows], "hidden")
    await drive.press("enter")
    await drive.shows(f"filter: !{other}")
    await drive.press("slash", "escape")
    await drive.shows(other)


async def test_all_or_running(drive: Driver, live: Daemon, box: str) -> None:
    other = f"{box}-2"
    live.docker("create", "--network", "none", "--name", other, "box:1", "true")
    await drive.shows(other)
    await drive.press("ctrl+a")
    await drive.shows("running only")
    assert drive.table().move_to(drive.container(other).id) is False  # type: ignore[union-attr]
    await drive.press("ctrl+a")
    await drive.shows(other)


async def test_open_shows_overview_logs_inspect_processes(drive: Driver, box: str) -> None:
    await drive.select(box)
    await drive.press("enter")
    await drive.until(lambda: isinstance(drive.app.screen, ContainerScreen), "opens")
    await drive.shows("CPU cores", "Memory", "of 64", box)
    await drive.press("right_square_bracket")
    await drive.shows("hello from", "following")
    await drive.press("tab")
    await drive.shows("State", "Limits", "0.5 cores", "64.0 MiB")
    await drive.press("y")
    await drive.shows('"Id":', "the engine's own JSON")
    await drive.press("4")
    await drive.shows("PID", "sleep 1")
    await drive.press("escape")
    assert not isinstance(drive.app.screen, ContainerScreen)


async def test_log_search_marks_and_hides(drive: Driver, live: Daemon, box: str) -> None:
    live.docker("rm", "-f", box)
    script = "for i in $(seq 1 300); do echo line $i; done; echo nee''dle; sleep 1000"
    live.docker("run", "-d", "--network", "none", "--name", box, "box:1", "sh", "-c", script)
    await drive.select(box)
    await drive.press("l")
    await drive.shows("needle", "301 lines, following")
    await drive.press("slash")
    await drive.write("line 7")
    await drive.press("enter")
    await drive.shows("/line 7: 11 found")
    await drive.press("F")
    await drive.shows("others hidden")
    await drive.hides("needle")
    await drive.press("F", "t")
    await drive.press("G")
    await drive.shows("needle", "following")


async def test_log_goes_on_after_a_restart(drive: Driver, live: Daemon, box: str) -> None:
    await drive.select(box)
    await drive.press("l")
    await drive.shows("hello from")
    live.docker("kill", box)
    await drive.shows("log ended")
    live.docker("start", box)
    await drive.until(lambda: drive.text().count("hello from") == 2, "two lines")


async def test_removed_under_the_eyes(drive: Driver, live: Daemon, box: str) -> None:
    await drive.select(box)
    await drive.press("enter")
    await drive.until(lambda: isinstance(drive.app.screen, ContainerScreen), "opens")
    live.docker("rm", "-f", box)
    await drive.shows("removed")
    await drive.press("ctrl+t")
    await drive.notified("No container")
    state = drive.container(box)
    assert state is None or state.state is not ContainerState.RUNNING
