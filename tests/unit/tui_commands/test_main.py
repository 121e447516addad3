"""The berth command: what it understands, what it says, and what it does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.__main__ import main, parser

HEAVY = ("aiohttp", "textual", "rich", "psutil", "tui.clients", "tui.app")


def berth(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command without a terminal, with nothing of this shell's engines."""
    clean = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    return subprocess.run(
        [sys.executable, "-m", "tui", *words],
        env={**clean, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version_loads_nothing_heavy() -> None:
    code = (
        "import sys, tui.__main__ as m; m.main(['--version']); "
        "import json; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version.startswith("berth ")
    assert not [name for name in HEAVY if name in json.loads(modules)]


def test_the_headless_half_never_loads_textual() -> None:
    code = (
        "import sys, tui.commands.run, tui.commands.demo, tui.informers, tui.render.node; "
        "sys.exit('textual' in sys.modules or 'rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_terminal_it_says_what_works_instead() -> None:
    done = berth()
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "berth ps" in done.stderr


def test_no_engine_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    done = berth("ps", BERTH_RUN_DIR=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(tmp_path / "berth.sock") in line
    assert "berth engine start" in line


def test_an_engine_that_was_named_is_never_started_here(tmp_path: Path) -> None:
    done = berth("demo", "--headless", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert "DOCKER_HOST points there" in done.stderr


def test_a_bad_address_is_named() -> None:
    done = berth("-H", "ftp://x", "ps")
    assert done.returncode == 1
    assert "cannot use engine address 'ftp://x'" in done.stderr


@pytest.mark.parametrize(
    "words", [["nonsense"], ["get"], ["get", "moon"], ["image"], ["image", "rm"]]
)
def test_what_is_not_understood_ends_with_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: berth" in capsys.readouterr().err


def test_programs_and_a_tag() -> None:
    options = parser().parse_args(["image", "from-host", "sh", "ls", "--tag", "x:1"])
    assert (options.programs, options.tag) == (["sh", "ls"], "x:1")
