"""Images made of this host's programs: they run, chrooted into what was copied and nothing else."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from engine.images.host import elf, programs
from engine.images.host.contents import Contents
from engine.images.host.libraries import Libraries
from engine.images.service import Images
from tests.unit.images.conftest import Room

pytestmark = pytest.mark.root

_CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "chroot"

Tool = Callable[[str, str], Path]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """A program that is a script, in a directory of its own."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


def _root(room: Room, images: Images, name: str) -> Path:
    chain_id = images.resolve(name).chain_id
    assert chain_id is not None
    return room.root / "snapshots" / "layers" / chain_id.encoded / "fs"


def _run(root: Path, *command: str, **env: str) -> str:
    whole = [_CHROOT, str(root), *command]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **env}
    done = subprocess.run(whole, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_shell_and_python_run_in_it(room: Room, images: Images) -> None:
    said: list[str] = []
    image = await images.from_host(["sh", "python3"], "host", said.append)
    assert image.references == ("host:latest",)
    assert image.config.config.cmd == ("sh",)
    assert any(line.startswith("python3: /") for line in said)
    root = _root(room, images, "host")
    assert _run(root, "sh", "-c", "echo $((6*7))") == "42\n"
    modules = "import asyncio, ctypes, hashlib, json, lzma, sqlite3, ssl, sys, zlib"
    assert _run(root, "python3", "-c", f"{modules}; print(sys.version_info[0])") == "3\n"
    terminal = "import curses; curses.setupterm('xterm-256color'); print(curses.tigetnum('colors'))"
    assert _run(root, "python3", "-c", terminal) == "256\n"


async def test_the_same_programs_make_the_same_layer(images: Images) -> None:
    first = await images.from_host(["sh"], "one", lambda _: None)
    second = await images.from_host(["sh"], "two", lambda _: None)
    assert first.config.diff_ids == second.config.diff_ids


async def test_what_a_system_needs_beside_programs(room: Room, images: Images) -> None:
    await images.from_host(["sh"], "host", lambda _: None)
    root = _root(room, images, "host")
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE((root / "var" / "tmp").stat().st_mode) == 0o1777
    assert (root / "etc" / "passwd").read_text().startswith("root:x:0:0:")
    for name in ("dev", "proc", "sys", "root", "run"):
        assert (root / name).is_dir()
    for name in ("hosts", "hostname", "resolv.conf", "group", "nsswitch.conf"):
        assert (root / "etc" / name).is_file()
    assert not any(root.rglob("__pycache__"))


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox-static")
async def test_busybox_brings_its_applets_only_when_asked(room: Room, images: Images) -> None:
    await images.from_host(["busybox"], "box", lambda _: None)
    assert _run(_root(room, images, "box"), "vi", "--help") == ""
    await images.from_host(["sh"], "plain", lambda _: None)
    plain = _root(room, images, "plain")
    assert _run(plain, "busybox", "echo", "here") == "here\n"
    assert not list(plain.rglob("vi"))


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl")
async def test_an_interpreter_that_leaves_its_modules_behind_says_so(
    room: Room, images: Images
) -> None:
    said: list[str] = []
    await images.from_host(["perl"], "perl", said.append)
    assert "perl: its modules are not copied; a script that loads one fails" in said
    assert "This is perl" in _run(_root(room, images, "perl"), "perl", "-v")


async def test_a_script_brings_its_interpreter(room: Room, images: Images, tool: Tool) -> None:
    path = tool("bin/greet", "#!/usr/bin/env -S sh -e\necho hello from $0\n")
    await images.from_host([str(path)], "script", lambda _: None)
    assert _run(_root(room, images, "script"), "greet").startswith("hello from ")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-program", "program 'no-such-program' is not on this host: install it"),
        ("", "the name is empty"),
        ("a\0b", "NUL"),
        ("bin/relative", "give a name or an absolute path"),
        ("/etc/passwd", "'/etc/passwd' is not on this host"),
        ("/etc", "'/etc' is not on this host"),
        ("..", "not on this host"),
    ],
)
async def test_a_bad_program_is_named_and_nothing_is_left(
    room: Room, images: Images, name: str, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        await images.from_host(["sh", name], "host", lambda _: None)
    assert images.list() == []
    room.assert_empty()


async def test_no_program_at_all_is_refused(images: Images) -> None:
    with pytest.raises(InvalidArgument, match="no program given"):
        await images.from_host([], "host", lambda _: None)


def test_a_file_that_is_no_program_is_refused(tool: Tool) -> None:
    with pytest.raises(InvalidArgument, match="neither an ELF program nor a script"):
        programs.find(str(tool("data", "text")))


def test_scripts_in_a_circle_are_refused(tool: Tool, tmp_path: Path) -> None:
    tool("a", f"#!{tmp_path}/b\n")
    tool("b", f"#!{tmp_path}/a\n")
    with pytest.raises(InvalidArgument, match="scripts of scripts"):
        programs.find(str(tmp_path / "a"))


def test_a_version_shim_is_followed(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tool(".tool/shims/thing", "#!/bin/sh\nexec false\n")
    real = tool(".tool/versions/1.2/bin/thing", "#!/bin/sh\necho real\n")
    other = tool(".tool/versions/2.0/bin/thing", "#!/bin/sh\necho other\n")
    (tmp_path / ".tool" / "version").write_text("1.2\n")
    search = (str(shim.parent), "/usr/bin")
    assert programs.find("thing", search).real == real
    monkeypatch.setenv("TOOL_VERSION", "2.0")
    assert programs.find("thing", search).real == other


def test_a_shim_that_leads_nowhere_is_passed_over(tool: Tool) -> None:
    shim = tool(".tool/shims/sh", "#!/bin/sh\nexec false\n")
    found = programs.find("sh", (str(shim.parent), "/usr/bin", "/bin"))
    assert found.real == Path(os.path.realpath("/bin/sh"))


def test_libraries_are_those_that_the_loader_takes() -> None:
    """The loader itself says what it mapped, in a process of ours."""
    real = Path(os.path.realpath(sys.executable))
    found, missing = Libraries().closure(real)
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split()[5] for line in lines if len(line.split()) > 5}
    assert missing == []
    for library in found:
        assert os.path.realpath(library) in mapped


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\xff" * 200, b"#!"])
def test_damaged_elf_files_are_said_to_be(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(elf.NotElf):
        elf.read(path)


def test_links_on_the_way_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    contents = Contents()
    contents.add_host(tmp_path / "link" / "file")
    names = {path.removeprefix(f"{tmp_path}"[1:]) for path, _ in contents.sorted()}
    assert {"/link", "/real", "/real/file"} <= names
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InvalidArgument, match="too many symbolic links"):
        contents.add_host(tmp_path / "loop" / "x")
