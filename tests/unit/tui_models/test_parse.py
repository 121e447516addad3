"""What a person may type into a form, and what each mistake is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.models import parse


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("1.5 GiB", 3 << 29),
        ("4096", 4096),
        ("512kb", 512 << 10),
        (" 2g ", 2 << 30),
        ("7b", 7),
    ],
)
def test_sizes_are_binary_as_in_docker_run(text: str, size: int) -> None:
    assert parse.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "-1m", "1.2.3g", "64 mm", "٣m", "9" * 400, "1e9"])
def test_a_bad_size_is_named_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a size: .*64m"):
        parse.parse_size(text)


def test_an_empty_limit_is_no_limit() -> None:
    assert parse.parse_memory(" ") is None
    assert parse.parse_cpus("") is None
    assert parse.parse_pids("") is None


def test_a_memory_limit_below_dockers_least_is_refused() -> None:
    with pytest.raises(ValueError, match="the least is 6m"):
        parse.parse_memory("1m")
    assert parse.parse_memory("6m") == parse.MINIMUM_MEMORY


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "two", "0.001"])
def test_impossible_cpus_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CPU"):
        parse.parse_cpus(text)


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "many", "²"])
def test_impossible_pids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="process limit"):
        parse.parse_pids(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1m30s", 90), ("2h", 7200), ("500ms", 0.5), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1x", "1m 30s", "-5s"])
def test_a_bad_duration_is_named_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse.parse_duration(text)


def test_a_command_is_split_as_a_shell_would() -> None:
    assert parse.parse_command("sh -c 'echo \"a b\"'") == ("sh", "-c", 'echo "a b"')


@pytest.mark.parametrize(("text", "why"), [("sh 'x", "quote"), ("sh x\\", "backslash")])
def test_an_unreadable_command_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse.parse_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "shop/web:2",
        "a.b/c-d__e",
        "localhost/x",
        "Reg.example.org:5000/a/b:V1_x",
        "r:5000/x",
    ],
)
def test_image_names(text: str) -> None:
    assert parse.parse_reference(f" {text} ") == text


@pytest.mark.parametrize("text", ["", "Bad", "a b", "a/", ":x", "a:", "a::b", "é", "a:b/c", "Up/x"])
def test_a_bad_image_name_is_named_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an image name: .*shop/web:2"):
        parse.parse_reference(text)


def test_environment_words() -> None:
    assert parse.parse_env("A=1\nB='x y' C=") == ("A=1", "B=x y", "C=")
    with pytest.raises(ValueError, match="'NOVALUE'; write NAME=value"):
        parse.parse_env("NOVALUE")


@pytest.mark.parametrize("name", ["-web", "a", "we b", "a/b", "wéb"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a container name"):
        parse.parse_name(name)


def test_names_and_policies_that_work() -> None:
    assert parse.parse_name(" web_1.x-y ") == "web_1.x-y"
    assert parse.parse_name("") == ""
    assert parse.parse_restart_policy("") == "no"
    assert parse.parse_restart_policy("on-failure:5") == "on-failure:5"
    with pytest.raises(ValueError, match="restart policy"):
        parse.parse_restart_policy("sometimes")


@given(st.text())
def test_any_text_parses_or_is_a_value_error(text: str) -> None:
    for read in (
        parse.parse_size,
        parse.parse_memory,
        parse.parse_cpus,
        parse.parse_pids,
        parse.parse_duration,
        parse.parse_command,
        parse.parse_env,
        parse.parse_name,
        parse.parse_restart_policy,
    ):
        try:
            read(text)
        except ValueError as error:
            assert str(error)
