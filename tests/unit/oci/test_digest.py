"""Digests are checked before they are used as file names."""

import hashlib

import pytest

from engine.errors import InvalidArgument
from engine.oci.digest import Digest, chain_ids


def test_a_digest_of_bytes_is_their_sha256() -> None:
    assert Digest.of(b"x") == "sha256:" + hashlib.sha256(b"x").hexdigest()


def test_its_parts_and_short_form() -> None:
    digest = Digest.parse("sha256:" + "ab" * 32)
    assert (digest.algorithm, digest.encoded, digest.short) == ("sha256", "ab" * 32, "abababababab")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid checksum digest format"),
        ("sha256", "invalid checksum digest format"),
        ("sha256:" + "a" * 63, "invalid checksum digest length"),
        ("sha256:" + "A" * 64, "invalid checksum digest format"),
        ("sha256:" + "g" * 64, "invalid checksum digest format"),
        ("sha256:../../../../etc/passwd", "invalid checksum digest format"),
        ("md5:" + "a" * 32, "unsupported digest algorithm"),
        ("sha256:" + "a" * 64 + "\n", "invalid checksum digest format"),
    ],
)
def test_what_is_no_digest_is_refused_in_dockers_words(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Digest.parse(text)


def test_chain_ids_follow_the_image_spec() -> None:
    first, second = Digest.of(b"1"), Digest.of(b"2")
    assert chain_ids(()) == ()
    assert chain_ids((first, second)) == (first, Digest.of(f"{first} {second}".encode()))
