"""``berth demo``: before a screen, headless, and taken away again."""

import asyncio
import os
import signal
from collections.abc import Mapping

from tui.clients import Client, ClientError, Unreachable
from tui.commands import run, views
from tui.commands.demo.cast import IMAGE
from tui.commands.demo.checks import Outcome, watch
from tui.commands.demo.stage import Stage
from tui.commands.ensure import Answering, ensure_engine, stop_engine
from tui.informers import Hub
from tui.render import node
from tui.render.table import text_sections

LINK_SECONDS = 15.0
CLEAR_SECONDS = 60.0


async def begin(environ: Mapping[str, str], *, image: str | None) -> str:
    """Starts the five for a person to look at; returns what the screen should say.

    Raises:
        ClientError: when one cannot be started; then none is left.
    """
    async with run.connected(environ, start=True) as client:
        stage = Stage(client)
        try:
            started = await stage.start(await stage.make_image(image, run.say), run.say)
        except BaseException:
            await asyncio.shield(stage.clear())
            raise
    return f"{len(started)} demo containers run; `berth demo --clean` takes them away"


async def clean(environ: Mapping[str, str]) -> int:
    """Removes what ``begin`` made: containers, and the image it makes."""
    async with run.connected(environ) as client:
        stage = Stage(client)
        count = await stage.remove_containers()
        image = await stage.remove_image()
    run.say(f"removed {count} containers" + (f" and the image {IMAGE}" if image else ""))
    return 0


async def headless(environ: Mapping[str, str], *, image: str | None, keep: bool) -> int:
    """Sets up, watches, prints and takes away; 0 only when all was seen to work."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    answering = await ensure_engine(environ, run.say)
    client = Client(answering.endpoint)
    stage = Stage(client, run="" if keep else f"check-{os.getpid()}")
    failures: list[str] = []
    try:
        info = await client.open()
        run.say(f"engine: {info.name} {info.version}, API {info.api_version}, {info.endpoint}")
        failures = await _performance(stage, image)
    except ClientError as error:
        failures = [str(error)]
    finally:
        if not keep:
            failures += await asyncio.shield(_clear(stage, environ, answering))
        await client.close()
    return _verdict(failures)


async def _performance(stage: Stage, image: str | None) -> list[str]:
    """What was not seen, one line each."""
    hub = Hub(stage.client)
    keeper = asyncio.create_task(hub.run())
    try:
        await _linked(hub)
        ids = await stage.start(await stage.make_image(image, run.say), run.say)
        run.say("watching: each of them must be seen to do its part")
        outcomes = await watch(hub, stage.client, ids)
        await _print_views(hub)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    return _told(outcomes)


async def _linked(hub: Hub) -> None:
    alive = asyncio.Event()
    hub.link.watch(lambda: alive.set() if hub.link.alive else None)
    try:
        await asyncio.wait_for(alive.wait(), LINK_SECONDS)
    except TimeoutError:
        raise Unreachable(hub.link.reason or "the engine does not send its events") from None


async def _print_views(hub: Hub) -> None:
    """What the screens would show now, from the same caches."""
    await hub.node.sync()
    found = sorted(hub.containers.items.values(), key=lambda item: item.name)
    samples = {item.id: one for item in found if (one := hub.metrics.latest(item.id))}
    used = [item.image_id for item in found]
    _print("containers", views.containers_table(found, samples))
    _print("images", views.images_table(hub.images.items.values(), used))
    _print("metrics", views.metrics_table(found, samples))
    if hub.node.info is not None:
        sections = node.sections(hub.node.info, hub.metrics.host.latest, hub.link.info)
        _print("node", text_sections(sections))
    _print("pods", views.pods_table(found, samples))


def _print(title: str, text: str) -> None:
    print(f"\n== {title}\n{text}", flush=True)


def _told(outcomes: list[Outcome]) -> list[str]:
    print()
    for one in outcomes:
        run.say(f"{'ok  ' if one.seen else 'FAIL'}  {one.what}: {one.evidence}")
    return [f"{one.what}: {one.evidence}" for one in outcomes if not one.seen]


async def _clear(stage: Stage, environ: Mapping[str, str], answering: Answering) -> list[str]:
    """Takes this run away, and the engine if it was started for it; what could not be."""
    failures: list[str] = []
    try:
        async with asyncio.timeout(CLEAR_SECONDS):
            failures += await stage.clear()
    except TimeoutError:
        failures.append(f"cleaning up took longer than {CLEAR_SECONDS:.0f} s")
    if answering.started and (problem := await stop_engine(environ)):
        failures.append(f"the engine did not stop: {problem}")
    run.say("cleaned up" if not failures else "cleaning up was not complete")
    return failures


def _verdict(failures: list[str]) -> int:
    for text in failures:
        run.say(f"not seen to work: {text}")
    run.say("the demo works" if not failures else "the demo does not work")
    return 1 if failures else 0
