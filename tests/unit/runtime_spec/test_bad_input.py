"""Every invalid configuration is refused with the name of its field; none is taken for another."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import plan

from .everything import FIELDS, Field, config

WRONG: dict[str, list[Any]] = {
    "object": [7, "text", [1], True],
    "list": [7, "text", {"a": 1}, True],
    "text": [7, ["a"], {"a": 1}, True, "a\0b", "half \ud800"],
    "word": [7, ["a"], True, "no such word", "a\0b"],
    "absolute": [7, ["/a"], True, "relative/path", "/a\0b", "./a"],
    "boolean": [0, 1, "true", [], {}],
    "number": ["7", 1.5, [1], True, {}],
}
TOP = "config|ociVersion|root|hostname|domainname|annotations|process|mounts|hooks|linux"
# Annotations, sysctl and the like have names of the writer's choice further down.
FIELD_PATH = re.compile(rf"({TOP})(: |(\.[a-zA-Z0-9]+|\[\d+\])+.*: |\..*: )", re.DOTALL)


def parts_of(path: str) -> list[Any]:
    """Keys and indices; the two objects with free names have dots in them."""
    for free in ("annotations.", "linux.sysctl."):
        if path.startswith(free):
            return [*free.rstrip(".").split("."), path.removeprefix(free)]
    found = re.findall(r"[^.\[\]]+|\[\d+\]", path)
    return [int(part[1:-1]) if part.startswith("[") else part for part in found]


def put(document: Any, path: str, value: Any) -> None:
    *parents, last = parts_of(path)
    for part in parents:
        document = document[part]
    document[last] = value


def refused(document: Any) -> str:
    with pytest.raises((InvalidArgument, Unsupported)) as caught:
        plan.compile(document, (), warnings=[])
    return str(caught.value)


def cases() -> Iterator[tuple[Field, Any]]:
    for field in FIELDS:
        for value in WRONG[field.kind]:
            yield field, value
        if field.kind == "number":
            lowest, highest = field.bounds
            yield field, lowest - 1
            yield field, highest + 2
        if field.needed:
            yield field, None


def test_the_configuration_itself_is_fine() -> None:
    warnings: list[str] = []
    compiled = plan.compile(config(), (), warnings=warnings)
    assert compiled.special and not [text for text in warnings if "unknown" in text]
    assert plan.InitPlan.from_wire(compiled.to_wire()) == compiled


@pytest.mark.parametrize(
    ("field", "value"),
    [pytest.param(*case, id=f"{case[0].path}={case[1]!r}"[:80]) for case in cases()],
)
def test_a_wrong_value_is_refused_with_its_field(field: Field, value: Any) -> None:
    document = config()
    put(document, field.path, value)
    said = refused(document)
    assert said.startswith(field.path), said


@pytest.mark.parametrize("document", [None, [], "text", 7, {}])
def test_what_is_no_configuration_is_refused(document: Any) -> None:
    assert re.match(r"config: |ociVersion: ", refused(document))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("root", None, "root.path: missing"),
        ("process", None, "process: missing"),
        ("process.args", [], "process.args: must have at least one element"),
        ("process.env", ["=x"], "process.env[0]: must be NAME=value"),
        ("ociVersion", "2.0.0", "ociVersion: must be 1.x.y"),
        ("ociVersion", "1.2", "ociVersion: must be 1.x.y"),
        ("hostname", "x" * 65, "hostname: must be at most 64 bytes"),
        ("domainname", "é" * 33, "domainname: must be at most 64 bytes"),
        ("process.user.uid", 65_536, "process.user.uid: 65536 is not mapped by linux.uidMap"),
        ("process.user.gid", 70_000, "process.user.gid: 70000 is not mapped by linux.gidMap"),
        (
            "process.user.additionalGids",
            [0, 99_999],
            "process.user.additionalGids[1]: 99999 is not mapped by linux.gidMappings",
        ),
        ("process.rlimits[0].soft", 5, "process.rlimits[0].soft: 5 is above the hard limit 0"),
        ("process.scheduler.priority", 3, "process.scheduler.priority: must be left out or 0"),
        ("process.scheduler.policy", "SCHED_RR", "process.scheduler.priority: must be from 1"),
        ("process.scheduler.period", 3, "process.scheduler.runtime: needs SCHED_DEADLINE"),
        ("process.scheduler.policy", "SCHED_ISO", "process.scheduler.policy: Linux has never"),
        ("process.execCPUAffinity.final", "3-1", "process.execCPUAffinity.final: '3-1' ends"),
        ("process.execCPUAffinity.final", "1,,2", "process.execCPUAffinity.final: must be like"),
        ("mounts[0].destination", "/", "mounts[0].destination: must not be the root"),
        ("mounts[0].destination", "//", "mounts[0].destination: must not be the root"),
        ("mounts[1].destination", "/a/../b", "mounts[1].destination: must not have .."),
        ("mounts[2].destination", "/proc/self", "mounts[2].destination: '/proc/self' cannot be"),
        ("mounts[1].options", ["bind", "huge=always"], "mounts[1].options: unknown option"),
        ("mounts[1].gidMappings", [], "mounts[1].gidMappings: missing"),
        ("mounts[0].options", ["tmpcopyup"], "mounts[0].options: tmpcopyup is for tmpfs"),
        ("mounts[2].options", ["idmap"], "mounts[2].options: only a bind mount can be idmapped"),
        ("linux.namespaces", [{"type": "pid"}], "linux.namespaces: a mount namespace"),
        ("linux.namespaces[7].type", "pid", "linux.namespaces[7].type: 'pid' is given twice"),
        ("linux.namespaces[7].type", "space", "linux.namespaces[7].type: unknown namespace"),
        ("linux.namespaces[7].path", "/proc/1/ns/time", "linux.timeOffsets: needs a new time"),
        ("linux.uidMappings", [], "linux.uidMappings: missing"),
        ("linux.uidMappings[0].containerID", 5, "linux.uidMappings: id 0 of the container"),
        ("linux.uidMappings[0].size", 2**32 - 1, "linux.uidMappings[0].size: 4294967295 ids"),
        ("linux.timeOffsets.realtime", {}, "linux.timeOffsets: must be of monotonic boottime"),
        ("linux.devices[0].path", "/dev/", "linux.devices[0].path: must name a file"),
        ("linux.devices[0].path", "/dev/../x", "linux.devices[0].path: must name a file"),
        ("linux.sysctl", {"vm.swappiness": "1"}, "linux.sysctl: 'vm.swappiness' is not separate"),
        ("linux.personality.flags", ["X"], "linux.personality.flags: the specification has none"),
        ("linux.intelRdt", {"closID": "x"}, "linux.intelRdt: "),
        ("linux.seccomp.listenerPath", "", "linux.seccomp.listenerPath: missing"),
        (
            "linux.seccomp.defaultAction",
            "SCMP_ACT_NOTIFY",
            "linux.seccomp.defaultErrnoRet: SCMP_ACT_NOTIFY returns no errno",
        ),
        ("linux.seccomp.syscalls[0].errnoRet", 1, "linux.seccomp.syscalls[0].errnoRet: "),
        ("linux.seccomp.syscalls[0].names", [], "linux.seccomp.syscalls[0].names: must not be"),
    ],
)
def test_what_makes_no_sense_is_refused(path: str, value: Any, said: str) -> None:
    document = config()
    put(document, path, value)
    assert refused(document).startswith(said)


def test_overlapping_ids_are_named() -> None:
    document = config()
    document["linux"]["uidMappings"].append({"containerID": 70_000, "hostID": 100_007, "size": 1})
    expected = "linux.uidMappings[1].hostID: 100007 is mapped twice"
    assert refused(document) == expected
    document["linux"]["uidMappings"][1] = {"containerID": 7, "hostID": 0, "size": 1}
    assert refused(document) == "linux.uidMappings[1].containerID: 7 is mapped twice"


def test_unknown_properties_are_ignored() -> None:
    """config.md, "Extensibility": a later version's property is no reason to fail."""
    document = config()
    for path in ("future", "process.future", "linux.future", "hooks.future", "root.future"):
        put(document, path, {"a": [1]})
    assert plan.compile(document, (), warnings=[])


