"""linux.cgroupsPath in its two forms."""

import pytest

from engine.errors import InvalidArgument
from engine.ociruntime.groups import path_of


@pytest.mark.parametrize(
    ("text", "path"),
    [("", "c1"), ("/a/b", "a/b"), ("a/b/", "a/b"), ("/user.slice:x", "user.slice:x")],
)
def test_a_path(text: str, path: str) -> None:
    assert path_of(text, "c1", systemd=False) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "system.slice/berth-c1.scope"),
        ("system.slice:docker:c1", "system.slice/docker-c1.scope"),
        ("a-b.slice:p:n", "a.slice/a-b.slice/p-n.scope"),
        (":p:n", "system.slice/p-n.scope"),
        ("-.slice:p:n", "p-n.scope"),
        ("a.slice::n.slice", "a.slice/n.slice"),
    ],
)
def test_a_unit_of_systemds(text: str, path: str) -> None:
    assert path_of(text, "c1", systemd=True) == path


@pytest.mark.parametrize("text", ["/a/../b", "/a//b", "/./a"])
def test_a_path_that_leads_elsewhere(text: str) -> None:
    with pytest.raises(InvalidArgument, match="cgroupsPath"):
        path_of(text, "c1", systemd=False)


@pytest.mark.parametrize(
    "text", ["/a/b", "a:b", "a:b:c:d", "a.scope:b:c", "a--b.slice:p:n", "../:p:n"]
)
def test_what_is_no_unit(text: str) -> None:
    with pytest.raises(InvalidArgument, match="cgroupsPath"):
        path_of(text, "c1", systemd=True)
