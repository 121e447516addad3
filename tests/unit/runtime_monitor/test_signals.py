"""A process by descriptor, on kernels that disagree about the dead."""

import errno
import os

import pytest

from engine.runtime import signals


def test_a_living_process_has_a_descriptor() -> None:
    os.close(signals.pidfd_open(os.getpid()))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ESRCH])
def test_a_dead_one_is_not_found(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(ProcessLookupError):
        signals.pidfd_open(1)


def test_other_refusals_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="too many"):
        signals.pidfd_open(1)
