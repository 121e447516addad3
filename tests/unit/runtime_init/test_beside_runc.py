"""The same config, run by runc: what a program can see must be the same."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.runtime import syscalls

from .harness import run, shell

QUESTIONS = {
    "mounts": "busybox cut -d' ' -f5,6 /proc/self/mountinfo | busybox grep -v cgroup"
    " | busybox sort",
    "devices": "busybox stat -c '%n %F %a %u %g %t,%T' /dev /dev/* /dev/pts/. /dev/shm/.",
    "status": "busybox grep -E '^(Cap|Sig[IBC]|Seccomp|NoNew|Umask|Groups|Uid|Gid)'"
    " /proc/self/status",
    "limits": "ulimit -a; ulimit -Ha",
    "environment": "busybox env | busybox sort; pwd; busybox hostname; umask",
    "process": "echo $$; cat /proc/self/oom_score_adj; cat /proc/self/cgroup",
    "refused": "touch /sys/x; echo 1 > /proc/sys/kernel/panic; busybox unshare -U true;"
    " busybox mount -t tmpfs none /tmp; busybox chroot / true; echo $?",
}


@pytest.mark.parametrize("user", [{"uid": 0, "gid": 0}, {"uid": 1000, "gid": 7}])
@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("question", list(QUESTIONS))
def test_a_program_sees_what_it_would_see_under_runc(
    root: Path, user: dict[str, int], no_new_privileges: bool, question: str
) -> None:
    runc = shutil.which("runc")
    if runc is None:
        pytest.skip("needs runc")
    name = f"berth-runc-{os.getpid()}"
    config = shell(root, f"exec 2>&1; {QUESTIONS[question]}")
    config["process"] |= {"user": user, "noNewPrivileges": no_new_privileges}
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    config["linux"]["cgroupsPath"] = f"/{name}"
    (root.parent / "config.json").write_text(json.dumps(config))
    # runc hands on what it inherits of the two signals that the C library hides; GNU make ignores
    # them, and this test may have been started by it.
    for number in (32, 33):
        syscalls.default_action(number)
    theirs = subprocess.run(
        [runc, "run", "--bundle", root.parent, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    code, ours = run(config)
    assert ours == theirs.stdout
    assert code == theirs.returncode
