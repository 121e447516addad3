"""Image references: Docker's grammar, its normalisation and its error words.

Follows the grammar in distribution/reference: `[domain/]path[:tag][@digest]`.
"""

import re
from dataclasses import dataclass, replace

from engine.errors import InvalidArgument
from engine.oci.digest import Digest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library"
_NAME_LIMIT = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BARE_ID = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A normalised reference: the domain is always there, and a tag or a digest or both."""

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read what a user typed: `alpine` is `docker.io/library/alpine:latest`.

        Raises InvalidArgument in Docker's words.
        """
        if _BARE_ID.fullmatch(text):
            raise InvalidArgument(
                f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            )
        rest, digest = _split_digest(text)
        name, tag = _split_tag(rest)
        domain, path = _split_domain(name)
        _check_name(domain, path)
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        return cls(domain, path, tag, digest)

    @property
    def name(self) -> str:
        """Canonical, without tag and digest: `docker.io/library/alpine`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """As people write it: `alpine`, `user/app`, `ghcr.io/x/y`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        first, _, rest = self.path.partition("/")
        return rest if first == _OFFICIAL and rest and "/" not in rest else self.path

    @property
    def familiar(self) -> str:
        return self.familiar_name + self._suffix()

    def with_digest(self, digest: Digest) -> "Reference":
        """The same repository at `digest`, without a tag."""
        return replace(self, tag=None, digest=digest)

    def _suffix(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        return tag if self.digest is None else f"{tag}@{self.digest}"

    def __str__(self) -> str:
        return self.name + self._suffix()


def _split_digest(text: str) -> tuple[str, Digest | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return text, None
    try:
        return rest, Digest.parse(digest)
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid reference format: {error}") from None


def _split_tag(text: str) -> tuple[str, str | None]:
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:  # the colon of a port
        return text, None
    if not _TAG.fullmatch(tag):
        raise InvalidArgument("invalid reference format")
    return name, tag


def _split_domain(name: str) -> tuple[str, str]:
    """The first component is a domain if it looks like one (a dot, a port, upper case)."""
    first, slash, rest = name.partition("/")
    is_domain = bool(set(".:") & set(first)) or first == "localhost" or first.lower() != first
    domain, path = (first, rest) if slash and is_domain else (DEFAULT_DOMAIN, name)
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and path and "/" not in path:
        path = f"{_OFFICIAL}/{path}"
    return domain, path


def _check_name(domain: str, path: str) -> None:
    if path.lower() != path and _PATH.fullmatch(path.lower()):
        raise InvalidArgument(
            f"invalid reference format: repository name ({path}) must be lowercase"
        )
    if not _DOMAIN.fullmatch(domain) or not _PATH.fullmatch(path):
        raise InvalidArgument("invalid reference format")
    if len(domain) + 1 + len(path) > _NAME_LIMIT:
        raise InvalidArgument(
            f"invalid reference format: repository name must not be more than {_NAME_LIMIT}"
            " characters"
        )
