"""What the daemon tells about itself, its containers and their use."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


def test_version_and_info(daemon: Daemon) -> None:
    version = json.loads(daemon.docker("version", "--format", "{{json .}}").stdout)
    assert version["Server"]["Os"] == "linux"
    info = json.loads(daemon.docker("info", "--format", "{{json .}}").stdout)
    assert info["NCPU"] >= 1
    assert info["MemTotal"] > 1 << 28
    assert info["Images"] >= 1


def test_inspect_shows_what_was_asked(daemon: Daemon, name: str) -> None:
    daemon.docker(
        *(
            "create",
            "--name",
            name,
            "-m",
            "64m",
            "--cpus",
            "0.5",
            "--pids-limit",
            "50",
            "-e",
            "A=1",
        ),
        *(
            "--label",
            "l=v",
            "-w",
            "/var",
            "-u",
            "web",
            "-h",
            "harbour",
            "--restart",
            "on-failure:3",
        ),
        *(
            "--cap-add",
            "NET_ADMIN",
            "--read-only",
            "-i",
            "--network",
            "none",
            IMAGE,
            "sh",
            "-c",
            "x y",
        ),
    )
    seen = daemon.inspect(name)
    host, config = seen["HostConfig"], seen["Config"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 50)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert [cap.removeprefix("CAP_") for cap in host["CapAdd"]] == ["NET_ADMIN"]
    assert (host["ReadonlyRootfs"], host["NetworkMode"]) == (True, "none")
    assert (config["WorkingDir"], config["User"], config["Hostname"]) == ("/var", "web", "harbour")
    assert "A=1" in config["Env"]
    assert config["Labels"] == {"l": "v"}
    assert (config["OpenStdin"], config["Tty"], config["Image"]) == (True, False, IMAGE)
    assert (seen["Path"], seen["Args"]) == ("sh", ["-c", "x y"])
    assert seen["State"]["Status"] == "created"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", seen["Image"])


def test_size_counts_what_was_written(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=3")
    size = json.loads(daemon.docker("inspect", "-s", name).stdout)[0]
    assert size["SizeRw"] == pytest.approx(3 << 20, rel=0.01)
    assert size["SizeRootFs"] > size["SizeRw"]


def test_an_untouched_root_has_no_size(daemon: Daemon, name: str) -> None:
    daemon.docker("run", "--name", name, IMAGE, "true")
    assert json.loads(daemon.docker("inspect", "-s", name).stdout)[0]["SizeRw"] == 0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_stats_show_limit_use_and_pids(daemon: Daemon, name: str) -> None:
    daemon.docker(
        "run", "-d", "--name", name, "-m", "64m", IMAGE, "sh", "-c", "while :; do :; done"
    )
    pid = daemon.state(name)["Pid"]
    before, began = cpu_seconds(pid), time.monotonic()
    row = json.loads(daemon.docker("stats", "--no-stream", "--format", "{{json .}}", name).stdout)
    cores = (cpu_seconds(pid) - before) / (time.monotonic() - began)  # others may burn some, too
    assert row["MemUsage"].endswith("/ 64MiB")
    assert float(row["CPUPerc"].rstrip("%")) > 50 * cores > 0
    assert row["PIDs"] == "1"


def test_an_unknown_name_is_told_in_dockers_words(daemon: Daemon) -> None:
    done = daemon.docker("inspect", "nosuch", check=False)
    assert done.returncode == 1
    assert "No such object: nosuch" in done.stderr
    done = daemon.docker("start", "nosuch", check=False)
    assert "No such container: nosuch" in done.stderr


def test_system_df_counts(daemon: Daemon, name: str) -> None:
    daemon.docker("create", "--name", name, IMAGE, "true")
    rows = [
        json.loads(line)
        for line in daemon.docker("system", "df", "--format", "{{json .}}").stdout.splitlines()
    ]
    by_type = {row["Type"]: row for row in rows}
    assert int(by_type["Images"]["TotalCount"]) >= 1
    assert int(by_type["Containers"]["TotalCount"]) >= 1
