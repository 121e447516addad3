"""`run`: the engine in the foreground, from its lock to its last goodbye."""

import asyncio
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from engine.daemon import driver, listen, lock
from engine.daemon.checks.kernel import WANTED_FILES
from engine.daemon.compose import compose
from engine.daemon.options import Options
from engine.dockerapi import versions
from engine.dockerapi.app import make_router
from engine.dockerapi.rooms import Rooms
from engine.dockerapi.server import ApiServer
from engine.runtime import userns

_log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(options: Options, warnings: tuple[str, ...] = (), keeper: int | None = None) -> int:
    """Serve until a signal says stop; clients are told the `warnings`.

    `keeper` is the connection to the keeper of this engine's namespaces, where it has one.

    Raises:
        AlreadyInUse: another engine has the data directory, the run directory or the socket.
        Unavailable: there is no systemd to make cgroups.
        InvalidArgument: the parent of the cgroups is none that the driver can have.
    """
    driver.check(options)
    _make_directories(options)
    _allow_files()
    run_lock = lock.hold(options.run_lock_file, name="run", option="--run-dir")
    with lock.hold(options.lock_file), run_lock:
        asyncio.run(_serve(options, warnings, keeper))
    return 0


async def _serve(options: Options, warnings: tuple[str, ...], keeper: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if keeper is not None:
        loop.add_reader(keeper, _lost_keeper, keeper)
    begun = time.monotonic()
    # Before the containers are taken up: an engine that cannot be reached must not touch them.
    with listen.listen(options.socket) as listener:
        async with compose(options, warnings) as rooms, _serving(rooms, listener):
            with _pid_file(options):
                _announce(options, rooms, time.monotonic() - begun)
                await stop.wait()
                _log.info("stopping; containers keep running")
        options.socket.unlink(missing_ok=True)
    _log.info("stopped")


def _lost_keeper(connection: int) -> None:
    asyncio.get_running_loop().remove_reader(connection)
    _log.warning(
        "the keeper of the namespaces died, and with it the network of --network host: restart the"
        " engine to have both again (containers keep running)"
    )


@asynccontextmanager
async def _serving(rooms: Rooms, listener: socket.socket) -> AsyncIterator[None]:
    """Accept requests inside; on the way out no new ones, and those that run are ended."""
    server = ApiServer(make_router(rooms))
    runner = server.runner()
    await runner.setup()
    site = web.SockSite(runner, listener)
    await site.start()
    try:
        yield
    finally:
        await site.stop()
        await server.close()
        await runner.cleanup()


@contextmanager
def _pid_file(options: Options) -> Iterator[None]:
    options.pid_file.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        options.pid_file.unlink(missing_ok=True)


def _make_directories(options: Options) -> None:
    """The data is nobody else's; root's run directory only lets others through to the socket."""
    run_mode = 0o700 if userns.rootless() else 0o711
    for path, mode in ((options.data_dir, 0o700), (options.run_dir, run_mode)):
        path.mkdir(parents=True, exist_ok=True, mode=mode)


def _allow_files() -> None:
    """A container costs the engine some descriptors, and 1024 of them last for too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _announce(options: Options, rooms: Rooms, seconds: float) -> None:
    _log.info("berth %s, pid %d, up in %.0f ms", versions.ENGINE, os.getpid(), seconds * 1000)
    _log.info("listening at unix://%s", options.socket)
    _log.info("data in %s, cgroups %s", options.data_dir, rooms.facts.cgroup_mode)
