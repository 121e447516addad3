"""The root file system and its mounts, from inside the container."""

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import init
from engine.runtime.mount import Mount

from .harness import run, shell


def bind(config: dict[str, Any], source: Path | str, target: str, *options: str) -> None:
    config["mounts"].append(
        {
            "destination": target,
            "type": "bind",
            "source": str(source),
            "options": options or ["rbind"],
        }
    )


def failure(config: dict[str, Any]) -> init.StepFailed:
    with pytest.raises(init.StepFailed) as caught:
        run(config)
    return caught.value


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    (path / "file").write_text("from the host\n")
    return path


@pytest.fixture
def nested(volume: Path) -> Iterator[Path]:
    """A volume with a mount of its own below it."""
    (volume / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", volume / "below"], check=True)
    (volume / "below/deep").write_text("deep\n")
    yield volume
    subprocess.run(["umount", volume / "below"], check=True)


def test_directory_is_bound_writable(root: Path, volume: Path) -> None:
    config = shell(root, "cat /data/file; echo new > /data/made")
    bind(config, volume, "/data")
    assert run(config) == (0, "from the host\n")
    assert (volume / "made").read_text() == "new\n"


def test_read_only_bind(root: Path, volume: Path) -> None:
    config = shell(root, "cat /data/file; touch /data/made")
    bind(config, volume, "/data", "rbind", "ro", "nosuid")
    assert "Read-only file system" in run(config)[1]
    assert not (volume / "made").exists()


def test_single_file_is_bound_over_a_missing_one(root: Path, volume: Path) -> None:
    config = shell(root, "cat /etc/deep/er/hosts")
    bind(config, volume / "file", "/etc/deep/er/hosts", "bind", "ro")
    assert run(config) == (0, "from the host\n")


def test_bind_takes_along_the_mounts_below_only_when_recursive(root: Path, nested: Path) -> None:
    config = shell(root, "cat /all/below/deep; ls /one/below")
    bind(config, nested, "/all", "rbind")
    bind(config, nested, "/one", "bind")
    assert run(config) == (0, "deep\n")


def test_recursively_read_only_bind(root: Path, nested: Path) -> None:
    config = shell(root, "touch /plain/below/x; touch /tree/below/y")
    bind(config, nested, "/plain", "rbind", "ro")
    bind(config, nested, "/tree", "rbind", "rro")
    assert "Read-only file system" in run(config)[1]
    assert (nested / "below/x").exists()
    assert not (nested / "below/y").exists()


def test_missing_source_is_named(root: Path, tmp_path: Path) -> None:
    config = shell(root, "true")
    bind(config, tmp_path / "none", "/data")
    error = failure(config)
    assert error.step == "mount sources"
    assert str(tmp_path / "none") in str(error)


def test_propagation_is_private_unless_asked(root: Path, volume: Path) -> None:
    config = shell(root, "cat /proc/self/mountinfo")
    bind(config, volume, "/private")
    bind(config, volume, "/slave", "rbind", "rslave")
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    subprocess.run(["mount", "--make-shared", volume], check=True)
    try:
        lines = {line.split()[4]: line for line in run(config)[1].splitlines()}
    finally:
        subprocess.run(["umount", volume], check=True)
    assert "master:" not in lines["/private"] and "shared:" not in lines["/private"]
    assert "master:" in lines["/slave"]


@pytest.mark.parametrize("option", ["slave", "private", "unbindable"])
def test_no_mount_below_a_bind_stays_a_peer_of_the_hosts(
    root: Path, nested: Path, option: str
) -> None:
    config = shell(root, "cat /proc/self/mountinfo")
    bind(config, nested, "/data", "rbind", option)
    subprocess.run(["mount", "--make-shared", nested / "below"], check=True)
    text = run(config)[1]
    assert " /data/below " in text
    assert [line for line in text.splitlines() if "/data" in line and "shared:" in line] == []


def test_a_file_over_a_directory_is_named(root: Path, volume: Path) -> None:
    (root / "data").mkdir()
    config = shell(root, "true")
    bind(config, volume / "file", "/data")
    error = failure(config)
    assert (error.step, error.errno) == ("mounts", errno.ENOTDIR)
    assert str(volume / "file") in str(error) and "/data" in str(error)


def test_tmpfs_with_options(root: Path) -> None:
    config = shell(root, "stat -c %a /scratch; cat /proc/mounts; touch /scratch/x /frozen/x")
    for target, options in (
        ("/scratch", ["size=128k", "mode=1770", "noexec", "nosuid"]),
        ("/frozen", ["ro"]),
    ):
        config["mounts"].append(
            {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": options}
        )
    _, text = run(config)
    assert text.startswith("1770\n")
    assert "tmpfs /scratch tmpfs rw,nosuid,noexec,relatime,size=128k,mode=1770" in text
    assert "/frozen/x: Read-only file system" in text


def test_bad_mount_option_is_named(root: Path) -> None:
    config = shell(root, "true")
    config["mounts"].append(
        {"destination": "/x", "type": "tmpfs", "source": "tmpfs", "options": ["nonsense=1"]}
    )
    error = failure(config)
    assert error.step == "mounts"
    assert "nonsense=1" in str(error) and "/x" in str(error)


def test_read_only_root_leaves_its_mounts_writable(root: Path) -> None:
    config = shell(
        root, "touch /x; touch /dev/shm/y && echo written; echo > /dev/null && echo null"
    )
    config["root"]["readonly"] = True
    _, text = run(config)
    assert "/x: Read-only file system" in text
    assert "written\nnull\n" in text
    assert not (root / "x").exists()


def overlay(root: Path, tmp_path: Path, count: int, name: str = "layer") -> Mount:
    """`root` below `count` layers, the topmost with the last word."""
    layers = [root]
    for number in range(count):
        layer = tmp_path / f"{name}-{number}"
        layer.mkdir(parents=True)
        (layer / f"from-{number}").touch()
        (layer / "last").write_text(f"{number}\n")
        layers.append(layer)
    for each in ("upper", "work"):
        (tmp_path / each).mkdir()
    lower = ":".join(str(layer) for layer in reversed(layers))
    options = (f"lowerdir={lower}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work")
    return Mount("overlay", "overlay", "", options)


@pytest.mark.parametrize(("count", "name"), [(2, "layer"), (120, "x" * 120), (400, "y" * 80)])
def test_overlay_root_of_any_number_of_layers(
    root: Path, tmp_path: Path, count: int, name: str
) -> None:
    mount = overlay(root, tmp_path, count, name)
    config = shell(root, "cat /last; ls / | busybox grep -c from-; echo mine > /last")
    config["root"]["path"] = str(tmp_path / "merged")
    (tmp_path / "merged").mkdir()
    assert run(config, (mount,)) == (0, f"{count - 1}\n{count}\n")
    assert (tmp_path / "upper/last").read_text() == "mine\n"
    assert list((tmp_path / "merged").iterdir()) == []


def test_bad_overlay_is_a_failure_of_the_root(root: Path, tmp_path: Path) -> None:
    mount = Mount("overlay", "overlay", "", (f"lowerdir={tmp_path}/none",))
    with pytest.raises(init.StepFailed) as caught:
        run(shell(root, "true"), (mount,))
    assert caught.value.step == "root"


def test_extra_device_node(root: Path) -> None:
    config = shell(root, "busybox stat -c '%F %t %T %a %u %g' /dev/extra")
    config["linux"]["devices"] = [
        {
            "path": "/dev/extra",
            "type": "c",
            "major": 1,
            "minor": 5,
            "fileMode": 0o640,
            "uid": 3,
            "gid": 4,
        }
    ]
    assert run(config) == (0, "character special file 1 5 640 3 4\n")


def test_device_nodes_are_bound_where_mknod_is_forbidden(root: Path) -> None:
    config = shell(root, "busybox stat -c '%F %t,%T' /dev/null; echo x > /dev/null && echo ok")
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    assert run(config) == (0, "character special file 1,3\nok\n")


def test_another_device_of_the_host_is_never_bound_in_its_place(root: Path) -> None:
    config = shell(root, "true")
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    config["linux"]["devices"] = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 5}]
    error = failure(config)
    assert error.step == "devices"
    assert "/dev/full" in str(error) and "1:5" in str(error)


