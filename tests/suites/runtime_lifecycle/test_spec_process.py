"""`process` and what of `linux` is about it: when it runs, as whom, with which rights."""

import os
from typing import Any

import pytest

from engine.errors import EngineError
from engine.runtime.launcher import Launcher

from .conftest import Config, Host, process
from .spec import Change, configure, create, executed, output, sleeping

CAPABILITIES = ("bounding", "permitted", "inheritable", "effective", "ambient")


def processing(**fields: Any) -> Change:
    return lambda config: config["process"].update(fields)


# --- when --------------------------------------------------------------------------------------

# The fields of /proc/PID/stat (proc(5)): nice, real-time priority, policy.
STAT = "cut -d' ' -f19,40,41 /proc/self/stat"
NICE = os.getpriority(os.PRIO_PROCESS, 0)
"""What these tests run with, and so what a process has that is given no other."""


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"policy": "SCHED_OTHER", "nice": 7}, "7 0 0"),
        ({"policy": "SCHED_BATCH", "nice": -4}, "-4 0 3"),
        ({"policy": "SCHED_IDLE"}, f"{NICE} 0 5"),
        (
            {
                "policy": "SCHED_DEADLINE",
                "runtime": 10_000_000,
                "deadline": 30_000_000,
                "period": 40_000_000,
                "flags": ["SCHED_FLAG_RECLAIM"],
            },
            f"{NICE} 0 6",
        ),
    ],
    ids=lambda value: value["policy"] if isinstance(value, dict) else "",
)
async def test_the_scheduler(
    host: Host, launcher: Launcher, scheduler: dict[str, Any], said: str
) -> None:
    # As the shell itself: a process with a deadline may not fork.
    text = await output(host, launcher, f"exec {STAT}", processing(scheduler=scheduler))
    assert text.strip() == said


async def test_children_can_be_spared_the_policy(host: Host, launcher: Launcher) -> None:
    flags = ["SCHED_FLAG_RESET_ON_FORK"]
    change = processing(scheduler={"policy": "SCHED_BATCH", "nice": -5, "flags": flags})
    text = await output(host, launcher, f"read -r s < /proc/$$/stat; echo $s; {STAT}; true", change)
    own, child = text.splitlines()
    assert own.split()[18] == "-5" and own.split()[40] == "3"
    assert child.split() == ["0", "0", "3"]


async def test_a_session_has_a_scheduler_of_its_own(host: Host, launcher: Launcher) -> None:
    monitor = await sleeping(host, launcher)
    session = process(["sh", "-c", STAT]) | {"scheduler": {"policy": "SCHED_BATCH", "nice": 3}}
    assert (await executed(monitor, session)).split() == ["3", "0", "3"]


@pytest.mark.parametrize(
    ("word", "priority", "said"),
    [
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_RT", 2, "realtime: prio 2"),
    ],
)
async def test_the_io_priority(
    host: Host, launcher: Launcher, word: str, priority: int, said: str
) -> None:
    change = processing(ioPriority={"class": word, "priority": priority})
    assert (await output(host, launcher, "ionice -p $$", change)).strip() == said


async def test_the_cpus_of_a_session(host: Host, launcher: Launcher) -> None:
    """As in runc's own tests: first the CPU before the cgroup, then the one in it."""
    allowed = sorted(os.sched_getaffinity(0))
    first, last = str(allowed[0]), str(allowed[-1])
    monitor = await sleeping(host, launcher)
    listed = process(["grep", "Cpus_allowed_list", "/proc/self/status"])
    wanted = listed | {"execCPUAffinity": {"initial": first, "final": last}}
    assert (await executed(monitor, wanted)).split()[1] == last
    every = (await executed(monitor, listed)).split()[1]
    wanted = listed | {"execCPUAffinity": {"initial": first}}
    assert (await executed(monitor, wanted)).split()[1] == every


