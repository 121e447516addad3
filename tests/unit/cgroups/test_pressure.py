"""Pressure stall information as the kernel writes it."""

from pathlib import Path

from engine.runtime.cgroups import Stall, pressure

SOME = "some avg10=1.53 avg60=0.87 avg300=0.21 total=4217\n"
FULL = "full avg10=0.07 avg60=0.00 avg300=0.00 total=99\n"


def test_both_lines_are_read() -> None:
    assert pressure.parse(SOME + FULL) == Stall(1.53, 4217, 0.07, 99)


def test_a_kernel_without_full_says_some() -> None:
    assert pressure.parse(SOME) == Stall(1.53, 4217)


def test_what_is_not_there_is_zero_beside_what_is(tmp_path: Path) -> None:
    (tmp_path / "io.pressure").write_text(SOME)
    read = pressure.read(str(tmp_path))
    assert read == (Stall(), Stall(), Stall(1.53, 4217))


def test_nothing_is_known_without_files(tmp_path: Path) -> None:
    assert pressure.read(str(tmp_path)) is None
    assert pressure.read(None) is None
