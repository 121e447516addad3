"""The table keeps cursor, scroll and marks by key, and draws only what changed."""

import time
from collections.abc import Iterable

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.render.cells import Cell
from tui.widgets import themes
from tui.widgets.columns import Column, fit
from tui.widgets.table import ResourceTable, Row

COLUMNS = (
    Column("name", "NAME", 10, flex=1, sort="N"),
    Column("value", "VALUE", 8, "right", rank=2),
    Column("note", "NOTE", 12, rank=1),
)


class TableApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ResourceTable(COLUMNS)

    def on_mount(self) -> None:
        self.register_theme(themes.NIGHT)
        self.theme = themes.NIGHT.name
        self.query_one(ResourceTable).focus()


def rows(names: Iterable[str], value: str = "1") -> list[Row]:
    return [Row(name, (Cell(name), Cell(value), Cell("note")), strong=0) for name in names]


NAMES = [f"row-{number:04d}" for number in range(200)]


async def test_cursor_and_scroll_stay_with_their_keys() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(ResourceTable)
        table.set_rows(rows(NAMES))
        table.move_to("row-0100")
        await pilot.pause()
        top = table.rows[table.scroll_offset.y].key
        table.set_rows(rows(["before-1", "before-2", *NAMES]))
        await pilot.pause()
        assert table.cursor_key == "row-0100"
        assert table.rows[table.scroll_offset.y].key == top
        table.set_rows(rows([name for name in NAMES if name != "row-0100"]))
        await pilot.pause()
        assert table.cursor_key == "row-0101"


async def test_until_it_is_moved_the_cursor_is_on_the_first_row() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(ResourceTable)
        table.set_rows(rows(["b", "c"]))
        table.set_rows(rows(["a", "b", "c"]))
        await pilot.pause()
        assert table.cursor_key == "a"


async def test_marks_are_kept_by_key_and_lost_with_their_row() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 20)):
        table = app.query_one(ResourceTable)
        table.set_rows(rows(["a", "b", "c"]))
        table.action_mark()
        table.action_mark()
        assert table.marks == {"a", "b"}
        table.set_rows(rows(["c", "b"]))
        assert table.marks == {"b"}
        table.action_first()
        table.set_rows(rows(["a", "b", "c", "d"]))
        table.move_to("d")
        table.action_mark_range()
        assert table.marks == {"b", "c", "d"}


async def test_only_changed_visible_lines_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(ResourceTable)
        table.set_rows(rows(NAMES))
        await pilot.pause()
        drawn: list[Region] = []
        monkeypatch.setattr(table, "refresh", lambda *regions, **_: drawn.extend(regions))
        changed = rows(NAMES)
        changed[3] = Row("row-0003", (Cell("row-0003"), Cell("2"), Cell("note")), strong=0)
        changed[150] = Row("row-0150", (Cell("row-0150"), Cell("2"), Cell("note")), strong=0)
        table.set_rows(changed)
        assert [region.y for region in drawn] == [4]
        table.set_rows(changed)
        assert len(drawn) == 1


async def test_five_thousand_rows_update_in_little_time() -> None:
    app = TableApp()
    async with app.run_test(size=(100, 40)) as pilot:
        table = app.query_one(ResourceTable)
        names = [f"row-{number:05d}" for number in range(5000)]
        table.set_rows(rows(names))
        await pilot.pause()
        fresh = [rows(names, str(number)) for number in range(5)]
        begun = time.process_time()
        for one in fresh:
            table.set_rows(one)
            await pilot.pause()
        assert (time.process_time() - begun) / 5 < 0.2


async def test_widths_do_not_follow_contents() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(ResourceTable)
        table.set_rows(rows(["a"], "1"))
        await pilot.pause()
        before = table.render_line(0).text
        table.set_rows(rows(["a" * 200], "9" * 50))
        await pilot.pause()
        assert table.render_line(0).text == before
        assert "…" in table.render_line(1).text
        assert table.render_line(1).cell_length == 60


@pytest.mark.parametrize("width", range(10, 120, 7))
def test_columns_never_overflow_and_drop_by_rank(width: int) -> None:
    slots = fit(COLUMNS, width)
    keys = [slot.column.key for slot in slots]
    assert keys[0] == "name"
    if "value" in keys:
        assert "note" in keys
    assert slots[-1].x + slots[-1].width <= max(width, 10)


def test_all_spare_room_is_used() -> None:
    slots = fit(COLUMNS, 100)
    assert slots[-1].x + slots[-1].width == 100


@pytest.mark.parametrize(("width", "shown"), [(50, "name image"), (70, "name image id")])
def test_a_lesser_column_goes_before_a_greater_is_cut_below_its_fair_width(
    width: int, shown: str
) -> None:
    columns = (
        Column("name", "NAME", 14, flex=1, most=32),
        Column("image", "IMAGE", 14, flex=1, most=32, fair=24, rank=2),
        Column("id", "ID", 12, rank=6),
    )
    slots = fit(columns, width)
    assert " ".join(slot.column.key for slot in slots) == shown
    assert slots[1].width >= 24


FAMILY = (
    Column("name", "NAME", 10, flex=3, most=32),
    Column("image", "IMAGE", 10, flex=2, most=32),
    Column("cpu", "CPU", 10, "right"),
)


def test_the_column_that_needs_room_gets_it_before_the_one_that_does_not() -> None:
    slots = fit(FAMILY, 44, {"name": 9, "image": 18})
    assert [slot.width for slot in slots] == [11, 19, 10]


def test_what_the_contents_do_not_need_is_shared_out_all_the_same() -> None:
    slots = fit(FAMILY, 64, {"name": 12, "image": 12})
    assert slots[-1].x + slots[-1].width == 64
    assert slots[0].width > slots[1].width > 12


async def test_a_longer_name_widens_its_column_and_a_shorter_one_moves_nothing() -> None:
    class Family(TableApp):
        def compose(self) -> ComposeResult:
            yield ResourceTable(FAMILY)

    def family(image: str, cpu: str = "0.50/0.5") -> list[Row]:
        return [Row("a", (Cell("web"), Cell(image), Cell(cpu)))]

    app = Family()
    async with app.run_test(size=(47, 10)) as pilot:
        table = app.query_one(ResourceTable)
        table.set_rows(family("box:1"))
        await pilot.pause()
        narrow = table.render_line(0).text
        table.set_rows(family("berth-demo:latest"))
        assert "berth-demo:latest  " in table.render_line(1).text
        wide = table.render_line(0).text
        assert wide != narrow
        table.set_rows(family("box:1", "<0.01/0.25"))
        assert table.render_line(0).text == wide
        assert table.render_line(1).text.rstrip().endswith("<0.01/0.25")


def test_a_table_whose_columns_are_not_known_yet_is_empty() -> None:
    assert fit((), 80) == ()
