"""What the runtime tells: list, ps, events, features, spec, the log."""

import json
from pathlib import Path

import pytest

from tests.system.ociruntime.cli import (
    CGROUP_PARENT,
    LOOP,
    Cli,
)

pytestmark = pytest.mark.root


def test_list_as_table_json_and_ids(cli: Cli) -> None:
    assert json.loads(cli.well("list", "--format", "json")) is None
    cli.run("a", *LOOP)
    cli.create("b", "true")
    assert cli.well("list", "--quiet").split() == ["a", "b"]
    title, *rows = cli.well("list").splitlines()
    assert title.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [row.split()[2] for row in rows] == ["running", "created"]
    assert [row.split()[-1] for row in rows] == ["root", "root"]
    states = json.loads(cli.well("list", "--format", "json"))
    assert [(each["id"], each["status"]) for each in states] == [("a", "running"), ("b", "created")]


def test_ps_as_table_and_pids(cli: Cli) -> None:
    cli.run("c", "sleep", "1000")
    pid = cli.state("c")["pid"]
    assert json.loads(cli.well("ps", "--format", "json", "c")) == [pid]
    assert "sleep 1000" in cli.well("ps", "c").splitlines()[1]
    assert cli.well("ps", "c", "-o", "pid,args").split()[:3] == ["PID", "COMMAND", str(pid)]


def test_annotations_are_part_of_the_state(cli: Cli) -> None:
    cli.create("c", "true", change=lambda config: config.update(annotations={"a.b": "c"}))
    assert cli.state("c")["annotations"] == {"a.b": "c"}


def test_stats(cli: Cli) -> None:
    cli.run("c", *LOOP)
    event = json.loads(cli.well("events", "--stats", "c"))
    assert (event["type"], event["id"]) == ("stats", "c")
    assert event["data"]["pids"]["current"] >= 1
    assert event["data"]["cpu"]["usage"]["total"] > 0
    assert event["data"]["memory"]["usage"]["usage"] > 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_errors_go_to_the_log(cli: Cli, tmp_path: Path, form: str) -> None:
    log = tmp_path / "log"
    done = cli("--log", str(log), "--log-format", form, "state", "nobody")
    assert done.returncode == 1 and "does not exist" in done.stderr
    (line,) = log.read_text().splitlines()
    if form == "json":
        record = json.loads(line)
        assert record["level"] == "error" and "does not exist" in record["msg"]
    else:
        assert "level=error" in line and "does not exist" in line


def test_features_names_what_there_is(cli: Cli) -> None:
    features = json.loads(cli.well("features"))
    assert {"bind", "ro", "rro", "rslave"} <= {*features["mountOptions"]}
    assert features["linux"]["seccomp"]["enabled"]
    assert {"mount", "pid", "user"} <= {*features["linux"]["namespaces"]}


def test_spec_is_a_configuration_that_runs(cli: Cli, tmp_path: Path) -> None:
    cli.well("spec", "--bundle", str(tmp_path))
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"terminal": False, "args": ["echo", "ran"]}
    config["root"]["path"] = str(cli.rootfs)
    config["linux"]["cgroupsPath"] = f"/{CGROUP_PARENT}/spec"
    path.write_text(json.dumps(config))
    assert cli.well("run", "--bundle", str(tmp_path), "s") == "ran\n"
    assert cli("spec", "--bundle", str(tmp_path)).returncode == 1