def test_dev_of_the_image_is_used_when_none_is_mounted(root: Path) -> None:
    os.mkfifo(root / "dev/null")
    config = shell(root, "busybox stat -c %F /dev/null")
    config["mounts"] = [each for each in config["mounts"] if each["destination"] == "/proc"]
    assert run(config) == (0, "character special file\n")
    assert stat.S_ISCHR((root / "dev/null").stat().st_mode)


# --- images that mean harm ---------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/", "/etc", "../outside"])
def test_proc_and_sys_may_not_be_links(root: Path, outside: Path, name: str, target: str) -> None:
    (root / name).rmdir()
    (root / name).symlink_to(target)
    error = failure(shell(root, "true"))
    assert error.step == "mounts"
    assert "not an ordinary directory" in str(error)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["dev/shm", "data", "deep/er"])
@pytest.mark.parametrize("target", ["{outside}", "../../../../../../../..{outside}"])
def test_link_out_of_the_root_is_resolved_inside(
    root: Path, outside: Path, volume: Path, name: str, target: str
) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(target.format(outside=outside))
    config = shell(root, f"touch /{name}/x && cat /proc/mounts")
    config["mounts"] = [each for each in config["mounts"] if each["destination"] == "/proc"]
    config["mounts"].append(
        {"destination": f"/{name}", "type": "tmpfs", "source": "tmpfs", "options": []}
    )
    bind(config, volume, f"/{name}/more/here")
    code, text = run(config)
    assert code == 0
    assert f"tmpfs {outside} tmpfs" in text
    assert list(outside.iterdir()) == []
    assert (root / str(outside)[1:]).is_dir()


