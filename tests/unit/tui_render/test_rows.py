"""Rows and details of containers, images, pods and the node."""

from tui.models import (
    Container,
    ContainerDetail,
    ContainerState,
    HistoryEntry,
    HostSample,
    Image,
    ImageDetail,
    Limits,
    LogLine,
    NodeInfo,
    PortMapping,
    Sample,
    group_pods,
)
from tui.render import containers, images, inspect, logs, metrics, node, pods
from tui.render.cells import Cell
from tui.render.table import text_sections, text_table

NOW = 1_000_000.0
WEB = Container(
    id="ab" * 32,
    name="web",
    image="img:1",
    state=ContainerState.RUNNING,
    started_at=NOW - 180,
    created=NOW - 200,
    restarts=0,
    detailed=True,
)
KILLED = Container(
    id="cd" * 32,
    name="db",
    image="img:1",
    state=ContainerState.EXITED,
    exit_code=137,
    oom_killed=True,
    finished_at=NOW - 120,
    restarts=3,
    detailed=True,
)
SAMPLE = Sample(
    NOW,
    cpu_cores=0.48,
    cpu_limit=0.5,
    throttled_percent=60,
    memory_bytes=32 << 20,
    memory_limit=64 << 20,
    pids=3,
    pids_limit=50,
    block_read_bps=0,
    block_write_bps=2048,
    net_rx_bps=0,
    net_tx_bps=0,
    oom_kills=1,
)


def cells(columns: tuple[containers.Column, ...], row: tuple[Cell, ...]) -> dict[str, Cell]:
    return {column.key: cell for column, cell in zip(columns, row, strict=True)}


def test_a_running_container_has_its_figures_and_their_limits() -> None:
    row = cells(containers.COLUMNS, containers.row(WEB, SAMPLE, NOW))
    assert row["status"] == Cell("Up 3 minutes", "ok")
    assert row["cpu"] == Cell("0.48/0.5", "error")
    assert row["memory"].text == "32.0 MiB/64.0 MiB"
    assert row["memory_percent"].text == "50%"
    assert row["pids"].text == "3/50"


def test_an_oom_killed_container_says_so_in_dockers_words() -> None:
    row = cells(containers.COLUMNS, containers.row(KILLED, None, NOW))
    assert row["status"] == Cell("Exited (137) OOM 2 minutes ago", "error")
    assert row["restarts"] == Cell("3", "warn")
    assert row["cpu"].text == "—"


def test_until_details_are_known_the_engines_words_serve() -> None:
    listed = Container(
        id="a", name="a", image="i", state=ContainerState.EXITED, status_text="Exited (3) 1s ago"
    )
    assert containers.status(listed, NOW).text == "Exited (3) 1s ago"


def test_names_from_outside_cannot_reach_the_terminal() -> None:
    evil = Container(id="a", name="w\x1b]0;x\x07", image="\x1b[2J", state=ContainerState.RUNNING)
    texts = "".join(cell.text for cell in containers.row(evil, None, NOW))
    assert "\x1b" not in texts


def test_unknown_figures_sort_before_known_ones() -> None:
    order = sorted(
        [(WEB, SAMPLE), (KILLED, None)], key=lambda pair: containers.sort_key(*pair, "cpu")
    )
    assert [container.name for container, _ in order] == ["db", "web"]
    assert metrics.sort_key(WEB, SAMPLE, "ooms") > metrics.sort_key(KILLED, None, "ooms")


def test_ports_have_dockers_words() -> None:
    mappings = (PortMapping(80, "tcp", "0.0.0.0", 8080), PortMapping(53, "udp"))
    assert containers.ports(mappings) == "0.0.0.0:8080->80/tcp, 53/udp"


def test_metrics_show_what_was_throttled_and_killed() -> None:
    row = cells(metrics.COLUMNS, metrics.row(WEB, SAMPLE))
    assert row["throttled"] == Cell("60%", "warn")
    assert row["block_write"].text == "2.0 KiB/s"
    assert row["ooms"] == Cell("1", "error")


def test_images_and_their_history() -> None:
    image = Image("sha256:" + "ab" * 32, ("box:1", "box:2"), NOW - 3600, 2 << 20)
    assert [cell.text for cell in images.row(image, NOW, 2)] == [
        "box:1", "ab" * 6, "1h", "2.0 MiB", "2", "2",
    ]  # fmt: skip
    assert images.row(Image("sha256:ff"), NOW)[0].text == "<none>"
    entry = HistoryEntry("x", NOW - 60, "RUN  a \\\n  b", 10)
    assert images.history_row(entry, NOW)[2].text == "RUN a \\ b"
    assert images.users(image, [image.id, "other"]) == 1


