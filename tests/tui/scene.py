"""A fixed engine without an engine: models put into the informers as a list would put them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from math import sin

from textual.pilot import Pilot
from textual.widgets import Input

from tui.app import BerthApp
from tui.clients import Client, Endpoint
from tui.informers import Hub
from tui.models import (
    Container,
    ContainerDetail,
    ContainerState,
    EngineInfo,
    HostSample,
    Image,
    Limits,
    LogLine,
    NodeInfo,
    Sample,
)

NOW = 1_767_322_800.0
FEATURES = frozenset({"history", "metrics-stream", "from-host"})
SOCKET = "unix:///run/berth/berth.sock"
INFO = EngineInfo("berth", "0.1.0", "1.47", SOCKET, True, FEATURES, "hybrid", "/var/lib/berth")


def identity(number: int) -> str:
    """64 digits that look like an id."""
    return f"{number * 2654435761:016x}"[-16:] * 4


def container(number: int, name: str, state: ContainerState, **more: object) -> Container:
    """One row, as an inspect fills it."""
    running = state in (ContainerState.RUNNING, ContainerState.PAUSED)
    base: dict[str, object] = {
        "image_id": "sha256:" + identity(100),
        "command": "sh -c 'while :; do date; sleep 1; done'",
        "created": NOW - 7200 - number * 60,
        "started_at": NOW - 3700 - number * 311,
        "finished_at": None if running else NOW - 95.0 * number,
        "restarts": 0,
        "pid": 4000 + number if running else 0,
        "network_mode": "none",
        "detailed": True,
    }
    fields = {**base, **more}
    return Container(identity(number), name, "host:latest", state, **fields)  # type: ignore[arg-type]


def containers() -> list[Container]:
    """One of every state that matters."""
    run, limit = ContainerState.RUNNING, Limits(cpus=0.5, memory=64 << 20, pids=50)
    shop = {"com.docker.compose.project": "shop"}
    return [
        container(1, "shop-web-1", run, labels=shop, limits=limit),
        container(2, "shop-db-1", run, labels=shop, limits=Limits(memory=256 << 20)),
        container(3, "burner", run, labels={"berth.pod": "load"}, limits=limit),
        container(4, "grower", ContainerState.EXITED, exit_code=137, oom_killed=True, restarts=4,
                  labels={"berth.pod": "load"}, limits=limit),
        container(5, "crasher", ContainerState.EXITED, exit_code=3, restarts=5),
        container(6, "frozen", ContainerState.PAUSED),
        container(7, "fresh", ContainerState.CREATED, started_at=None, finished_at=None),
        container(8, "done", ContainerState.EXITED, exit_code=0),
    ]  # fmt: skip


def samples(number: int, cpu: float, memory: float, limited: bool) -> list[Sample]:
    """Ten minutes of figures that rise and fall."""
    return [
        Sample(
            NOW - 600 + second,
            cpu_cores=max(0.0, cpu * (1 + 0.4 * sin(second / 40 + number))),
            cpu_limit=0.5 if limited else None,
            throttled_percent=38.0 if cpu > 0.3 else 0.0,
            memory_bytes=memory * (0.6 + 0.4 * second / 600),
            memory_limit=float(64 << 20) if limited else None,
            pids=3.0 + number,
            pids_limit=50.0 if limited else None,
            block_read_bps=max(0.0, 9e4 * sin(second / 55)),
            block_write_bps=max(0.0, 4e5 * sin(second / 25 + number)),
            net_rx_bps=max(0.0, 2e5 * sin(second / 30)),
            net_tx_bps=max(0.0, 6e4 * sin(second / 70)),
            oom_kills=0.0,
        )
        for second in range(601)
    ]


def host() -> list[HostSample]:
    """Ten minutes of the machine."""
    return [
        HostSample(
            NOW - 600 + second,
            cpu_cores=1.6 + sin(second / 60),
            cpu_total=4.0,
            load1=1.72,
            load5=1.31,
            load15=0.98,
            memory_bytes=5.5e9 + 4e8 * sin(second / 90),
            memory_limit=16.0e9,
            swap_bytes=0.0,
            pids=212.0,
            block_read_bps=1e5,
            block_write_bps=max(0.0, 8e5 * sin(second / 50)),
            net_rx_bps=3e4,
            net_tx_bps=max(0.0, 2e4 * sin(second / 20)),
            disk_bytes=43.0e9,
            disk_limit=98.0e9,
        )
        for second in range(601)
    ]


def images() -> list[Image]:
    """Three, one without a name."""
    return [
        Image("sha256:" + identity(100), ("host:latest", "host:1"), NOW - 86400 * 3, 48_200_000),
        Image("sha256:" + identity(101), ("shop/web:2.1",), NOW - 86400 * 40, 131_000_000),
        Image("sha256:" + identity(102), (), NOW - 3600, 7_400_000),
    ]


class QuietLog:
    """The container's log without a connection: some lines, then silence."""

    async def __call__(self, ref: str, **_: object) -> AsyncGenerator[LogLine, None]:
        for number in range(60):
            stream = "stderr" if number % 9 == 4 else "stdout"
            text = f'level=info msg="served request" path=/item/{number} ms={number * 7 % 40}'
            yield LogLine(text, stream, NOW - 60 + number)
        await asyncio.Event().wait()


def make_hub() -> Hub:
    """Nothing known yet, and nothing will come by itself."""
    hub = Hub(Client(Endpoint(path="/run/berth/berth.sock")))
    hub.client.containers.logs = QuietLog()  # type: ignore[method-assign,assignment]

    async def inspect(ref: str) -> ContainerDetail:
        held = next(item for item in containers() if item.id == ref)
        document = '{\n    "Id": "' + ref + '",\n    "RestartCount": 0\n}'
        env = ("PATH=/bin", "API_TOKEN=abc")
        return ContainerDetail(held, env=env, hostname=held.short_id, raw_json=document)

    async def history(ref: str) -> list[object]:
        return []

    hub.client.containers.inspect = inspect  # type: ignore[method-assign]
    hub.client.images.history = history  # type: ignore[method-assign,assignment]
    return hub


def fill(hub: Hub) -> None:
    """As after the first lists and ten minutes of figures."""
    hub.images.replace(images())
    hub.node.info = NodeInfo(
        "harbour", "Debian GNU/Linux 12", "6.1.0", "x86_64", 4, 16_000_000_000, "berth", "0.1.0",
        "1.47", "overlay", "1", "cgroupfs", "/var/lib/berth", 8, 3, 1, 4, 3,
    )  # fmt: skip
    hub.containers.replace(containers())
    for sample in host():
        hub.metrics.host.append(sample)
    figures = {
        1: (0.08, 22e6, True),
        2: (0.03, 61e6, False),
        3: (0.45, 9e6, True),
        6: (0.0, 4e6, False),
    }
    hub.metrics.show(identity(number) for number in figures)
    for number, (cpu, memory, limited) in figures.items():
        for one in samples(number, cpu, memory, limited):
            hub.metrics.keep(identity(number), one)
    hub.link.up(INFO)


def scene(hub: Hub, start: str = "containers") -> BerthApp:
    """The app at a fixed moment."""
    return BerthApp(hub, clock=lambda: NOW, start=start, run_hub=False)


async def calm(pilot: Pilot[None], *steps: Callable[[], object]) -> None:
    """Let everything settle, and stop what blinks."""
    for step in (*steps, lambda: None):
        step()
        await pilot.pause(0.06)
    for field in pilot.app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()
