"""Reading in a container's root: overlay rules, and no way out of it."""

import os
from pathlib import Path

import pytest

from engine.containers.spec.rootfs import LIMIT, Rootfs
from engine.errors import InvalidArgument
from engine.runtime.mount import Mount


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Upper, middle and lowest directory."""
    made = (tmp_path / "upper", tmp_path / "middle", tmp_path / "lowest")
    for layer in made:
        (layer / "etc").mkdir(parents=True)
    return made


def merged(*layers: Path) -> Rootfs:
    return Rootfs([str(layer) for layer in layers])


def test_the_uppermost_file_wins(layers: tuple[Path, Path, Path]) -> None:
    upper, middle, lowest = layers
    (lowest / "etc/passwd").write_text("lowest")
    assert merged(*layers).read("/etc/passwd") == b"lowest"
    (middle / "etc/passwd").write_text("middle")
    assert merged(*layers).read("/etc/passwd") == b"middle"
    assert merged(upper, lowest).read("etc/passwd") == b"lowest"


def test_links_are_resolved_inside(layers: tuple[Path, Path, Path]) -> None:
    upper, middle, lowest = layers
    (lowest / "real").mkdir()
    (lowest / "real/passwd").write_text("found")
    (middle / "etc/passwd").symlink_to("/real/../real/./passwd")
    assert merged(*layers).read("/etc/passwd") == b"found"
    (upper / "etc/group").symlink_to("../etc/passwd")
    assert merged(*layers).read("/etc/group") == b"found"


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../../../etc/hostname"])
def test_no_link_leads_to_the_host(layers: tuple[Path, Path, Path], target: str) -> None:
    (layers[0] / "etc/passwd").symlink_to(target)
    assert merged(*layers).read("/etc/passwd") is None
    (layers[2] / "etc/hostname").write_text("inside")
    assert merged(*layers).read("/etc/passwd") == b"inside"


def test_a_directory_that_is_a_link_stays_inside(layers: tuple[Path, Path, Path]) -> None:
    (layers[0] / "etc").rmdir()
    (layers[0] / "etc").symlink_to("/proc/self")
    assert merged(layers[0]).read("/etc/status") is None


def test_loops_end(layers: tuple[Path, Path, Path]) -> None:
    (layers[0] / "etc/passwd").symlink_to("passwd")
    assert merged(*layers).read("/etc/passwd") is None


@pytest.mark.root
def test_a_whiteout_hides_what_is_below(layers: tuple[Path, Path, Path]) -> None:
    (layers[2] / "etc/passwd").write_text("hidden")
    os.mknod(layers[1] / "etc/passwd", 0o600 | 0o020000, 0)
    assert merged(*layers).read("/etc/passwd") is None


@pytest.mark.root
def test_an_opaque_directory_hides_what_is_below(layers: tuple[Path, Path, Path]) -> None:
    (layers[2] / "etc/passwd").write_text("hidden")
    os.setxattr(layers[1] / "etc", "trusted.overlay.opaque", b"y")
    assert merged(*layers).read("/etc/passwd") is None


def test_only_small_regular_files_are_read(layers: tuple[Path, Path, Path]) -> None:
    os.mkfifo(layers[0] / "etc/passwd")
    assert merged(*layers).read("/etc/passwd") is None
    with (layers[0] / "etc/group").open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(InvalidArgument, match="larger than"):
        merged(*layers).read("/etc/group")


def test_mounts_of_both_snapshotters(layers: tuple[Path, Path, Path], tmp_path: Path) -> None:
    odd = tmp_path / "a:b,c"
    odd.mkdir()
    (odd / "file").write_text("odd")
    escaped = str(odd).replace(":", "\\:").replace(",", "\\,")
    options = (f"lowerdir={layers[1]}:{escaped}", f"upperdir={layers[0]}", "workdir=/none")
    assert Rootfs.of([Mount("overlay", "overlay", "", options)]).read("/file") == b"odd"
    assert Rootfs.of([Mount("bind", str(odd), "", ("rbind",))]).exists("/file")


def test_a_running_process_is_read_through_its_own_root() -> None:
    assert Rootfs.of_process(os.getpid()).exists("/proc/self")


@pytest.mark.root
def test_a_file_that_never_ends_is_not_waited_for() -> None:
    assert Rootfs.of_process(os.getpid()).read("/proc/kmsg") == b""
