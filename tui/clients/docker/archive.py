"""A local archive as a byte stream: a file as it is, an OCI layout directory packed on the way."""

import os
import tarfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tui.clients.errors import BadRequest


def open_archive(path: Path) -> BinaryIO:
    """The bytes of an image archive; a directory must be an OCI image layout.

    Raises:
        BadRequest: cannot be read, or is a directory of something else.
    """
    if path.is_dir():
        if not (path / "oci-layout").is_file():
            raise BadRequest(f"{path} is a directory without an oci-layout file: give an archive")
        return _packed(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _packed(path: Path) -> BinaryIO:
    """The directory as a tar, made while it is read; nothing is written to disk."""
    reader, writer = os.pipe()
    threading.Thread(target=_pack, args=(path, writer), daemon=True).start()
    return os.fdopen(reader, "rb")


def _pack(path: Path, writer: int) -> None:
    # A reader that leaves early breaks the pipe; a file that vanishes cuts the archive short, and
    # the engine says so.
    with (
        suppress(OSError),
        os.fdopen(writer, "wb") as pipe,
        tarfile.open(fileobj=pipe, mode="w|") as tar,
    ):
        tar.add(path, arcname=".")