# --- mutations ---------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))
        else:
            yield (*path, key)


PLACES = list(places(config()))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "/", "/..", "/proc/self/x", "bind", "idmap", "\0", "\udc80", "\ud800"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def put_at(document: Any, path: tuple[Any, ...], value: Any) -> None:
    """Where an earlier mutation has left something else, nothing is put."""
    *parents, last = path
    for part in parents:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return
    there = isinstance(document, list) and isinstance(last, int) and last < len(document)
    if there or isinstance(document, dict):
        document[last] = value


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_a_mutated_configuration_is_compiled_or_refused_by_field(
    mutations: list[tuple[tuple[Any, ...], Any]],
) -> None:
    document = copy.deepcopy(config())
    for path, value in mutations:
        put_at(document, path, value)
    try:
        compiled = plan.compile(document, (), warnings=[])
    except (InvalidArgument, Unsupported) as error:
        assert FIELD_PATH.match(str(error)), str(error)
    else:
        assert compiled.to_wire()
        json.dumps(document)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([path for path in PLACES if path[0] == "process"]), VALUES)
def test_a_mutated_session_is_compiled_or_refused_by_field(
    path: tuple[Any, ...], value: Any
) -> None:
    document = config()
    put_at(document, path, value)
    try:
        plan.compile_exec(document["process"], config=config())
    except (InvalidArgument, Unsupported) as error:
        assert FIELD_PATH.match(str(error)), str(error)
