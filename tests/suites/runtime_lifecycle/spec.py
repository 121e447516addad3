"""What the tests of the specification's fields share: one container, and what it says of itself."""

from collections.abc import Callable
from typing import Any

from engine.runtime.launcher import Launcher, Monitor

from .conftest import Config, Host, bounded, read_all

IDS = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
Change = Callable[[Config], None]


def configure(host: Host, script: str, change: Change | None = None) -> Config:
    """A configuration that runs a shell script, changed by the test."""
    config = host.config(["sh", "-c", f"exec 2>&1; {script}"])
    if change is not None:
        change(config)
    return config


async def create(host: Host, launcher: Launcher, name: str, config: Config) -> Monitor:
    return host.remember(await launcher.create(name, host.options(name, config)))


async def output(
    host: Host, launcher: Launcher, script: str, change: Change | None = None, *, name: str = "c1"
) -> str:
    """What the script of a container that ends well has written."""
    config = configure(host, script, change)
    code, text = await finish(await create(host, launcher, name, config))
    assert code == 0, text
    return text


async def finish(monitor: Monitor) -> tuple[int, str]:
    """Exit code and output of a created container."""
    stream = await monitor.attach(stdin=False, stdout=True, stderr=True)
    await monitor.start()
    text = (await read_all(stream))[1].decode()
    return int((await bounded(monitor.wait())).code), text


async def sleeping(
    host: Host, launcher: Launcher, change: Change | None = None, *, name: str = "c1"
) -> Monitor:
    """A container that runs until it is killed."""
    config = configure(host, "exec sleep 1000", change)
    monitor = await create(host, launcher, name, config)
    await monitor.start()
    return monitor


async def executed(monitor: Monitor, process: dict[str, Any]) -> str:
    """What an exec session that ends well has written."""
    session = await monitor.exec("e1", process, stdin=False)
    text = (await read_all(session.stream))[1].decode()
    assert await bounded(session.wait()) == 0, text
    return text


def with_user_namespace(config: Config) -> None:
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"] |= {"uidMappings": IDS, "gidMappings": IDS}
