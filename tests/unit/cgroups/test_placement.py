"""Where a container's cgroup is for each driver."""

import pytest

from engine.errors import InvalidArgument
from engine.runtime.cgroups import Layout, Manager, owned, placement


@pytest.mark.parametrize(
    ("driver", "parent", "path", "oci"),
    [
        ("cgroupfs", "berth", "berth/c1", "berth/c1"),
        ("cgroupfs", "/a/b.slice/", "a/b.slice/c1", "/a/b.slice//c1"),
        ("systemd", "system.slice", "system.slice/berth-c1.scope", "system.slice:berth:c1"),
        ("systemd", "a-b.slice", "a.slice/a-b.slice/berth-c1.scope", "a-b.slice:berth:c1"),
        ("systemd", "-.slice", "berth-c1.scope", "-.slice:berth:c1"),
    ],
)
def test_a_place(driver: str, parent: str, path: str, oci: str) -> None:
    assert placement.path(driver, parent, "c1") == path
    assert placement.cgroups_path(driver, parent, "c1") == oci


@pytest.mark.parametrize("parent", ["berth", "", "a--b.slice", "a/b.slice", ".slice", "-a.slice"])
def test_what_is_no_slice(parent: str) -> None:
    with pytest.raises(InvalidArgument, match="not the name of a slice"):
        placement.path("systemd", parent, "c1")


def test_a_scope_is_systemds_and_the_rest_is_ours() -> None:
    nowhere = Layout("none", ())
    assert type(owned(Manager(nowhere, "system.slice/berth-c1.scope"))).__name__ == "Scope"
    assert type(owned(Manager(nowhere, "system.slice/c1"))) is Manager
