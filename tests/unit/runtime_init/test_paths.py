"""Making paths below a root that somebody else filled."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.runtime.rootfs import paths


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(base, os.O_PATH)
    yield fd, base
    assert list((tmp_path / "outside").iterdir()) == []
    os.close(fd)


def where(fd: int, base: Path) -> str:
    path = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return path.removeprefix(str(base))


def test_missing_directories_are_made(tree: tuple[int, Path]) -> None:
    assert where(paths.make_directory(tree[0], "/a/b//c/."), tree[1]) == "/a/b/c"
    assert where(paths.make_directory(tree[0], "/"), tree[1]) == ""


def test_missing_file_is_made_empty(tree: tuple[int, Path]) -> None:
    assert where(paths.make_file(tree[0], "/a/file"), tree[1]) == "/a/file"
    assert (tree[1] / "a/file").read_bytes() == b""


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("/elsewhere", "/elsewhere"),
        ("../../outside", "/outside"),
        ("x/../../../y", "/y"),
        ("loop/..", "/"),
    ],
)
def test_dangling_link_is_completed_inside(tree: tuple[int, Path], link: str, found: str) -> None:
    (tree[1] / "link").symlink_to(link)
    fd = paths.make_directory(tree[0], "/link/more")
    assert where(fd, tree[1]).rstrip("/") == f"{found.rstrip('/')}/more"


def test_dangling_link_to_a_file(tree: tuple[int, Path]) -> None:
    (tree[1] / "link").symlink_to("/etc/deep/file")
    assert where(paths.make_file(tree[0], "link"), tree[1]) == "/etc/deep/file"


def test_loop_of_links_is_refused(tree: tuple[int, Path]) -> None:
    (tree[1] / "a").symlink_to("b")
    (tree[1] / "b").symlink_to("a")
    with pytest.raises(OSError) as caught:
        paths.make_directory(tree[0], "/a/x")
    assert caught.value.errno == errno.ELOOP


def test_ever_growing_link_is_refused(tree: tuple[int, Path]) -> None:
    (tree[1] / "grow").symlink_to("grow/x")
    with pytest.raises(OSError):
        paths.make_directory(tree[0], "/grow/y")


def test_file_in_the_way_of_a_directory(tree: tuple[int, Path]) -> None:
    (tree[1] / "file").touch()
    with pytest.raises(NotADirectoryError):
        paths.make_directory(tree[0], "/file/x")


def test_no_descriptor_is_left_open(tree: tuple[int, Path]) -> None:
    (tree[1] / "link").symlink_to("/far/away")
    before = len(os.listdir("/proc/self/fd"))
    os.close(paths.make_directory(tree[0], "/link/a/b"))
    os.close(paths.make_file(tree[0], "/link/a/c"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_containers_that_share_a_volume_may_make_the_same_path_at_once(
    tree: tuple[int, Path],
) -> None:
    together = threading.Barrier(4)

    def make(number: int) -> str:
        together.wait(20)
        return where(paths.make_directory(tree[0], f"/{number}/b/c/d/e"), tree[1])

    with ThreadPoolExecutor(4) as pool:
        for number in range(60):
            made = list(pool.map(make, [number] * 4))
            assert made == [f"/{number}/b/c/d/e"] * 4
