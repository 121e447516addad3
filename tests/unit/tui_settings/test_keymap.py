"""A person's own keys."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tui.settings import keymap


@dataclass(frozen=True)
class Action:
    id: str
    keys: str
    scopes: tuple[str, ...] = ("list",)


ACTIONS = (
    Action("row.remove", "delete,ctrl+x"),
    Action("row.logs", "l"),
    Action("row.shell", "s"),
    Action("text.next", "n", ("text",)),
)


def load(folder: Path, text: str) -> keymap.Keymap:
    path = folder / "berth" / "keys.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return keymap.load({"XDG_CONFIG_HOME": str(folder)}, ACTIONS)


def test_no_file_is_no_override(tmp_path: Path) -> None:
    assert keymap.load({"XDG_CONFIG_HOME": str(tmp_path)}, ACTIONS) == keymap.Keymap()


def test_a_key_a_list_and_none(tmp_path: Path) -> None:
    found = load(tmp_path, '"row.logs" = ["o", "ctrl-o"]\n"row.shell" = false\n"row.remove" = "/"')
    assert found.overrides == {"row.logs": "o,ctrl+o", "row.shell": "", "row.remove": "slash"}
    assert not found.problems


def test_tables_may_be_nested(tmp_path: Path) -> None:
    assert load(tmp_path, '[row]\nlogs = "o"').overrides == {"row.logs": "o"}


def test_a_clash_is_told_and_left_out(tmp_path: Path) -> None:
    found = load(tmp_path, '"row.logs" = "s"')
    assert found.overrides == {}
    assert "s would do both row.logs and row.shell: row.logs keeps its default" in found.problems[0]


def test_two_may_swap_their_keys(tmp_path: Path) -> None:
    found = load(tmp_path, '"row.logs" = "s"\n"row.shell" = "l"')
    assert found.overrides == {"row.logs": "s", "row.shell": "l"}
    assert not found.problems


def test_the_same_key_in_another_place_is_no_clash(tmp_path: Path) -> None:
    assert not load(tmp_path, '"row.logs" = "n"').problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"row.fly" = "x"', "no action is called 'row.fly'"),
        ('"row.logs" = 3', "not a key"),
        ('"row.logs" = [1]', "not a key"),
        ('"row.logs" = "ctrl+c"', "ctrl+c cannot be bound"),
        ("not toml", "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_and_the_default_stays(
    tmp_path: Path, text: str, problem: str
) -> None:
    found = load(tmp_path, text)
    assert problem in found.problems[0]
    assert found.overrides == {}


def test_keys_are_known_by_their_short_names() -> None:
    assert [keymap.normal(key) for key in ("?", "^x", "C-x", "esc", "G", "-", "+")] == [
        "question_mark",
        "ctrl+x",
        "ctrl+x",
        "escape",
        "G",
        "minus",
        "plus",
    ]
