"""Compiling a config: what is refused names its field, what is accepted survives the wire."""

import marshal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import capabilities, mount, plan, syscalls
from engine.runtime.mount import Mount

from .harness import make_config

ROOT = Path("/some/root")


@pytest.fixture
def config() -> dict[str, Any]:
    return make_config(ROOT, "sh")


def put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for key in parents:
        document = document.setdefault(key, {})
    document[last] = value


def compiled(config: dict[str, Any]) -> plan.InitPlan:
    return plan.compile(config, (), warnings=[])


def test_plan_survives_the_wire(config: dict[str, Any]) -> None:
    config["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2}]
    layers = (Mount("overlay", "overlay", "", ("ro", "lowerdir=/a:/b")),)
    original = plan.compile(config, layers, warnings=[])
    again = plan.InitPlan.from_wire(marshal.loads(marshal.dumps(original.to_wire())))
    assert again == original
    process = plan.compile_exec(config["process"])
    assert plan.ExecPlan.from_wire(marshal.loads(marshal.dumps(process.to_wire()))) == process


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("process/cwd", "x", "process.cwd: must be absolute, got 'x'"),
        ("process/cwd", None, "process.cwd: missing"),
        ("process/args", [], "process.args: must have at least one element"),
        ("process/args", [""], "process.args[0]: must not be empty"),
        ("process/args", ["a", 1], "process.args[1]: must be a string, got 1"),
        ("process/args", "sh", "process.args: must be a list, got 'sh'"),
        ("process/args", ["a\0b"], "process.args[0]: must not have a NUL byte, got 'a\\x00b'"),
        ("process/env", ["=x"], "process.env[0]: must be NAME=value, got '=x'"),
        ("process/user", [], "process.user: must be an object, got []"),
        ("process/user/uid", -1, "process.user.uid: must be from 0 to 4294967294, got -1"),
        ("process/user/uid", "root", "process.user.uid: must be a whole number, got 'root'"),
        (
            "process/user/additionalGids",
            [1, True],
            "process.user.additionalGids[1]: must be a whole number, got True",
        ),
        ("process/terminal", "yes", "process.terminal: must be true or false, got 'yes'"),
        ("process/oomScoreAdj", 2000, "process.oomScoreAdj: must be from -1000 to 1000, got 2000"),
        (
            "process/rlimits",
            [{"type": "RLIMIT_FUN", "soft": 1, "hard": 1}],
            "process.rlimits[0].type: unknown limit 'RLIMIT_FUN'",
        ),
        (
            "process/rlimits",
            [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}],
            "process.rlimits[0].soft: 2 is above the hard limit 1",
        ),
        ("root/path", "rootfs", "root.path: must be absolute, got 'rootfs'"),
        (
            "mounts",
            [{"destination": "data", "type": "tmpfs"}],
            "mounts[0].destination: must be absolute, got 'data'",
        ),
        ("mounts", [{"destination": "/"}], "mounts[0].destination: must not be the root"),
        (
            "mounts",
            [{"destination": "/a/../b", "type": "tmpfs"}],
            "mounts[0].destination: must not have .., got '/a/../b'",
        ),
        (
            "mounts",
            [{"destination": "/proc/self", "type": "tmpfs"}],
            "mounts[0].destination: '/proc/self' cannot be inside /proc",
        ),
        ("mounts", [{"destination": "/x"}], "mounts[0].type: missing, and no bind option given"),
        (
            "mounts",
            [{"destination": "/x", "type": "bind", "source": "vol"}],
            "mounts[0].source: must be absolute, got 'vol'",
        ),
        (
            "mounts",
            [{"destination": "/x", "type": "bind", "source": "/y", "options": ["ro", "wet"]}],
            "mounts[0].options: unknown option 'wet'",
        ),
        (
            "linux/namespaces",
            [{"type": "space"}],
            "linux.namespaces[0].type: unknown namespace 'space'",
        ),
        (
            "linux/namespaces",
            [{"type": "pid"}, {"type": "pid"}],
            "linux.namespaces[1].type: 'pid' is given twice",
        ),
        (
            "linux/namespaces",
            [{"type": "pid"}],
            "linux.namespaces: a mount namespace is required",
        ),
        (
            "linux/uidMappings",
            [{"containerID": 0, "hostID": 0, "size": 1}],
            "linux.uidMappings: needs a user namespace in linux.namespaces",
        ),
        ("linux/maskedPaths", ["x"], "linux.maskedPaths[0]: must be absolute, got 'x'"),
        (
            "linux/rootfsPropagation",
            "loud",
            "linux.rootfsPropagation: unknown value 'loud'",
        ),
        (
            "linux/devices",
            [{"path": "/dev/x", "type": "z"}],
            "linux.devices[0].type: must be one of c u b p, got 'z'",
        ),
        (
            "linux/sysctl",
            {"vm.swappiness": "1"},
            "linux.sysctl: 'vm.swappiness' is not separate in a container",
        ),
        (
            "linux/sysctl",
            {"net/../vm/swappiness": "1"},
            "linux.sysctl: 'net/../vm/swappiness' is not a name",
        ),
        (
            "linux/resources",
            {"memory": {"limit": "64m"}},
            "linux.resources.memory.limit: must be a whole number, got '64m'",
        ),
        (
            "linux/resources",
            {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "rate": 1}]}},
            "linux.resources.blockIO.throttleReadBpsDevice[0].minor: missing",
        ),
        (
            "linux/resources",
            {"devices": [{"allow": False}, {"allow": True, "type": "char"}]},
            "linux.resources.devices[1].type: must be one of a b c, got 'char'",
        ),
        (
            "linux/resources",
            {"devices": [{"allow": True, "type": "c", "access": "rx"}]},
            "linux.resources.devices[0].access: must be of r, w and m, got 'rx'",
        ),
        ("hostname", "x" * 65, f"hostname: must be at most 64 bytes, got {'x' * 65!r}"),
    ],
)
def test_bad_field_is_named(config: dict[str, Any], path: str, value: Any, text: str) -> None:
    put(config, path, value)
    with pytest.raises(InvalidArgument) as caught:
        compiled(config)
    assert str(caught.value) == text


