"""What an engine without root finds out before it enters a user namespace."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from engine.daemon.options import Options
from engine.daemon.rootless import enter, ids, keeper, network, obstacles, places
from engine.daemon.rootless.inside import inhabitants
from engine.daemon.rootless.programs import Failed, run
from engine.errors import Forbidden
from engine.runtime import processes, userns
from engine.runtime.processes import Process
from tests.conftest import eventually

NAME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but newuidmap and newgidmap, set-uid root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ids.TOOLS:
        (folder / tool).write_text("#!/bin/sh\n")
        (folder / tool).chmod(0o4755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def subordinate(folder: Path, text: str) -> tuple[Path, Path]:
    paths = folder / "subuid", folder / "subgid"
    for path in paths:
        path.write_text(text)
    return paths


@pytest.mark.root
@pytest.mark.usefixtures("tools")
def test_the_ranges_of_name_and_number_are_stacked_on_root(tmp_path: Path) -> None:
    text = f"{NAME}:100000:65536\nother:5:5\nnonsense\n{os.getuid()}:300000:10\n{NAME}:x:1\n"
    found = ids.find(os.getuid(), 7, *subordinate(tmp_path, text))
    assert not found.single
    assert found.uids == ((0, os.getuid(), 1), (1, 100000, 65536), (65537, 300000, 10))
    assert found.gids[0] == (0, 7, 1)


@pytest.mark.root
@pytest.mark.usefixtures("tools")
def test_without_ranges_there_is_one_id_and_a_command_that_gives_more(tmp_path: Path) -> None:
    found = ids.find(os.getuid(), 7, *subordinate(tmp_path, "other:200000:65536\n"))
    assert (found.uids, found.gids) == (((0, os.getuid(), 1),), ((0, 7, 1),))
    span = "265536-331071"
    assert found.fix == f"sudo usermod --add-subuids {span} --add-subgids {span} {NAME}"


@pytest.mark.root
def test_tools_without_rights_are_named(tools: Path, tmp_path: Path) -> None:
    files = subordinate(tmp_path, f"{NAME}:100000:65536\n")
    (tools / "newgidmap").chmod(0o755)
    found = ids.find(os.getuid(), 7, *files)
    assert found.single
    assert found.fix == f"sudo chmod u+s {tools}/newgidmap"
    (tools / "newuidmap").unlink()
    assert "apt-get install uidmap" in ids.find(os.getuid(), 7, *files).fix


@pytest.mark.root
@pytest.mark.usefixtures("tools")
def test_a_user_without_a_name_has_one_id(tmp_path: Path) -> None:
    found = ids.find(4_000_000, 7, *subordinate(tmp_path, "4000000:100000:65536\n"))
    assert found.single
    assert "/etc/passwd" in found.lack


def test_obstacles_come_with_the_command_that_removes_them(tmp_path: Path) -> None:
    assert obstacles.find(tmp_path) == ""
    setting = tmp_path / "kernel" / "apparmor_restrict_unprivileged_userns"
    setting.parent.mkdir()
    setting.write_text("1\n")
    said = obstacles.find(tmp_path)
    assert "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in said
    setting.write_text("0\n")
    assert obstacles.find(tmp_path) == ""


def options(data: Path, run_dir: Path) -> Options:
    return Options(data_dir=data, run_dir=run_dir, socket=run_dir / "s")


def test_places_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    places.make(options(tmp_path / "a" / "data", tmp_path / "b" / "run"))
    for path in ("a", "a/data", "b", "b/run"):
        assert (tmp_path / path).stat().st_mode & 0o777 == 0o700


def test_a_place_that_others_may_exchange_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(Forbidden, match=r"can be written by everybody: give another --data-dir"):
        places.make(options(tmp_path / "data", tmp_path / "run"))


@pytest.mark.root
def test_a_place_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    os.chown(tmp_path / "run", 4_000_000, -1)
    with pytest.raises(Forbidden, match=r"belongs to uid 4000000.*give another --run-dir"):
        places.make(options(tmp_path / "data", tmp_path / "run"))


def test_a_tun_device_that_may_not_be_opened_is_named(tmp_path: Path) -> None:
    name, lack, fix = network.find(str(tmp_path / "tun"))
    assert not name
    assert "tun" in lack or "installed" in lack
    assert fix


def test_a_helper_that_fails_is_quoted(tmp_path: Path) -> None:
    """Nobody may enter the namespaces that they are in; with or without the program, it fails."""
    own = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")}
    made = network.Network(str(tmp_path), network.PASTA, own)
    try:
        made.start()
        assert made.failure
        assert made.descriptors() == ()
    finally:
        for fd in own.values():
            os.close(fd)


def test_names_are_asked_of_the_helper() -> None:
    host = "search example.org\nnameserver 127.0.0.53\nnameserver ::1\noptions edns0\n"
    made = enter.resolv_conf(host, network.SLIRP)
    assert made == "search example.org\noptions edns0\nnameserver 10.0.2.3\n"


def test_a_program_that_fails_says_why() -> None:
    run(["true"])
    with pytest.raises(Failed, match=r"^ls: cannot access"):
        run(["ls", "/no/such/file"])
    with pytest.raises(Failed, match=r"no-such-program"):
        run(["no-such-program"])


@pytest.mark.root
def test_who_lives_in_a_namespace_is_found_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["unshare", "--user", "sh", "-c", "sleep 1000 & echo up; wait"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == b"up\n"
        fd = os.open(f"/proc/{process.pid}/ns/user", os.O_RDONLY)
        try:
            assert process.pid in inhabitants(fd, "user")
            assert len(inhabitants(fd, "user")) == 2
            monkeypatch.setattr(keeper, "LEAVE_BOUND", 0.1)
            keeper.clear(fd)
            assert inhabitants(fd, "user") == []
        finally:
            os.close(fd)


def test_the_ids_of_a_namespace() -> None:
    some = userns.parse("         0      60001          1\n         1     200000      65536\n")
    assert (some.size, some.last) == (65537, 65536)
    assert some.has(65536)
    assert not some.has(65537)
    assert userns.parse("5 5 1\n").last == -1
    assert userns.parse("0 0 4294967295\n").size == userns.EVERY_ID


def test_a_containers_processes_are_all_below_its_monitor() -> None:
    def child_of(parent: int) -> Process:
        return Process(parent, 1, 1, 1)

    table = {1: child_of(0), 10: child_of(1), 11: child_of(10), 12: child_of(11), 13: child_of(10)}
    assert processes.below(table, 11) == [11, 12, 13]
    assert processes.below(table, 10) == [10, 11, 12, 13]
    assert processes.below(table, 99) == []


def test_what_processes_use_is_read_from_proc() -> None:
    words = [
        sys.executable,
        "-c",
        "import sys\nprint(flush=True)\nwhile not sys.stdin.read(): pass",
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        own = processes.read_table()[process.pid]
        assert own.parent == os.getpid()
        assert own.threads == 1
        assert own.memory > 1 << 20

        def used() -> bool:
            return processes.read_table()[process.pid].cpu_ns >= own.cpu_ns + 20_000_000

        assert process.stdin is not None
        process.stdin.close()
        eventually(used, what="its use of the processor is counted")
        process.kill()
