"""Signals, tables, the log, and what the verbs that are asked most do not load."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from engine.ociruntime import table
from engine.ociruntime.commands import VERBS
from engine.ociruntime.numbers import signal_number
from engine.ociruntime.report import Report
from engine.ociruntime.verbs import events, features, spec
from engine.runtime import plan

HEAVY = {"typing", "re", "json", "enum", "ctypes", "contextlib", "subprocess", "asyncio"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("15", 15),
        ("TERM", 15),
        ("sigkill", 9),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMAX-1", signal.SIGRTMAX - 1),
    ],
)
def test_signals(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "-9", "NONE", "_DFL", "RTMIN+99", "RTMIN+x", "²"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(InvalidArgument, match="unknown signal"):
        signal_number(text)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    shown = table.render((("ID", "PID", "OWNER"), ("a-name-that-is-long", "1", "")))
    assert shown == "ID                  PID         OWNER\na-name-that-is-long 1\n"


def test_the_log_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(str(tmp_path / "log"), "json")
    report.warn('a "word"')
    report.error("gone\n")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(each["level"], each["msg"]) for each in lines] == [
        ("warning", 'a "word"'),
        ("error", "gone\n"),
    ]
    assert capsys.readouterr().err == "gone\n\n"


def test_a_log_that_cannot_be_opened_loses_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    Report("/nowhere/log", "text").error("what happened")
    told = capsys.readouterr().err
    assert "cannot open the log /nowhere/log" in told and 'msg="what happened"' in told


def test_every_verb_has_a_module() -> None:
    for verb in VERBS.values():
        module = __import__(f"engine.ociruntime.verbs.{verb.module}", fromlist=["run"])
        assert callable(module.run)


@pytest.mark.parametrize("words", [("state", "c"), ("start", "c"), ("kill", "c"), ("list", "-q")])
def test_the_verbs_asked_most_load_little(words: tuple[str, ...], tmp_path: Path) -> None:
    """`site` of an editable install loads some itself, so the interpreter goes without."""
    root = str(Path(__file__).parents[3])
    script = (
        f"import sys; sys.path.insert(0, {root!r}); from engine.ociruntime import commands; "
        f"commands.run(['--root', {str(tmp_path)!r}, *{words!r}]); print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    assert HEAVY & {*shown.stdout.split()} == set()


@pytest.mark.parametrize("rootless", [False, True])
def test_the_starter_configuration_compiles(rootless: bool) -> None:
    config = spec.starter(rootless=rootless)
    config["root"]["path"] = "/tmp"
    compiled = plan.compile(config, (), warnings=[])
    assert bool(compiled.uid_mappings) is rootless


def test_features_are_a_document() -> None:
    document = json.loads(json.dumps(features.document()))
    assert document["hooks"] == [
        *("prestart", "createRuntime", "createContainer", "startContainer"),
        *("poststart", "poststop"),
    ]
    assert "time" in document["linux"]["namespaces"]
    assert "SCMP_ACT_NOTIFY" in document["linux"]["seccomp"]["actions"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("1.5m", 90), ("1h", 3600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert events.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "0s", "5days"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidArgument, match="interval"):
        events.seconds(text)
