"""Start, stop, kill, pause, restart, rename, wait and remove, by the real CLI."""

import json
import re
import subprocess
import time

import pytest

from tests.conftest import eventually
from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root

POLITE = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done"


def detached(daemon: Daemon, name: str, *command: str, options: tuple[str, ...] = ()) -> None:
    daemon.docker("run", "-d", "--name", name, *options, IMAGE, *command)


def test_create_then_start_then_exit(daemon: Daemon, name: str) -> None:
    daemon.docker("create", "--name", name, IMAGE, "sh", "-c", "exit 3")
    assert daemon.state(name)["Status"] == "created"
    daemon.docker("start", name)
    state = daemon.wait_for(name, "exited")
    assert (state["ExitCode"], state["Running"], state["Pid"]) == (3, False, 0)


def test_start_again_after_exit(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "sh", "-c", "echo run >> /n; cat /n")
    done = daemon.docker("start", "-a", name)
    assert done.stdout == "run\nrun\n"


def test_start_of_a_running_one_changes_nothing(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    pid = daemon.state(name)["Pid"]
    daemon.docker("start", name)
    assert daemon.state(name)["Pid"] == pid


def test_stop_asks_politely_first(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", POLITE)
    eventually(lambda: "up" in daemon.docker("logs", name).stdout)
    daemon.docker("stop", name)
    assert daemon.state(name)["ExitCode"] == 4
    assert daemon.docker("logs", name).stdout == "up\nbye\n"


def test_stop_kills_what_does_not_listen(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")  # PID 1 without a handler ignores SIGTERM
    daemon.docker("stop", "-t", "1", name)
    assert daemon.state(name)["ExitCode"] == 137


def test_stop_of_a_stopped_one_is_no_error(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "true")
    daemon.docker("stop", name)


def test_kill_sends_the_signal_asked_for(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", "trap 'exit 42' USR1; echo up; while :; do sleep 0.05; done")
    eventually(lambda: "up" in daemon.docker("logs", name).stdout)
    daemon.docker("kill", "-s", "USR1", name)
    assert daemon.wait_for(name, "exited")["ExitCode"] == 42


def test_kill_waits_for_the_end(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    for _ in range(5):
        daemon.docker("kill", name)
        assert daemon.state(name)["Status"] == "exited"
        daemon.docker("start", name)
        assert daemon.state(name)["Status"] == "running"


@pytest.mark.parametrize("signal", ["NOPE", "99", "SIGWHAT"])
def test_a_bad_signal_is_named(daemon: Daemon, name: str, signal: str) -> None:
    detached(daemon, name, "sleep", "60")
    done = daemon.docker("kill", "-s", signal, name, check=False)
    assert done.returncode == 1
    assert re.search(f"(invalid|not support) signal:? {signal}", done.stderr, re.IGNORECASE)
    assert daemon.state(name)["Running"] is True


def test_kill_of_a_stopped_one_is_refused(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "true")
    done = daemon.docker("kill", name, check=False)
    assert done.returncode == 1
    assert "is not running" in done.stderr


def test_pause_stops_the_clock_and_unpause_goes_on(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done")
    eventually(lambda: daemon.docker("logs", "--tail", "1", name).stdout)
    daemon.docker("pause", name)
    state = daemon.state(name)
    assert (state["Status"], state["Paused"]) == ("paused", True)
    first = daemon.docker("logs", "--tail", "1", name).stdout
    assert daemon.docker("logs", "--tail", "1", name).stdout == first
    daemon.docker("unpause", name)
    assert daemon.state(name)["Status"] == "running"
    eventually(lambda: daemon.docker("logs", "--tail", "1", name).stdout != first)


def test_pause_twice_is_refused(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    daemon.docker("pause", name)
    done = daemon.docker("pause", name, check=False)
    assert done.returncode == 1
    assert "already paused" in done.stderr
    daemon.docker("unpause", name)


def test_restart_gives_a_new_process(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    before = daemon.state(name)["Pid"]
    daemon.docker("restart", "-t", "0", name)
    after = daemon.state(name)
    assert after["Running"] is True
    assert after["Pid"] != before


def test_rename_and_conflict(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    daemon.docker("create", "--name", f"{name}-b", IMAGE, "true")
    try:
        done = daemon.docker("rename", name, f"{name}-b", check=False)
        assert done.returncode == 1
        assert "already in use" in done.stderr
    finally:
        daemon.docker("rm", f"{name}-b")
    daemon.docker("rename", name, f"{name}-c")
    assert daemon.inspect(f"{name}-c")["Name"] == f"/{name}-c"
    daemon.docker("rename", f"{name}-c", name)


def test_wait_reports_the_code(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", "sleep 0.3; exit 6")
    assert daemon.docker("wait", name).stdout == "6\n"


def test_remove_of_a_running_one_needs_force(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60")
    done = daemon.docker("rm", name, check=False)
    assert done.returncode == 1
    assert "running" in done.stderr
    daemon.docker("rm", "-f", name)
    assert (
        "no such container"
        in daemon.docker("inspect", "--type", "container", name, check=False).stderr.lower()
    )


def test_ids_and_prefixes_and_names_resolve(daemon: Daemon, name: str) -> None:
    full = daemon.docker("create", "--name", name, IMAGE, "true").stdout.strip()
    for reference in (full, full[:12], full[:6], name, f"/{name}"):
        assert daemon.inspect(reference)["Id"] == full


def test_restart_policy_restarts_with_a_bound(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", "echo go; exit 3", options=("--restart", "on-failure:2"))
    eventually(lambda: daemon.inspect(name)["RestartCount"] == 2, seconds=15)
    state = daemon.wait_for(name, "exited")
    assert state["ExitCode"] == 3
    assert daemon.docker("logs", name).stdout == "go\n" * 3


def test_an_always_restarted_one_can_be_stopped(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sh", "-c", "exit 1", options=("--restart", "always"))
    eventually(lambda: daemon.inspect(name)["RestartCount"] >= 2, seconds=15)
    daemon.docker("stop", name)
    assert daemon.state(name)["Status"] == "exited"


def test_filters_of_ps(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "60", options=("--label", f"who={name}"))

    def listed(*filters: str) -> list[str]:
        arguments = [word for item in filters for word in ("--filter", item)]
        return daemon.docker("ps", "-a", "--format", "{{.Names}}", *arguments).stdout.split()

    assert listed(f"label=who={name}") == [name]
    assert listed(f"name={name}", "status=running") == [name]
    assert listed(f"name={name}", "status=exited") == []
    assert name in listed(f"ancestor={IMAGE}")
    daemon.docker("kill", name)
    daemon.wait_for(name, "exited")
    assert listed(f"name={name}", "exited=137") == [name]


def test_events_tell_the_whole_story(daemon: Daemon, name: str) -> None:
    since = ("--since", str(time.time()))
    watcher = subprocess.Popen(
        ["docker", "events", "--filter", f"container={name}", "--format", "{{json .}}", *since],
        env=daemon.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        daemon.docker("run", "--name", name, IMAGE, "sh", "-c", "exit 3", check=False)
        daemon.docker("rm", name)
        assert watcher.stdout is not None
        seen = []
        for line in watcher.stdout:
            event = json.loads(line)
            seen.append(event["Action"])
            if event["Action"] == "die":
                assert event["Actor"]["Attributes"]["exitCode"] == "3"
                assert event["Actor"]["Attributes"]["image"] == IMAGE
            if event["Action"] == "destroy":
                break
        assert [action for action in seen if action in ("create", "start", "die", "destroy")] == [
            "create",
            "start",
            "die",
            "destroy",
        ]
    finally:
        watcher.terminate()
        watcher.wait(10)
        watcher.stdout and watcher.stdout.close()


def test_top_shows_the_processes(daemon: Daemon, name: str) -> None:
    detached(daemon, name, "sleep", "61")
    assert "sleep 61" in daemon.docker("top", name).stdout
    assert "sleep 61" in daemon.docker("top", name, "-o", "pid,args").stdout


def test_healthcheck_turns_healthy_and_unhealthy(daemon: Daemon, name: str) -> None:
    options = ("--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "2")
    detached(daemon, name, "sleep", "60", options=options)
    eventually(lambda: daemon.state(name)["Health"]["Status"] == "unhealthy", seconds=15)
    daemon.docker("exec", name, "touch", "/ok")
    eventually(lambda: daemon.state(name)["Health"]["Status"] == "healthy", seconds=15)
