"""What a container sees of itself and of its host, asked from inside."""

from pathlib import Path

from .harness import run, shell


def test_first_process_is_pid_1_and_sees_no_other(root: Path) -> None:
    code, text = run(shell(root, "echo $$; ls /proc | busybox grep -c '^[0-9]'"))
    assert (code, text.split()[0]) == (0, "1")
    assert int(text.split()[1]) <= 3