async def test_a_personality_holds_for_sessions_too(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        config["linux"]["personality"] = {"domain": "LINUX32"}

    monitor = await sleeping(host, launcher, change)
    text = await executed(monitor, process(["sh", "-c", "uname -m; cat /proc/1/personality"]))
    assert text.split() == ["i686" if os.uname().machine == "x86_64" else "armv8l", "00000008"]


async def test_the_plain_personality(host: Host, launcher: Launcher) -> None:
    def change(config: Config) -> None:
        config["linux"]["personality"] = {"domain": "LINUX"}

    text = await output(host, launcher, "uname -m; cat /proc/self/personality", change)
    assert text.split() == [os.uname().machine, "00000000"]


# --- as whom -----------------------------------------------------------------------------------


async def test_the_user_with_groups_and_umask(host: Host, launcher: Launcher) -> None:
    host.rootfs.chmod(0o755)
    user = {"uid": 10, "gid": 20, "additionalGids": [30, 40], "umask": 0o027}
    change = processing(user=user)
    text = await output(host, launcher, "id -u; id -G; umask", change)
    assert text.split() == ["10", "20", "30", "40", "0027"]


async def test_capabilities_in_five_sets(host: Host, launcher: Launcher) -> None:
    host.rootfs.chmod(0o755)
    every = ["CAP_CHOWN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_KILL"]
    sets = {name: every[: 4 - at] for at, name in enumerate(("bounding", "permitted"))}
    sets |= {"inheritable": every[:2], "effective": every[:2], "ambient": every[:1]}
    change = processing(capabilities=sets, user={"uid": 5, "gid": 5})
    script = "grep ^Cap /proc/self/status"
    said = dict(
        line.split() for line in (await output(host, launcher, script, change)).splitlines()
    )
    # The child of a shell that is nobody keeps what is ambient (capabilities(7)).
    chown = f"{1:016x}"
    assert said["CapBnd:"] == f"{1 | 1 << 13 | 1 << 10 | 1 << 5:016x}"
    assert (said["CapPrm:"], said["CapEff:"], said["CapAmb:"]) == (chown, chown, chown)
    assert said["CapInh:"] == f"{1 | 1 << 13:016x}"


async def test_an_unknown_capability_is_no_reason_to_fail(host: Host, launcher: Launcher) -> None:
    change = processing(capabilities={name: ["CAP_CHOWN", "CAP_FLY"] for name in CAPABILITIES})
    text = await output(host, launcher, "grep CapBnd /proc/self/status", change)
    assert text.split()[1] == f"{1:016x}"


async def test_limits_and_the_oom_score(host: Host, launcher: Launcher) -> None:
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NPROC", "soft": 99, "hard": 99},
    ]
    change = processing(rlimits=limits, oomScoreAdj=123)
    script = "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; cat /proc/self/limits"
    text = await output(host, launcher, script, change)
    assert text.split()[:4] == ["77", "88", "0", "123"]
    assert "Max processes             99                   99" in text


@pytest.mark.parametrize("on", [True, False])
async def test_new_privileges(host: Host, launcher: Launcher, on: bool) -> None:
    change = processing(noNewPrivileges=on)
    text = await output(host, launcher, "grep NoNewPrivs /proc/self/status", change)
    assert text.split()[1] == str(int(on))


async def test_the_size_of_the_console(host: Host, launcher: Launcher) -> None:
    change = processing(terminal=True, consoleSize={"height": 33, "width": 111})
    assert (await output(host, launcher, "stty size < /dev/console", change)).split() == [
        *("33", "111")
    ]


# --- what this host may not have ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("process", {"selinuxLabel": "system_u:system_r:container_t:s0"}),
        ("process", {"apparmorProfile": "some-profile"}),
        ("linux", {"mountLabel": "system_u:object_r:container_file_t:s0"}),
        ("linux", {"intelRdt": {"closID": "some", "l3CacheSchema": "L3:0=f"}}),
    ],
    ids=["SELinux", "AppArmor", "mount label", "RDT"],
)
@pytest.mark.skipif(
    os.path.exists("/sys/fs/selinux/enforce")
    or os.path.exists("/sys/module/apparmor")
    or os.path.exists("/sys/fs/resctrl/schemata"),
    reason="this host has one of them",
)
async def test_what_the_host_has_not_is_refused(
    host: Host, launcher: Launcher, where: str, value: dict[str, Any]
) -> None:
    config = configure(host, "true", lambda config: config[where].update(value))
    with pytest.raises(EngineError):
        await create(host, launcher, "c1", config)


async def test_a_deadline_that_cannot_be_met_is_refused(host: Host, launcher: Launcher) -> None:
    wanted = {"policy": "SCHED_DEADLINE", "runtime": 50, "deadline": 20, "period": 10}
    config = configure(host, "true", processing(scheduler=wanted))
    with pytest.raises(EngineError, match="sched"):
        await create(host, launcher, "c1", config)
