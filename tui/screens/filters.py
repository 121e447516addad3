"""The filter language of every list: text, ``!inverse``, ``-l label[=value]``, ``-f fuzzy``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Predicate = Callable[[str, Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """``problem`` says why the text cannot be used, empty when it can."""

    text: str = ""
    matches: Predicate = lambda words, labels: True
    problem: str = ""

    def __bool__(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self.text)


def parse(text: str) -> Filter:
    """Never raises: what cannot be used filters nothing and says so."""
    text = text.strip()
    if not text:
        return Filter()
    if text.startswith("-l"):
        return _labels(text)
    if text.startswith("-f"):
        return _fuzzy(text)
    if text.startswith("!"):
        return _inverse(text)
    return _plain(text)


def _plain(text: str) -> Filter:
    flags = re.IGNORECASE if text == text.lower() else 0
    try:
        search = re.compile(text, flags).search
    except re.error:
        search = re.compile(re.escape(text), flags).search
    return Filter(text, lambda words, labels: search(words) is not None)


def _inverse(text: str) -> Filter:
    rest = text[1:].strip()
    if not rest:
        return Filter(text, problem="write what to hide after the !")
    inner = parse(rest)
    return Filter(text, lambda words, labels: not inner.matches(words, labels), inner.problem)


def _labels(text: str) -> Filter:
    wanted = [part.strip() for part in text[2:].replace(",", " ").split()]
    if not wanted:
        return Filter(text, problem="write a label after -l: name or name=value")
    pairs = [part.partition("=") for part in wanted]

    def matches(words: str, labels: Mapping[str, str]) -> bool:
        return all(
            name in labels and (not equals or labels[name] == value)
            for name, equals, value in pairs
        )

    return Filter(text, matches)


def _fuzzy(text: str) -> Filter:
    letters = text[2:].strip()
    if not letters:
        return Filter(text, problem="write the letters after -f")
    search = re.compile(".*?".join(map(re.escape, letters)), re.IGNORECASE).search
    return Filter(text, lambda words, labels: search(words) is not None)