def test_inspect_says_why_a_container_died() -> None:
    sections = inspect.container_sections(ContainerDetail(KILLED), NOW)
    state = dict(sections[0].rows)
    assert state["Exit code"].text == "137 (killed for lack of memory)"
    assert state["OOM killed"].style == "error"


def test_inspect_groups_limits_and_hides_secrets() -> None:
    detail = ContainerDetail(
        Container(
            id="a",
            name="a",
            image="i",
            state=ContainerState.RUNNING,
            limits=Limits(cpus=0.5, memory=64 << 20),
            detailed=True,
        ),
        env=("PATH=/bin", "DB_PASSWORD=hunter2"),
    )
    sections = {one.title: dict(one.rows) for one in inspect.container_sections(detail, NOW)}
    assert sections["Limits"]["CPU"].text == "0.5 cores"
    assert sections["Limits"]["Memory"].text == "64.0 MiB"
    assert sections["Limits"]["Processes"].text == "no limit"
    assert "hunter2" not in sections["Environment"]["DB_PASSWORD"].text
    assert "Mounts" not in sections


def test_exit_codes_in_words() -> None:
    assert inspect.exit_words(0) == "0"
    assert inspect.exit_words(127).endswith("(the command was not found)")
    assert inspect.exit_words(143) == "143 (ended by SIGTERM)"


def test_a_command_is_told_once_and_as_a_shell_reads_it() -> None:
    detail = ContainerDetail(WEB, arguments=("sh", "-c", "trap 'exit 0' TERM"))
    process = {one.title: one.rows for one in inspect.container_sections(detail, NOW)}["Process"]
    assert [(key, cell.text) for key, cell in process][:2] == [
        ("Entrypoint", "—"),
        ("Command", "sh -c 'trap '\"'\"'exit 0'\"'\"' TERM'"),
    ]


def test_image_details_and_raw_lines() -> None:
    detail = ImageDetail(Image("sha256:ab", ("box:1",)), command=("sh", "-c", "a b"))
    sections = {one.title: dict(one.rows) for one in inspect.image_sections(detail, NOW)}
    assert sections["Runs"]["Command"].text == "sh -c 'a b'"
    assert inspect.json_lines('{\n  "a": "\x1b"\n}')[1] == '  "a": "␛"'


def test_a_pod_sums_its_containers() -> None:
    (group,) = group_pods([WEB, KILLED])
    rows = pods.rows(group, {WEB.id: SAMPLE}.get, NOW)
    assert [cell.text for cell in rows[0].cells][1:2] == ["1/2"]
    assert rows[0].cells[3].text == "0.48"
    assert [row.container_id for row in rows] == ["", KILLED.id, WEB.id]


def test_the_node_shows_capacity_load_and_warnings() -> None:
    info = NodeInfo("host", cpus=2, memory=4 << 30, warnings=("no swap limit",))
    text = text_sections(node.sections(info, HostSample(NOW, cpu_cores=1, cpu_total=2)))
    assert "1.00 of 2 cores (50%)" in text
    assert "no swap limit" in text


def test_a_log_line_is_cut_before_it_can_freeze_the_screen() -> None:
    assert len(logs.line(LogLine("x" * 90_000))) < logs.LONGEST + 40
    assert logs.body(LogLine("oops", "stderr")).style == "warn"


def test_a_text_table_is_aligned_and_cuts_nothing() -> None:
    table = text_table(containers.COLUMNS, [containers.row(WEB, SAMPLE, NOW)])
    header, line = table.splitlines()
    assert header.index("CPU") + len("CPU") == line.index("0.48/0.5") + len("0.48/0.5")
    assert "32.0 MiB/64.0 MiB" in line


def test_a_census_counts_what_waits_for_a_restart_apart() -> None:
    states = [ContainerState.RUNNING, ContainerState.RESTARTING, ContainerState.DEAD]
    held = [Container(state.value, state.value, "i", state) for state in states]
    assert pods.census(held) == "1 running, 1 restarting, 1 stopped"
    assert pods.census(held[:1]) == "1 running, 0 stopped"
