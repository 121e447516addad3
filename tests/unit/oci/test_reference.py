"""References are read as Docker reads them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.oci.reference import Reference

_HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("docker.io/library/alpine:1", "docker.io/library/alpine:1", "alpine:1"),
        ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("host:5000/a/b:t", "host:5000/a/b:t", "host:5000/a/b:t"),
        ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"),
        ("Host/x", "Host/x:latest", "Host/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        (
            f"alpine@sha256:{_HEX}",
            f"docker.io/library/alpine@sha256:{_HEX}",
            f"alpine@sha256:{_HEX}",
        ),
        (f"a:1@sha256:{_HEX}", f"docker.io/library/a:1@sha256:{_HEX}", f"a:1@sha256:{_HEX}"),
        ("a--b__c.d", "docker.io/library/a--b__c.d:latest", "a--b__c.d:latest"),
    ],
)
def test_normalisation(text: str, canonical: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (canonical, familiar)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("../etc", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("ａ", "invalid reference format"),
        ("alpine\n", "invalid reference format"),
        ("a@sha256:1", "invalid reference format"),
        ("Alpine", r"repository name \(library/Alpine\) must be lowercase"),
        ("x.io/A", r"repository name \(A\) must be lowercase"),
        (_HEX, "cannot specify 64-byte hexadecimal strings"),
        ("a" * 256, "must not be more than 255 characters"),
    ],
)
def test_refusals_in_dockers_words(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Reference.parse(text)


@given(st.text(max_size=80))
@example("a:1/b@")
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidArgument:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


_COMPONENT = st.from_regex(r"\A[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,3}\Z")


@given(st.lists(_COMPONENT, min_size=1, max_size=4), st.from_regex(r"\A[A-Za-z0-9_][\w.-]{0,20}\Z"))
def test_every_well_formed_name_is_taken(components: list[str], tag: str) -> None:
    text = "example.com/" + "/".join(components)
    if tag.isascii():
        assert str(Reference.parse(f"{text}:{tag}")) == f"{text}:{tag}"
