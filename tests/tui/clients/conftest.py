"""Every client test runs on dockerd and on the berth engine: one wire, two engines."""

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.system.daemons import Daemon, serving
from tui.clients import Client, Endpoint, NotFound
from tui.informers import Hub
from tui.models import RunRequest

IMAGE = "box:1"
SECONDS = 15.0
ENGINES = [
    pytest.param("dockerd", marks=[pytest.mark.dockerd, pytest.mark.root]),
    pytest.param("berth", marks=pytest.mark.root),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """Each engine in turn, started for the module."""
    if shutil.which("docker") is None:
        pytest.skip("needs the docker CLI: run scripts/test-packages")
    with serving(Daemon(request.param, tmp_path_factory.mktemp(request.param)), IMAGE) as daemon:
        yield daemon


@pytest.fixture
async def client(engine: Daemon) -> AsyncIterator[Client]:
    """Connected, version negotiated."""
    made = Client(Endpoint(path=str(engine.socket)))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    """A container name of the test's own; what has it is removed afterwards."""
    chosen = f"t-{uuid.uuid4().hex[:8]}"
    yield chosen
    with contextlib.suppress(NotFound):
        await client.containers.remove(chosen, force=True)


@pytest.fixture
async def hub(client: Client) -> AsyncIterator[Hub]:
    """All caches, kept for the length of the test; the first lists are in."""
    made = Hub(client)
    task = asyncio.create_task(made.run())
    await until(made, lambda: made.link.alive)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def shell(name: str, script: str, **options: object) -> RunRequest:
    """A container that runs a script and has no network."""
    base = RunRequest(IMAGE, ("sh", "-c", script), name=name, network="none")
    return type(base)(**{**_fields(base), **options})  # type: ignore[arg-type]


def _fields(request: RunRequest) -> dict[str, object]:
    return {key: getattr(request, key) for key in RunRequest.__dataclass_fields__}


async def until(hub: Hub, condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Waits for a condition on the caches; looks again whenever they tell something."""
    told = asyncio.Event()
    undo = [
        hub.link.watch(told.set),
        hub.containers.watch(changed=told.set),
        hub.images.watch(changed=told.set),
        hub.metrics.watch(told.set),
        hub.node.watch(told.set),
        hub.events.watch(lambda _event: told.set()),
    ]
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await told.wait()
                told.clear()
    finally:
        for stop in undo:
            stop()
