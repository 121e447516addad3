"""Content digests as the OCI image spec writes them: `algorithm:hex`."""

import hashlib
import re

from engine.errors import InvalidArgument

_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_SHAPE = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")
_HEX = re.compile(r"[a-f0-9]+")


class Digest(str):
    """A digest that has been checked; compares and hashes as its text.

    Only the registered algorithms (sha256, sha384, sha512) pass, because a digest that cannot be
    computed cannot be verified. It is safe to use both parts in a file name.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Raises InvalidArgument with Docker's words when `text` is not a digest."""
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise InvalidArgument(f"invalid checksum digest format: {text!r}")
        algorithm, encoded = match.groups()
        if algorithm not in _HEX_LENGTH:
            raise InvalidArgument(f"unsupported digest algorithm: {text!r}")
        if len(encoded) != _HEX_LENGTH[algorithm]:
            raise InvalidArgument(f"invalid checksum digest length: {text!r}")
        if not _HEX.fullmatch(encoded):
            raise InvalidArgument(f"invalid checksum digest format: {text!r}")
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """The sha256 digest of `data`."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """Twelve hex digits, the form people read."""
        return self.encoded[:12]


def chain_ids(diff_ids: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """One chain id a layer: the digest of everything up to it (image spec, "Layer ChainID")."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)