def test_target_that_leads_to_the_root_itself_is_refused(root: Path) -> None:
    (root / "data").symlink_to("/")
    config = shell(root, "true")
    bind(config, "/tmp", "/data")
    assert "leads to the root" in str(failure(config))


@pytest.mark.parametrize("target", ["/proc/self/attr", "/proc/sys"])
def test_target_that_leads_into_proc_is_refused(root: Path, volume: Path, target: str) -> None:
    (root / "data").symlink_to(target)
    config = shell(root, "true")
    bind(config, volume, "/data")
    assert "leads into /proc" in str(failure(config))


def test_a_name_that_only_begins_like_proc_may_not_lead_there(root: Path, volume: Path) -> None:
    (root / "process").symlink_to("/proc/sys")
    config = shell(root, "true")
    bind(config, volume, "/process")
    assert "leads into /proc" in str(failure(config))


def test_target_behind_a_magic_link_is_refused(root: Path, outside: Path) -> None:
    (root / "data").symlink_to("/proc/self/root/tmp")
    config = shell(root, "true")
    bind(config, "/tmp", "/data")
    assert failure(config).step == "mounts"


def test_device_node_through_a_link_stays_inside(root: Path, outside: Path) -> None:
    (root / "dev").rmdir()
    (root / "dev").symlink_to(outside)
    config = shell(root, "true")
    config["mounts"] = []
    assert run(config)[0] == 0
    assert list(outside.iterdir()) == []
    assert (root / str(outside)[1:] / "null").exists()


def test_masked_path_through_a_link_stays_inside(root: Path, outside: Path) -> None:
    (outside / "seen").touch()
    (root / "mask").symlink_to(outside)
    config = shell(root, "true")
    config["linux"]["maskedPaths"] = ["/mask"]
    assert run(config)[0] == 0
    assert [each.name for each in outside.iterdir()] == ["seen"]


def test_working_directory_through_a_link_is_made_inside(root: Path, outside: Path) -> None:
    (root / "srv").symlink_to(outside)
    config = shell(root, "pwd")
    config["process"]["cwd"] = "/srv/app"
    assert run(config)[0] == 0
    assert list(outside.iterdir()) == []


# --- what a failure leaves ---------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["source", "root", "cwd", "program"])
def test_a_failed_start_leaves_nothing_on_the_host(root: Path, tmp_path: Path, broken: str) -> None:
    config = shell(root, "true")
    if broken == "source":
        bind(config, tmp_path / "none", "/data")
    elif broken == "root":
        config["root"]["path"] = str(tmp_path / "nowhere")
    elif broken == "cwd":
        config["process"]["cwd"] = "/etc/passwd/x"
    else:
        config["process"]["args"] = ["none"]
    mounts = Path("/proc/self/mountinfo").read_text()
    before = sorted(os.listdir("/proc/self/fd"))
    failure(config)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert sorted(os.listdir("/proc/self/fd")) == before
