"""Small rules: merging, names, signals, health, back-off, times, filters, records."""

import json
import time
from dataclasses import replace

import pytest

from engine.containers import codec, health, names, restart_policy, signals, times, top, update
from engine.containers.host import parse_list
from engine.containers.live import Live
from engine.containers.merge import command, merge
from engine.containers.model import (
    Config,
    Container,
    Health,
    Healthcheck,
    HealthLog,
    HostConfig,
    LogConfig,
    Resources,
    RestartPolicy,
    State,
    Status,
)
from engine.containers.registry import Registry
from engine.containers.rotation import rotation
from engine.errors import Conflict, InvalidArgument, NotFound
from engine.oci.image import ProcessDefaults

IMAGE = ProcessDefaults(
    user="app",
    env=("PATH=/bin", "A=image"),
    cmd=("serve",),
    entrypoint=("/init", "--"),
    working_dir="/srv/",
    labels={"a": "image", "b": "image"},
    exposed_ports=("80/tcp",),
    volumes=("/data",),
    stop_signal="SIGINT",
    healthcheck={"Test": ["CMD", "probe"], "Interval": 5_000_000, "Retries": 4},
)


def container(key: str = "a" * 64, name: str = "web", **state: object) -> Container:
    made = State(**state)  # type: ignore[arg-type]
    return Container(key, name, 1, Config(), HostConfig(), "sha256:0", "sh", (), made)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(), ("/init", "--", "serve")),
        (Config(cmd=("own",)), ("/init", "--", "own")),
        (Config(entrypoint=("/own",)), ("/own",)),
        (Config(entrypoint=("/own",), cmd=("x",)), ("/own", "x")),
        (Config(entrypoint=("",), cmd=("x",)), ("x",)),
        (Config(entrypoint=(), cmd=("x",)), ("x",)),
    ],
)
def test_command_rules(config: Config, words: tuple[str, ...]) -> None:
    program, args = command(merge(config, IMAGE))
    assert (program, *args) == words


def test_the_rest_is_merged() -> None:
    own = Config(
        env=("A=own", "B=own"),
        labels={"a": "own"},
        exposed_ports=("90",),
        healthcheck=Healthcheck(interval=9_000_000),
    )
    made = merge(own, IMAGE)
    assert made.env == ("A=own", "B=own", "PATH=/bin")
    assert made.labels == {"a": "own", "b": "image"}
    assert (made.user, made.working_dir, made.stop_signal) == ("app", "/srv", "SIGINT")
    assert made.exposed_ports == ("90/tcp", "80/tcp")
    assert made.volumes == ("/data",)
    assert made.healthcheck == Healthcheck(("CMD", "probe"), 9_000_000, retries=4)


def test_names_are_made_readable_and_free() -> None:
    registry = Registry()
    for number in range(200):
        name = names.choose(registry)
        assert names.check(name) == name
        registry.reserve(name, str(number))


def test_ids_are_no_numbers() -> None:
    made = names.new_id()
    assert len(made) == 64
    assert not made[:12].isdigit()


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGHUP", 1), ("hup", 1), ("1", 1), ("KILL", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)],
)
def test_signals(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "SIG", "SIGNOPE", "RTMIN+99", "-1", "1.5"])
def test_signals_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid signal"):
        signals.parse(text)


def test_references() -> None:
    registry = Registry()
    first, second = Live(container("ab" + "0" * 62)), Live(container("ac" + "0" * 62, "ab"))
    registry.add(first)
    registry.add(second)
    assert registry.find("/web") is registry.find("web") is registry.find("ab0") is first
    assert registry.find("ab") is second, "a name goes before a prefix"
    with pytest.raises(InvalidArgument, match="Multiple IDs found with provided prefix: a"):
        registry.find("a")
    for missing in ("nope", ""):
        with pytest.raises(NotFound, match=f"No such container: {missing}"):
            registry.find(missing)
    with pytest.raises(Conflict, match=f'The container name "/web" is already .* "{first.id}"'):
        registry.reserve("web", "other")


def test_records_come_back_as_they_were() -> None:
    record = replace(
        container(status=Status.EXITED, health=Health("healthy", 1, (HealthLog(1, 2, 0, "ok"),))),
        config=Config(cmd=("a",), healthcheck=Healthcheck(("CMD", "x")), labels={"k": "v"}),
        host_config=HostConfig(resources=Resources(memory=5), console_size=(2, 3)),
    )
    document = json.loads(json.dumps(codec.encode(record)))
    assert codec.decode(Container, document) == record
    assert codec.decode(Container, document | {"later": 1}) == record


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": 5}, "Container.id"),
        ({"state": {"status": "asleep"}}, "Container.state.status"),
        ({"state": {"pid": True}}, "Container.state.pid"),
        ({"config": []}, "Container.config"),
        ({"args": "x"}, "Container.args"),
        ({"config": {"cmd": [1]}}, r"Container.config.cmd\[0\]"),
        ({"host_config": {"console_size": [1]}}, "Container.host_config.console_size"),
    ],
)
def test_damaged_records_are_named(change: dict[str, object], field: str) -> None:
    document = json.loads(json.dumps(codec.encode(container())))
    with pytest.raises(codec.Damaged, match=field):
        codec.decode(Container, document | change)


