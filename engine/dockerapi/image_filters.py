"""Which images a list or a prune is about; Docker's filter names and meanings."""

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

from engine.dockerapi.call import Filters
from engine.dockerapi.codec.times import parse, seconds_of
from engine.errors import InvalidArgument
from engine.images.model import Image

_Test = Callable[[Image], bool]

_NAMES = frozenset(("reference", "dangling", "label", "label!", "before", "since", "until"))
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_SECOND = 1_000_000_000


class ImageFilters:
    """Filters of one request.

    Raises:
        InvalidArgument: an unknown filter or a value that it cannot have.
        NotFound: `before` or `since` names no image.
    """

    def __init__(self, filters: Filters, resolve: Callable[[str], Image]) -> None:
        for name in filters:
            if name not in _NAMES:
                raise InvalidArgument(f"invalid filter '{name}'")
        self._filters = filters
        self._dangling = _truth(filters.get("dangling", ()))
        self._times = list(self._time_tests(resolve))

    @property
    def dangling(self) -> bool | None:
        return self._dangling

    def match(self, image: Image) -> bool:
        right_kind = self._dangling is None or self._dangling is not bool(image.references)
        return right_kind and self.match_but_dangling(image)

    def match_but_dangling(self, image: Image) -> bool:
        """For a prune, where `dangling=false` means "tagged ones too", not "only tagged ones"."""
        return (
            self._is_referenced(image)
            and self._is_labelled(image)
            and all(test(image) for test in self._times)
        )

    def narrowed(self, image: Image) -> Image:
        """The image with only those of its references that were asked for, as Docker lists it."""
        patterns = self._filters.get("reference", ())
        if not patterns:
            return image
        wanted = [
            item for item in image.references if any(matches(item, pattern) for pattern in patterns)
        ]
        return replace(image, references=tuple(wanted))

    def _is_referenced(self, image: Image) -> bool:
        patterns = self._filters.get("reference", ())
        return not patterns or any(
            matches(reference, pattern) for reference in image.references for pattern in patterns
        )

    def _is_labelled(self, image: Image) -> bool:
        labels = image.config.config.labels
        wanted = self._filters.get("label", ())
        unwanted = self._filters.get("label!", ())
        return all(_has(labels, item) for item in wanted) and not any(
            _has(labels, item) for item in unwanted
        )

    def _time_tests(self, resolve: Callable[[str], Image]) -> "list[_Test]":
        tests: list[_Test] = []
        for name in self._filters.get("before", ()):
            tests.append(_older(seconds_of(resolve(name).created)))
        for value in self._filters.get("until", ()):
            tests.append(_older(parse("until", value) // _SECOND))
        for name in self._filters.get("since", ()):
            tests.append(_newer(seconds_of(resolve(name).created)))
        return tests


def matches(reference: str, pattern: str) -> bool:
    """`busybox`, `busybox:1*`, `*/app`; an asterisk stops at a slash."""
    name, _, _ = reference.partition("@")
    untagged = name.rpartition(":")[0] if ":" in name.rsplit("/", 1)[-1] else name
    return any(_match_parts(candidate, pattern) for candidate in (reference, untagged))


def _match_parts(name: str, pattern: str) -> bool:
    names, patterns = name.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def _has(labels: dict[str, str], wanted: str) -> bool:
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)


def _truth(values: tuple[str, ...]) -> bool | None:
    if not values:
        return None
    if len(values) > 1 or values[0] not in _TRUTHS:
        raise InvalidArgument(f"invalid filter 'dangling={','.join(values)}'")
    return _TRUTHS[values[0]]


def _older(seconds: int) -> _Test:
    return lambda image: seconds_of(image.created) < seconds


def _newer(seconds: int) -> _Test:
    return lambda image: seconds_of(image.created) > seconds