def test_missing_process_is_named(config: dict[str, Any]) -> None:
    del config["process"]
    with pytest.raises(InvalidArgument, match="process: missing"):
        compiled(config)


def test_hooks_that_belong_to_create_and_start_are_in_the_plan(config: dict[str, Any]) -> None:
    config["hooks"] = {
        "poststop": [{"path": "/late"}],
        "createRuntime": [{"path": "/b", "timeout": 3}],
        "prestart": [{"path": "/a", "args": ["a", "x"], "env": ["A=1"]}],
    }
    extras = compiled(config).extras
    assert isinstance(extras, plan.ContainerExtras)
    assert extras.hooks_of("prestart", "createRuntime") == [
        {"path": "/a", "args": ["a", "x"], "env": ["A=1"]},
        {"path": "/b", "args": [], "env": [], "timeout": 3},
    ]
    assert extras.hooks_of("poststop") == []


def test_what_few_ask_for_costs_the_others_nothing(config: dict[str, Any]) -> None:
    result = compiled(config)
    assert result.extras == () and result.process.extras == ()
    assert not result.special


def test_an_unknown_capability_is_told_and_left_out(config: dict[str, Any]) -> None:
    config["process"]["capabilities"]["bounding"] = ["CAP_FLY", "CAP_CHOWN"]
    warnings: list[str] = []
    assert plan.compile(config, (), warnings=warnings).process.capabilities.bounding == 1
    assert warnings == ["process.capabilities.bounding: unknown capability 'CAP_FLY' is left out"]


def test_settings_of_the_host_need_its_namespaces(config: dict[str, Any]) -> None:
    config["linux"]["namespaces"] = [{"type": "mount"}]
    config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    with pytest.raises(InvalidArgument, match="hostname: needs a uts namespace"):
        compiled(config)
    del config["hostname"]
    with pytest.raises(InvalidArgument, match=r"net\.ipv4\.ip_forward.*host's network namespace"):
        compiled(config)


def test_dots_in_interface_names_are_slashes(config: dict[str, Any]) -> None:
    config["linux"]["sysctl"] = {
        "net.ipv4.conf.eth0/1.forwarding": "1",
        "net/ipv4/conf/eth0.2/forwarding": "1",
    }
    assert [key for key, _ in compiled(config).sysctl] == [
        "net/ipv4/conf/eth0.1/forwarding",
        "net/ipv4/conf/eth0.2/forwarding",
    ]


@pytest.mark.skipif(
    Path("/sys/module/apparmor").exists() or Path("/sys/fs/selinux/enforce").exists(),
    reason="this host has a security module",
)
@pytest.mark.parametrize("field", ["process/apparmorProfile", "process/selinuxLabel"])
def test_a_label_that_nothing_could_apply_is_refused(config: dict[str, Any], field: str) -> None:
    put(config, field, "some_label")
    with pytest.raises(Unsupported) as caught:
        compiled(config)
    assert str(caught.value).startswith(field.replace("/", ".") + ": this host has no ")
    config["process"] |= {"apparmorProfile": "unconfined", "selinuxLabel": ""}
    assert compiled(config).process.extras == ()


def test_limits_that_are_not_supported_are_a_warning(config: dict[str, Any]) -> None:
    config["linux"]["resources"] = {
        "memory": {"limit": 1 << 26, "checkBeforeUpdate": False},
        "cpu": {"idle": 1},
        "unified": {"memory.high": "1"},
        "hugepageLimits": [],
        "network": {"classID": 1},
        "blockIO": {"leafWeight": 10},
    }
    warnings: list[str] = []
    plan.compile(config, (), warnings=warnings)
    assert warnings == [
        "linux.resources.blockIO.leafWeight: not supported and not applied",
        "linux.resources.network: not supported and not applied",
    ]


def test_namespaces_tell_the_container_from_its_host(config: dict[str, Any]) -> None:
    config["linux"]["namespaces"][2]["path"] = "/proc/1/ns/net"
    result = compiled(config)
    assert result.join == ((syscalls.CLONE_NEWNET, "/proc/1/ns/net"),)
    assert not result.unshare & syscalls.CLONE_NEWNET
    assert result.namespaces & syscalls.CLONE_NEWNET


def test_last_option_wins() -> None:
    options = mount.parse_options(["ro", "nosuid", "rw", "ro", "rslave", "size=1k", "rro", "rrw"])
    assert options.flags == mount.MS_RDONLY | mount.MS_NOSUID
    assert options.propagation == mount.MS_SLAVE | mount.MS_REC
    assert (options.tree_set, options.tree_cleared) == (0, mount.ATTR_RDONLY)
    assert options.data == ("size=1k",)


def test_capability_bits_are_the_kernels() -> None:
    assert capabilities.mask(["CAP_CHOWN", "CAP_SYS_ADMIN"]) == 1 | 1 << 21
    assert capabilities.BITS["CAP_CHECKPOINT_RESTORE"] == 40
    assert capabilities.words(0b101) == ["CAP_CHOWN", "CAP_DAC_READ_SEARCH"]
