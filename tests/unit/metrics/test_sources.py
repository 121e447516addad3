"""Kernel files to numbers, with the kernel's own shapes."""

import math
import os
from pathlib import Path

import pytest

from engine.metrics import sources
from engine.metrics.sources import File, field, number_or

NET = b"""Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:     500       5    0    0    0     0          0         0      500       5    0
  eth0:    1000      10    0    0    0     0          0         0     2000      20    0
  eth1:      10       1    0    0    0     0          0         0       20       2    0
"""


def test_a_field_is_found_by_its_whole_name() -> None:
    stat = b"inactive_file 5\nfile 7\ntotal_inactive_file 9\n"
    assert field(stat, b"\nfile ") == 7
    assert field(stat, b"total_inactive_file ") == 9
    assert field(stat, b"absent ") == 0


@pytest.mark.parametrize("text", [b"", b"max\n", b"-1\n", b"9223372036854771712\n"])
def test_no_limit_in_all_its_spellings(text: bytes) -> None:
    assert math.isnan(number_or(text, math.nan))


def test_block_io_over_all_devices() -> None:
    v1 = b"8:0 Read 1\n8:0 Write 2\n8:0 Total 3\n8:16 Read 10\n8:16 Write 20\nTotal 33\n"
    assert sources.block_v1(v1) == (11, 22)
    assert sources.block_v1(b"Total 0\n") == (0, 0)
    assert sources.block_v2(b"8:0 rbytes=1 wbytes=2 rios=9\n8:16 rbytes=10 wbytes=20\n") == (11, 22)
    assert sources.block_v2(b"") == (0, 0)


def test_network_without_the_loopback() -> None:
    assert sources.network(NET) == (1010, 2020)


def test_a_kept_file_is_read_again_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_bytes(b"1\n")
    file = File(str(path), keep=True)
    assert file.read() == b"1\n"
    path.write_bytes(b"2\n")
    assert file.read() == b"2\n"
    file.close()
    file.close()


def test_a_file_not_kept_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_bytes(b"1\n")
    before = len(os.listdir("/proc/self/fd"))
    assert File(str(path), keep=False).read() == b"1\n"
    assert len(os.listdir("/proc/self/fd")) == before


def test_our_own_process_has_the_hosts_network() -> None:
    assert not sources.own_network(os.getpid())
