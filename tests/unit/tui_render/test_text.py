"""Nothing that a container writes may act on the terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tui.render.text import clip, clip_middle, pad, plain, safe, width


@given(st.text())
def test_safe_text_has_no_control_character(text: str) -> None:
    for rendered in (safe(text), plain(text)):
        assert not any(unicodedata.category(character) == "Cc" for character in rendered)
        assert "\u202e" not in rendered


def test_an_escape_is_shown_as_its_picture() -> None:
    assert safe("a\x1b[2Jb\x07") == "a␛[2Jb␇"
    assert safe("\x7f\x9b31m") == "␡·31m"


def test_a_log_line_loses_colours_titles_and_cursor_moves() -> None:
    assert plain("\x1b[1;31mred\x1b[0m \x1b]0;owned\x07x\x1b[2K") == "red x"


def test_a_progress_bar_shows_its_last_state() -> None:
    assert plain("10%\r50%\r100%\r") == "100%"


def test_tabs_are_expanded() -> None:
    assert plain("a\tb") == "a       b"


def test_width_counts_cells() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]


@given(st.text(alphabet="ab日\u0301…", max_size=30), st.integers(0, 20))
def test_clipped_text_fits_and_padded_text_fills(text: str, cells: int) -> None:
    assert width(clip(text, cells)) <= cells
    assert width(pad(text, cells)) == cells
    assert width(clip_middle(text, cells)) <= cells


def test_the_middle_is_cut_so_that_the_tag_stays() -> None:
    clipped = clip_middle("registry.example/team/service:v1.2.3", 20)
    assert clipped.startswith("regist")
    assert clipped.endswith("ce:v1.2.3")
