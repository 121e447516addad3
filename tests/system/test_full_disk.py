"""A data directory without room: what cannot be written is said, nothing else is lost, and the
engine lives on; with room again, everything works."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.system.engine_api import IMAGE, Answer, Api, Engine, load_image, opened

pytestmark = pytest.mark.root

SIZE = 24 * 1024 * 1024
NO_ROOM = "No space left on device|disk is full"


class Disk:
    """A small file system that can be filled to its last byte, and emptied of that again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._filler = path / "filler"
        path.mkdir(parents=True)
        options = ["-o", f"size={SIZE},mode=700", "-t", "tmpfs", "berth-test"]
        subprocess.run(["mount", *options, str(path)], check=True)

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (1024 * 1024, 4096, 1):
                while True:
                    try:
                        file.write(b"\0" * size)
                    except OSError:
                        break

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self._path)], check=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine.make(tmp_path / "e", "full")
    yield made
    made.close()


@pytest.fixture
def disk(engine: Engine) -> Iterator[Disk]:
    made = Disk(engine.folder / "data")
    yield made
    made.unmount()


@pytest.fixture
async def api(disk: Disk, engine: Engine) -> AsyncIterator[Api]:
    await engine.restart()
    async with opened(engine) as made:
        await load_image(made)
        yield made
        disk.empty()


async def create(api: Api, name: str, script: str) -> Answer:
    body = {
        "Image": IMAGE,
        "Cmd": ["sh", "-c", script],
        "HostConfig": {"NetworkMode": "none"},
    }
    return await api.call("POST", f"/containers/create?name={name}", body)


async def state(api: Api, name: str) -> Any:
    return (await api.call("GET", f"/containers/{name}/json")).json()["State"]


async def test_create_and_start_are_refused_and_leave_nothing(
    api: Api, disk: Disk, engine: Engine
) -> None:
    assert (await create(api, "early", "echo ran; exit 3")).status == 201
    before = files(engine)
    disk.fill()
    refused = await create(api, "late", "true")
    assert refused.status == 503, refused.body
    assert "No space left" in refused.message or "disk is full" in refused.message
    assert (await api.call("GET", "/containers/late/json")).status == 404
    started = await api.call("POST", "/containers/early/start")
    assert started.status in (204, 500, 503), started.body
    assert files(engine) >= before
    disk.empty()
    assert (await create(api, "late", "true")).status == 201
    if started.status != 204:
        assert "No space left" in started.message, started.body
        assert (await api.call("POST", "/containers/early/start")).status == 204
    code = (await api.call("POST", "/containers/early/wait")).json()["StatusCode"]
    assert code == 3


async def test_stop_and_remove_need_no_room(api: Api, disk: Disk, engine: Engine) -> None:
    names = [f"n{number}" for number in range(5)]
    for name in names:
        await create(api, name, "sleep 1000")
    assert (await api.call("POST", "/containers/n0/start")).status == 204
    disk.fill()
    assert (await api.call("POST", "/containers/n0/stop?t=0")).status == 204
    for name in names:
        disk.fill()
        assert (await api.call("DELETE", f"/containers/{name}")).status == 204
    assert files(engine) == set()
    await engine_again(engine)
    assert (await api.call("GET", "/containers/json?all=1")).json() == []


async def test_an_exit_with_a_full_disk_is_known(api: Api, disk: Disk, engine: Engine) -> None:
    await create(api, "one", "while [ ! -e /dev/shm/go ]; do sleep 0.02; done; exit 7")
    assert (await api.call("POST", "/containers/one/start")).status == 204
    root = Path(f"/proc/{(await state(api, 'one'))['Pid']}/root")
    disk.fill()
    (root / "dev/shm/go").touch()
    code = (await api.call("POST", "/containers/one/wait")).json()["StatusCode"]
    assert code == 7
    assert (await state(api, "one"))["Status"] == "exited"
    assert "is not saved" in engine.log()
    assert (await api.call("GET", "/_ping")).status == 200
    disk.empty()
    assert (await api.call("DELETE", "/containers/one")).status == 204


async def test_output_that_finds_no_room_is_counted_and_the_program_goes_on(
    api: Api, disk: Disk, engine: Engine
) -> None:
    script = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.005; done"
    await create(api, "one", script)
    assert (await api.call("POST", "/containers/one/start")).status == 204
    key = (await api.call("GET", "/containers/one/json")).json()["Id"]
    complaint = engine.folder / "run" / "bundles" / key / "monitor.log"
    disk.fill()
    eventually(lambda: "is being lost" in complaint.read_text(), what="the loss is said")
    disk.empty()
    eventually(lambda: "bytes were lost" in complaint.read_text(), what="its size is said")
    assert (await state(api, "one"))["Status"] == "running"
    await api.call("POST", "/containers/one/kill")
    text = (await api.call("GET", "/containers/one/logs?stdout=1")).output()[1].decode()
    numbers = [int(line.removeprefix("line ")) for line in text.splitlines()]
    assert numbers == sorted(set(numbers)), "in order, none twice, none torn"
    gaps = [one for one, next_ in pairwise(numbers) if next_ - one > 1]
    assert len(gaps) == 1, "one gap, where it was full"


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_an_engine_starts_with_a_full_disk(
    api: Api, disk: Disk, engine: Engine, end: str
) -> None:
    await create(api, "runs", "sleep 1000")
    await create(api, "ends", "while [ ! -e /dev/shm/go ]; do sleep 0.02; done; exit 7")
    for name in ("runs", "ends"):
        assert (await api.call("POST", f"/containers/{name}/start")).status == 204
    pid = (await state(api, "runs"))["Pid"]
    root = Path(f"/proc/{(await state(api, 'ends'))['Pid']}/root")
    engine.kill() if end == "kill" else engine.stop()
    disk.fill()
    (root / "dev/shm/go").touch()
    await engine.restart()
    assert (await state(api, "runs")) | {"Status": "running", "Pid": pid} == await state(
        api, "runs"
    )
    ended = await state(api, "ends")
    assert ended["Status"] == "exited"
    assert ended["ExitCode"] in (7, 255), "the record may not have found room: then it is unknown"
    disk.empty()
    assert (await api.call("POST", "/containers/runs/stop?t=0")).status == 204
    await engine_again(engine)
    assert (await state(api, "runs"))["ExitCode"] == 137


async def engine_again(engine: Engine) -> None:
    engine.kill()
    await engine.restart()


def files(engine: Engine) -> set[str]:
    top = engine.folder / "data" / "containers"
    return {os.path.relpath(path, top) for path in top.rglob("*")}