def test_a_record_without_what_it_needs_is_damaged() -> None:
    with pytest.raises(codec.Damaged, match="missing"):
        codec.decode(Container, {"id": "x"})


@pytest.mark.parametrize(
    ("before", "code", "starting", "after"),
    [
        (Health("starting"), 0, True, ("healthy", 0)),
        (Health("starting"), 1, True, ("starting", 0)),
        (Health("starting"), 1, False, ("starting", 1)),
        (Health("healthy", 1), 1, False, ("unhealthy", 2)),
        (Health("unhealthy", 5), 0, False, ("healthy", 0)),
    ],
)
def test_health(before: Health, code: int, starting: bool, after: tuple[str, int]) -> None:
    entry = HealthLog(1, 2, code, "")
    judged = health.judge(before, entry, Healthcheck(("CMD",), retries=2), starting=starting)
    assert (judged.status, judged.failing_streak) == after


def test_health_keeps_the_last_five_results() -> None:
    state = Health("healthy")
    for number in range(9):
        state = health.judge(state, HealthLog(number, 0, 0, ""), Healthcheck(), starting=False)
    assert [entry.started_at for entry in state.log] == [4, 5, 6, 7, 8]


def test_health_commands() -> None:
    made = container()
    assert health.command(made, Healthcheck(("CMD", "a", "b"))) == ("a", "b")
    assert health.command(made, Healthcheck(("CMD-SHELL", "a b"))) == ("/bin/sh", "-c", "a b")


def test_pauses_double_up_to_a_minute_and_begin_anew() -> None:
    pauses = [restart_policy.pause(0, 0)]
    for _ in range(10):
        pauses.append(restart_policy.pause(pauses[-1], ran_for=1))
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 60
    assert restart_policy.pause(60, ran_for=11) == 0.1


@pytest.mark.parametrize(
    ("policy", "code", "count", "by_hand", "expected"),
    [
        ("no", 1, 0, False, False),
        ("always", 0, 99, False, True),
        ("always", 0, 0, True, False),
        ("unless-stopped", 0, 0, False, True),
        ("on-failure", 0, 0, False, False),
        ("on-failure", 1, 1, False, True),
        ("on-failure", 1, 2, False, False),
    ],
)
def test_restart_policies(
    policy: str, code: int, count: int, by_hand: bool, expected: bool
) -> None:
    limit = 2 if policy == "on-failure" else 0
    host = HostConfig(restart_policy=RestartPolicy(policy, limit))
    record = replace(container(stopped_by_user=by_hand), host_config=host, restart_count=count)
    assert restart_policy.applies(Live(record), code) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000", 1_700_000_000_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000_000),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert times.parse(text) == expected


def test_times_ago() -> None:
    ago = time.time_ns() - times.parse("1h30m")
    assert abs(ago - 5400 * 10**9) < 10**9
    with pytest.raises(InvalidArgument, match='failed to parse value as time or duration: "soon"'):
        times.parse("soon")


def test_updates_replace_one_way_of_limiting_the_cpu_by_the_other() -> None:
    quota = update.merged(Resources(nano_cpus=10**9), Resources(cpu_quota=50_000))
    assert (quota.nano_cpus, quota.cpu_quota) == (0, 50_000)
    cpus = update.merged(quota, Resources(nano_cpus=10**9))
    assert (cpus.nano_cpus, cpus.cpu_quota) == (10**9, 0)
    assert update.merged(cpus, Resources(pids_limit=0)).pids_limit == 0


def test_memory_cannot_grow_over_the_swap_there_is() -> None:
    with pytest.raises(InvalidArgument, match="update the memoryswap at the same time"):
        update.merged(Resources(memory=10, memory_swap=20), Resources(memory=30))


def test_ps_rows_are_picked_by_pid() -> None:
    output = "USER   PID COMMAND\nroot     1 init splash\nbob     42 sh -c x\n"
    found = top.select(output, [42])
    assert found.titles == ("USER", "PID", "COMMAND")
    assert found.processes == (("bob", "42", "sh -c x"),)


def test_log_rotation() -> None:
    assert rotation(LogConfig("", {"max-size": "10m", "max-file": "3"})) == (10 * 1024**2, 3)
    assert rotation(LogConfig("", {"max-size": "-1"}))[0] is None


@pytest.mark.parametrize(("text", "numbers"), [("", set()), ("0-2,5", {0, 1, 2, 5}), ("3", {3})])
def test_kernel_lists(text: str, numbers: set[int]) -> None:
    assert parse_list(text) == numbers


@pytest.mark.parametrize("text", ["a", "1-", "-1", "2-1", "99999"])
def test_kernel_lists_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a CPU|descending"):
        parse_list(text)
