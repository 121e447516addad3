"""`mounts` with every option, `rootfsPropagation`, masked and read-only paths, devices."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import Launcher

from .conftest import Config, Host, process
from .spec import configure, create, executed, output, sleeping, with_user_namespace

OWNER = [{"containerID": 0, "hostID": 0, "size": 1000}]
SHIFTED = [{"containerID": 0, "hostID": 5000, "size": 1000}]


@pytest.fixture
def host_mounts() -> Iterator[Callable[..., Path]]:
    """Mounts a tmpfs on the host with the given propagation; all are gone afterwards."""
    with ExitStack() as stack:

        def mount(path: Path, propagation: str = "private") -> Path:
            path.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
            stack.callback(subprocess.run, ["umount", "-R", "-l", path], check=True)
            subprocess.run(["mount", f"--make-{propagation}", path], check=True)
            return path

        yield mount


def bind(source: Path, target: str, *options: str, **more: Any) -> Config:
    words = ["rbind", *options] if "bind" not in options else list(options)
    return {"destination": target, "type": "bind", "source": str(source), "options": words} | more


def mounting(*mounts: Config) -> Callable[[Config], None]:
    return lambda config: config["mounts"].extend(mounts)


def fields_of(mountinfo: str, target: str) -> tuple[str, str]:
    """Mount options and propagation of the last mount at `target` (proc(5))."""
    lines = [line.split() for line in mountinfo.splitlines()]
    line = [line for line in lines if line[4] == target][-1]
    return line[5], " ".join(line[6 : line.index("-")])


# --- binds -------------------------------------------------------------------------------------


async def test_a_file_is_bound(host: Host, launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("bound\n")
    change = mounting(bind(tmp_path / "file", "/etc/some/file", "bind", "ro"))
    script = "cat /etc/some/file; echo x > /etc/some/file || echo refused"
    assert (await output(host, launcher, script, change)).split()[0] == "bound"
    assert (tmp_path / "file").read_text() == "bound\n"


async def test_only_rbind_takes_what_is_below(
    host: Host, launcher: Launcher, tmp_path: Path, host_mounts: Callable[..., Path]
) -> None:
    top = host_mounts(tmp_path / "top")
    (host_mounts(top / "below") / "inside").touch()
    change = mounting(bind(top, "/one", "bind"), bind(top, "/tree", "rbind"))
    text = await output(host, launcher, "ls /one/below; echo -; ls /tree/below", change)
    assert text.split() == ["-", "inside"]


_ATTRIBUTES = ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime")


async def test_attributes_of_one_mount_and_of_the_tree(
    host: Host, launcher: Launcher, tmp_path: Path, host_mounts: Callable[..., Path]
) -> None:
    top = host_mounts(tmp_path / "top")
    host_mounts(top / "below")
    mounts = [bind(top, f"/one/{word}", word) for word in _ATTRIBUTES]
    mounts += [bind(top, f"/tree/{word}", f"r{word}") for word in _ATTRIBUTES]
    info = await output(host, launcher, "cat /proc/self/mountinfo", mounting(*mounts))
    for word in _ATTRIBUTES:
        trees = (f"/one/{word}", f"/one/{word}/below", f"/tree/{word}", f"/tree/{word}/below")
        said = [word in fields_of(info, path)[0].split(",") for path in trees]
        assert said == [True, False, True, True], word


async def test_recursive_attributes_are_taken_back(
    host: Host, launcher: Launcher, tmp_path: Path, host_mounts: Callable[..., Path]
) -> None:
    top = host_mounts(tmp_path / "top")
    change = mounting(bind(top, "/tree", "rro", "rnoexec", "rrw", "rexec", "rnosuid"))
    info = await output(host, launcher, "cat /proc/self/mountinfo", change)
    assert set(fields_of(info, "/tree")[0].split(",")) >= {"rw", "nosuid"}
    assert "noexec" not in fields_of(info, "/tree")[0]


@pytest.mark.parametrize(
    ("word", "outside_in", "inside_out"),
    [("rprivate", False, False), ("rslave", True, False), ("rshared", True, True)],
)
async def test_mounts_travel_as_the_propagation_says(
    host: Host,
    launcher: Launcher,
    tmp_path: Path,
    host_mounts: Callable[..., Path],
    word: str,
    outside_in: bool,
    inside_out: bool,
) -> None:
    shared = host_mounts(tmp_path / "shared", "shared")
    for name in ("outer", "inner"):
        (shared / name).mkdir()

    def change(config: Config) -> None:
        mounting(bind(shared, "/v", word))(config)
        config["linux"]["rootfsPropagation"] = word  # which runc asks for
        config["process"]["capabilities"] = {
            name: ["CAP_SYS_ADMIN"] for name in ("bounding", "effective", "permitted")
        }

    monitor = await sleeping(host, launcher, change)
    host_mounts(shared / "outer")
    script = "mount -t tmpfs none /v/inner; grep -c /v/outer /proc/self/mountinfo || true"
    session = process(["sh", "-c", script])
    session["capabilities"] = {name: ["CAP_SYS_ADMIN"] for name in ("bounding", *_PERMITTED)}
    assert (await executed(monitor, session)).strip() == str(int(outside_in))
    seen = f" {shared}/inner " in Path("/proc/self/mountinfo").read_text()
    assert seen is inside_out


_PERMITTED = ("effective", "permitted")


async def test_a_mount_says_its_propagation(host: Host, launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    words = {"unbindable": "unbindable", "runbindable": "unbindable", "shared": "shared:"}
    mounts = [bind(tmp_path / "source", f"/v/{word}", "bind", word) for word in words]
    for word in words:
        fresh = {"destination": f"/t/{word}", "type": "tmpfs", "source": "tmpfs"}
        mounts.append(fresh | {"options": [word]})
    info = await output(host, launcher, "cat /proc/self/mountinfo", mounting(*mounts))
    for word, shown in words.items():
        for target in (f"/v/{word}", f"/t/{word}"):
            assert fields_of(info, target)[1].startswith(shown), target


# The kernel that learnt to idmap each file system; overlay and virtiofs have not (yet).
_IDMAPPED_SINCE = {"ext2/ext3": (5, 12), "xfs": (5, 12), "btrfs": (5, 15), "tmpfs": (6, 3)}


def need_idmap(path: Path) -> None:
    command = ["stat", "-f", "-c", "%T", path]
    kind = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    release = os.uname().release.split("-")[0].split(".")
    if (int(release[0]), int(release[1])) < _IDMAPPED_SINCE.get(kind, (99, 0)):
        pytest.skip(f"needs a kernel that can idmap {kind}, which {os.uname().release} cannot")


async def test_ids_of_a_bind_are_mapped(host: Host, launcher: Launcher, tmp_path: Path) -> None:
    need_idmap(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").touch()
    os.chown(source / "file", 7, 8)
    change = mounting(bind(source, "/v", "bind", uidMappings=SHIFTED, gidMappings=SHIFTED))
    text = await output(host, launcher, "stat -c %u:%g /v /v/file", change)
    assert text.split() == ["5000:5000", "5007:5008"]
    assert ((source / "file").stat().st_uid, (source / "file").stat().st_gid) == (7, 8)


@pytest.mark.parametrize(("word", "below"), [("idmap", "0:0"), ("ridmap", "5000:5000")])
async def test_ids_of_a_tree_are_mapped_when_it_is_asked_for(
    host: Host,
    launcher: Launcher,
    tmp_path: Path,
    host_mounts: Callable[..., Path],
    word: str,
    below: str,
) -> None:
    top = host_mounts(tmp_path / "top")
    need_idmap(top)
    host_mounts(top / "below")
    mount = bind(top, "/v", "rbind", word, uidMappings=SHIFTED, gidMappings=SHIFTED)
    text = await output(host, launcher, "stat -c %u:%g /v /v/below", mounting(mount))
    assert text.split() == ["5000:5000", below]


async def test_the_containers_own_mappings_are_the_default(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    need_idmap(tmp_path)
    source = tmp_path / "source"
    source.mkdir(mode=0o700)
    for path in (tmp_path, host.rootfs, *host.rootfs.parents):
        if path.stat().st_mode & 0o005 != 0o005 and path != source:
            path.chmod(path.stat().st_mode | 0o055)  # for runc, whose child has to get there

    def change(config: Config) -> None:
        with_user_namespace(config)
        config["mounts"][:] = [bind(source, "/tmp", "bind", "idmap"), *config["mounts"]]

    text = await output(host, launcher, "touch /tmp/made; stat -c %u:%g /tmp /tmp/made", change)
    assert text.split() == ["0:0", "0:0"]
    assert (source / "made").stat().st_uid == 0


async def test_what_cannot_be_idmapped_is_refused(host: Host, launcher: Launcher) -> None:
    change = mounting(bind(Path("/proc/sys"), "/v", "bind", uidMappings=OWNER, gidMappings=OWNER))
    with pytest.raises(EngineError, match="idmapped"):
        await create(host, launcher, "c1", configure(host, "true", change))


# --- fresh file systems ------------------------------------------------------------------------


async def test_a_tmpfs_has_its_size_mode_and_inodes(host: Host, launcher: Launcher) -> None:
    shutil.rmtree(host.rootfs / "fresh", ignore_errors=True)
    words = ["size=64k", "mode=1757", "nr_inodes=5", "uid=3", "gid=4", "nosuid", "noexec"]
    mount = {"destination": "/fresh/t", "type": "tmpfs", "source": "some", "options": words}
    script = (
        "cd /fresh/t; stat -c %a:%u:%g .; df -k . | tail -1; "
        "for i in 1 2 3 4 5 6; do touch $i || echo full; done 2>/dev/null; grep /t /proc/mounts"
    )
    change = mounting(mount)
    text = await output(host, launcher, script, change)
    lines = text.splitlines()
    assert lines[0] == "1757:3:4"
    assert lines[1].split()[1] == "64"
    assert lines.count("full") == 2  # one inode is the directory's own
    assert {"nosuid", "noexec"} <= set(lines[-1].split()[3].split(","))


async def test_a_tmpfs_keeps_the_mode_of_what_it_covers(host: Host, launcher: Launcher) -> None:
    (host.rootfs / "covered").mkdir(exist_ok=True)
    (host.rootfs / "covered").chmod(0o2710)
    change = mounting({"destination": "/covered", "type": "tmpfs", "source": "tmpfs"})
    assert (await output(host, launcher, "stat -c %a /covered", change)).strip() == "2710"


async def test_a_tmpfs_starts_with_a_copy(host: Host, launcher: Launcher) -> None:
    shutil.rmtree(host.rootfs / "copied", ignore_errors=True)
    _fill(host.rootfs / "copied")
    words = ["tmpcopyup", "size=1m"]
    mount = {"destination": "/copied", "type": "tmpfs", "source": "tmpfs", "options": words}
    script = "cd /copied; cat file dir/deep; readlink link; stat -c %a:%u:%g . file dir; echo > new"
    text = await output(host, launcher, script, mounting(mount))
    assert text.split() == ["one", "two", "/outside", "751:0:0", "4755:6:7", "700:0:0"]
    assert not (host.rootfs / "copied/new").exists()


def _fill(directory: Path) -> None:
    (directory / "dir").mkdir(parents=True)
    directory.chmod(0o751)
    (directory / "dir").chmod(0o700)
    (directory / "dir/deep").write_text("two\n")
    (directory / "link").symlink_to("/outside")
    (directory / "file").write_text("one\n")
    os.chown(directory / "file", 6, 7)
    (directory / "file").chmod(0o4755)


async def test_what_is_not_for_the_runtime_is_left_out(
    host: Host, launcher: Launcher, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    ignored = ["z", "Z", "x-systemd.automount", "nofail", "_netdev", "comment=mine"]
    tmpfs = {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ignored}
    change = mounting(bind(tmp_path / "source", "/v", "bind", *ignored), tmpfs)
    assert await output(host, launcher, "test -d /v && echo well", change) == "well\n"


async def test_a_mount_is_changed_by_remount(host: Host, launcher: Launcher) -> None:
    tmpfs = {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}
    again = tmpfs | {"options": ["remount", "size=64k", "noexec"]}
    script = "df -k /t | tail -1; grep -c ' /t ' /proc/mounts"
    lines = (await output(host, launcher, script, mounting(tmpfs, again))).splitlines()
    assert lines[0].split()[1] == "64" and lines[1] == "1"


# --- the root ----------------------------------------------------------------------------------


async def propagation_of_root(host: Host, launcher: Launcher, word: str) -> str:
    def change(config: Config) -> None:
        config["linux"]["rootfsPropagation"] = word

    info = await output(host, launcher, "cat /proc/self/mountinfo", change)
    return fields_of(info, "/")[1]


@pytest.mark.parametrize("word", ["private", "rprivate"])
async def test_the_root_is_private(host: Host, launcher: Launcher, word: str) -> None:
    assert await propagation_of_root(host, launcher, word) == ""


@pytest.mark.parametrize("word", ["shared", "unbindable"])
async def test_the_root_is_shared_or_unbindable(host: Host, launcher: Launcher, word: str) -> None:
    assert (await propagation_of_root(host, launcher, word)).startswith(word)


async def test_a_root_of_slaves_hears_of_the_hosts_mounts(
    host: Host, launcher: Launcher, shared_root: Callable[..., Path]
) -> None:
    await hears(host, launcher, shared_root, "rslave")


async def test_a_slave_root_hears_of_the_hosts_mounts(
    host: Host, launcher: Launcher, shared_root: Callable[..., Path]
) -> None:
    await hears(host, launcher, shared_root, "slave")


@pytest.fixture
def shared_root(
    host: Host, tmp_path: Path, host_mounts: Callable[..., Path]
) -> Callable[..., Path]:
    """The root file system on a mount that tells others of what is mounted there."""
    shared = host_mounts(tmp_path / "shared", "shared")
    subprocess.run(["cp", "-a", host.rootfs, shared / "root"], check=True)
    host.rootfs = shared / "root"
    return host_mounts


async def hears(
    host: Host, launcher: Launcher, host_mounts: Callable[..., Path], word: str
) -> None:
    def change(config: Config) -> None:
        config["linux"]["rootfsPropagation"] = word

    monitor = await sleeping(host, launcher, change)
    (host_mounts(host.rootfs / "tmp") / "news").touch()
    assert await executed(monitor, process(["ls", "/tmp"])) == "news\n"


async def test_a_read_only_root_and_paths(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        config["root"]["readonly"] = True
        config["linux"] |= {
            "readonlyPaths": ["/proc/sys", "/nowhere"],
            "maskedPaths": ["/proc/version", "/proc/scsi", "/etc", "/nowhere"],
        }
        tmpfs = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}
        config["mounts"].append(tmpfs)

    script = (
        "touch /new || echo root; echo 1 > /proc/sys/kernel/panic || echo sys; "
        "wc -c < /proc/version; ls /etc | wc -l; touch /tmp/new && echo tmp"
    )
    text = await output(host, launcher, f"{{ {script}; }} 2>/dev/null", change)
    assert text.split() == ["root", "sys", "0", "0", "tmp"]


# --- devices -----------------------------------------------------------------------------------


async def test_devices_have_their_numbers_owners_and_modes(host: Host, launcher: Launcher) -> None:
    listed = [
        {"path": "/dev/one", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 1},
        {"path": "/opt/two", "type": "u", "major": 1, "minor": 5, "fileMode": 0o600, "gid": 2},
        {"path": "/dev/block", "type": "b", "major": 7, "minor": 200},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o666, "uid": 3, "gid": 4},
    ]

    def change(config: Config) -> None:
        config["linux"]["devices"] = listed

    script = "stat -c %f:%t:%T:%u:%g " + " ".join(str(each["path"]) for each in listed)
    text = await output(host, launcher, script, change)
    assert text.split() == [
        f"{stat.S_IFCHR | 0o640:x}:1:3:1:0",
        f"{stat.S_IFCHR | 0o600:x}:1:5:0:2",
        f"{stat.S_IFBLK | 0o666:x}:7:c8:0:0",
        f"{stat.S_IFIFO | 0o666:x}:0:0:3:4",
    ]
