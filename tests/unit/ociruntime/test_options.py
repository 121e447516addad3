"""The command line's flags, as runc's users write them."""

import pytest

from engine.errors import InvalidArgument
from engine.ociruntime.options import Option, Options, describe, parse

KNOWN = (
    Option("bundle", str, "where it is", "b"),
    Option("force", bool, "do it", "f"),
    Option("env", list, "a variable", "e"),
    Option("count", int, "how many"),
)


def values(options: Options) -> tuple[str, bool, list[str], int, list[str]]:
    return (
        options.text("bundle"),
        options.flag("force"),
        options.texts("env"),
        options.number("count"),
        options.arguments,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("", False, [], 0, [])),
        (["--bundle", "x", "id"], ("x", False, [], 0, ["id"])),
        (["--bundle=x", "-f", "id"], ("x", True, [], 0, ["id"])),
        (["-bundle=x=y", "-force=false", "id"], ("x=y", False, [], 0, ["id"])),
        (["id", "--force"], ("", True, [], 0, ["id"])),
        (["-e", "A=b", "-e", "C"], ("", False, ["A=b", "C"], 0, [])),
        (["--count", "-3", "-"], ("", False, [], -3, ["-"])),
        (["--", "--force"], ("", False, [], 0, ["--force"])),
    ],
)
def test_flags_in_every_form(
    words: list[str], expected: tuple[str, bool, list[str], int, list[str]]
) -> None:
    assert values(parse(words, KNOWN)) == expected


def test_what_follows_the_first_argument_may_be_another_programs() -> None:
    options = parse(["-f", "id", "ls", "--force", "-b"], KNOWN, mixed=False)
    assert options.arguments == ["id", "ls", "--force", "-b"]
    assert options.given == {"force"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nonsense"], "flag provided but not defined: -nonsense"),
        (["--bundle"], "flag needs an argument: -bundle"),
        (["--count", "x"], 'invalid value "x" for flag -count'),
        (["--force=maybe"], 'invalid value "maybe" for flag -force'),
    ],
)
def test_refusals_name_the_flag(words: list[str], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        parse(words, KNOWN)


def test_calls_do_not_share_lists() -> None:
    parse(["-e", "A"], KNOWN)
    assert parse([], KNOWN).texts("env") == []


def test_help_has_a_line_a_flag() -> None:
    assert describe(KNOWN).splitlines()[0].split() == [
        *("--bundle", "value,", "-b", "value", "where", "it", "is")
    ]
    assert len(describe(KNOWN).splitlines()) == len(KNOWN)
