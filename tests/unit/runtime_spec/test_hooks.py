"""Hooks by themselves: what a hook is given, in which order, and how its failure is told."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RuntimeFailure
from engine.runtime import hooks

STATE = hooks.make_state("box", "creating", 42, "/bundle", {"com.example.key": "ü"})


def script(path: Path, text: str, **more: Any) -> dict[str, Any]:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"path": str(path), **more}


def test_the_state_is_on_stdin_in_the_order_of_the_list(tmp_path: Path) -> None:
    out = tmp_path / "out"
    each = [script(tmp_path / n, f"cat >> {out}; echo >> {out}") for n in ("a", "b")]
    third = script(tmp_path / "c", f"echo third >> {out}")
    hooks.run([*each, third], STATE)
    first, second, last = out.read_text().splitlines()
    assert json.loads(first) == json.loads(second) == STATE
    assert STATE["pid"] == 42 and STATE["annotations"] == {"com.example.key": "ü"}
    assert last == "third"


def test_a_large_state_needs_no_reader(tmp_path: Path) -> None:
    large = hooks.make_state("box", "creating", 1, "/b", {"key": "x" * 300_000})
    hooks.run([script(tmp_path / "hook", "exit 0")], large)


def test_arguments_and_environment_are_the_hooks_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = {"args": ["zero", "one two"], "env": ["A=1", "B=x=y", "BARE"]}
    text = f'PATH=/usr/bin:/bin; {{ echo "$0|$1|$#"; env; }} > {out}'
    hooks.run([script(tmp_path / "hook", text, **more)], STATE)
    lines = out.read_text().splitlines()
    assert lines[0] == f"{tmp_path}/hook|one two|1"
    assert {"A=1", "B=x=y"} <= set(lines)
    assert not [line for line in lines if line.startswith(("HOME=", "PYTEST"))]


def test_a_hook_inherits_no_descriptor_and_has_a_session_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = f"/bin/ls /proc/self/fd > {out}; read -r _ _ _ _ _ session _ < /proc/$$/stat;"
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        hooks.run([script(tmp_path / "hook", f'{text} [ "$session" = $$ ]')], STATE)
    # 3 is the directory that ls has open, 10 the script in the shell
    assert set(out.read_text().split()) <= {"0", "1", "2", "3", "10"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no disk >&2; exit 3", "exit status 3: no disk"),
        ("kill -9 $$", "killed by signal 9"),
        ("exit 1", "exit status 1"),
    ],
)
def test_a_failing_hook_is_named_and_stops_the_rest(tmp_path: Path, text: str, said: str) -> None:
    after = script(tmp_path / "after", f"touch {tmp_path}/ran")
    with pytest.raises(RuntimeFailure) as caught:
        hooks.run([script(tmp_path / "hook", text), after], STATE)
    assert str(caught.value) == f"hook {tmp_path}/hook: {said}"
    assert not (tmp_path / "ran").exists()


def test_after_the_end_all_are_run(tmp_path: Path) -> None:
    after = script(tmp_path / "after", f"touch {tmp_path}/ran")
    failures = hooks.run_all([script(tmp_path / "hook", "exit 9"), after], STATE)
    assert failures == [f"hook {tmp_path}/hook: exit status 9"]
    assert (tmp_path / "ran").exists()


def test_a_slow_hook_is_killed_with_what_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The child holds the FIFO open: its end of file shows that it has been killed, too.
    text = f"sleep 1000 > {fifo} & exec sleep 1000"
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(RuntimeFailure, match="took longer than 1 s and was killed"):
            hooks.run([script(tmp_path / "hook", text, timeout=1)], STATE)
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_a_quick_hook_is_not_touched_by_its_timeout(tmp_path: Path) -> None:
    hooks.run([script(tmp_path / "hook", "exit 0", timeout=60)], STATE)


@pytest.mark.parametrize(
    ("mode", "said"), [(None, "no such file or directory"), (0o644, "permission denied")]
)
def test_a_hook_that_cannot_be_executed_is_told(
    tmp_path: Path, mode: int | None, said: str
) -> None:
    hook = tmp_path / "hook"
    if mode is not None:
        hook.write_text("#!/bin/sh\n")
        hook.chmod(mode)
        assert stat.S_IMODE(hook.stat().st_mode) == mode
    with pytest.raises(RuntimeFailure, match=f"hook {hook}: {said}"):
        hooks.run([{"path": str(hook)}], STATE)


def test_only_the_last_words_are_kept(tmp_path: Path) -> None:
    text = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 1"
    with pytest.raises(RuntimeFailure) as caught:
        hooks.run([script(tmp_path / "hook", text)], STATE)
    assert str(caught.value).endswith("line 2999")
    assert len(str(caught.value)) < 2200
