"""Tars made by hand, entry by entry, as a stranger might."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from engine.snapshots import tree
from engine.snapshots.archive.extract import Extractor
from engine.snapshots.archive.reader import TarReader

Extract = Callable[[bytes], Extractor]


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """One entry's header; `mode` defaults to 0644, everything else to tarfile's defaults."""
    info = tarfile.TarInfo()
    info.name, info.type = name, kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def make_tar(
    *entries: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT
) -> bytes:
    """Names stay as they are: nothing is cleaned or checked."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for entry in entries:
            info, data = entry if isinstance(entry, tuple) else (entry, b"")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Path]:
    """Where to extract; whatever else turns up in its parent was written outside."""
    root = tmp_path / "jail" / "root"
    root.mkdir(parents=True)
    yield root
    tree.remove(root)  # some of these trees are deeper than pytest can remove


@pytest.fixture
def extract(inside: Path) -> Extract:
    """Extract bytes into `inside`, with overlay marks."""

    def run(data: bytes) -> Extractor:
        root = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
        try:
            extractor = Extractor(root, marks=True)
            extractor.run(TarReader(io.BytesIO(data)))
            return extractor
        finally:
            os.close(root)

    return run


def listing(root: Path) -> Sequence[str]:
    """Every path below `root`, sorted."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
