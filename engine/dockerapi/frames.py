"""Docker's stream framing: 8 bytes of stream number and length, then the data.

A container with a terminal has one stream and no frames.
"""

import struct

from engine.dockerapi.versions import Version

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

_HEADER = struct.Struct(">BxxxL")
# Older clients know one media type for both forms.
_MULTIPLEXED_SINCE = Version(1, 42)


def frame(stream: int, data: bytes) -> bytes:
    return _HEADER.pack(stream, len(data)) + data


def media_type(tty: bool, version: Version) -> str:
    return RAW if tty or version < _MULTIPLEXED_SINCE else MULTIPLEXED
