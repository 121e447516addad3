"""Contents as a layer tar: sorted, owned by root, times kept; same files, same bytes."""

import io
import os
import tarfile
from pathlib import Path
from typing import cast

from engine.content import Writer
from engine.errors import InvalidArgument
from engine.images.host.contents import Contents, Item

_CAPABILITY = "security.capability"
_SECOND = 1_000_000_000


def write(contents: Contents, writer: Writer) -> None:
    """Raises InvalidArgument for a file that cannot be read or changes meanwhile."""
    target = cast("tarfile._Fileobj", writer)
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, item in contents.sorted():
            _add(tar, path, item)


def _add(tar: tarfile.TarFile, path: str, item: Item) -> None:
    info = tarfile.TarInfo(path)
    info.mode = item.mode
    info.mtime = item.mtime_ns // _SECOND
    if item.source is not None:
        _add_file(tar, info, item.source)
        return
    if item.text is not None:
        info.size = len(item.text)
        tar.addfile(info, io.BytesIO(item.text))
        return
    if item.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, item.link
    else:
        info.type = tarfile.DIRTYPE
    tar.addfile(info)


def _add_file(tar: tarfile.TarFile, info: tarfile.TarInfo, source: Path) -> None:
    try:
        with source.open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            capability = _capability(source)
            if capability:
                text = capability.decode("utf-8", "surrogateescape")
                info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": text}
            tar.addfile(info, file)
    except OSError as error:
        raise InvalidArgument(f"cannot copy {source}: {error}") from None


def _capability(source: Path) -> bytes:
    try:
        return os.getxattr(source, _CAPABILITY)
    except OSError:
        return b""  # none, or a file system without attributes
