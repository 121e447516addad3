"""What an action does to the engine: one coroutine each, answering an `ActionResult`.

No widget and no dialog here; a failure is a result, never an exception.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from shlex import quote

from tui.clients import Client, ClientError
from tui.models import ActionResult, Container, ContainerState, Image, RunRequest
from tui.models.parse import split_reference

CONCURRENT = 8
_LONG_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
Verb = Callable[[Client, Container], Awaitable[ActionResult]]


def short_ids(text: str) -> str:
    """Engines name containers by 64 digits; 12 are as good, and fit."""
    return _LONG_ID.sub(r"\1", text)


async def _told(
    word: str, target: str, command: str, work: Awaitable[object], *, id: str = ""
) -> ActionResult:
    try:
        await work
    except ClientError as error:
        return ActionResult(word, target, False, short_ids(str(error)), command, id)
    return ActionResult(word, target, True, word, command, id)


async def toggle(client: Client, held: Container) -> ActionResult:
    """Stop what runs, start what does not, go on with what is paused."""
    name = quote(held.name)
    containers = client.containers
    if held.paused:
        return await unpause(client, held)
    if held.state in (ContainerState.RUNNING, ContainerState.RESTARTING):
        return await _told("stopped", held.name, f"docker stop {name}", containers.stop(held.id))
    return await _told("started", held.name, f"docker start {name}", containers.start(held.id))


async def restart(client: Client, held: Container) -> ActionResult:
    """Stop and start."""
    command = f"docker restart {quote(held.name)}"
    return await _told("restarted", held.name, command, client.containers.restart(held.id))


async def pause(client: Client, held: Container) -> ActionResult:
    """Freeze what runs, thaw what is frozen."""
    if held.paused:
        return await unpause(client, held)
    command = f"docker pause {quote(held.name)}"
    return await _told("paused", held.name, command, client.containers.pause(held.id))


async def unpause(client: Client, held: Container) -> ActionResult:
    """Thaw."""
    command = f"docker unpause {quote(held.name)}"
    return await _told("unpaused", held.name, command, client.containers.unpause(held.id))


async def kill(client: Client, held: Container) -> ActionResult:
    """SIGKILL to its first process."""
    command = f"docker kill {quote(held.name)}"
    return await _told("killed", held.name, command, client.containers.kill(held.id))


async def remove(client: Client, held: Container) -> ActionResult:
    """Remove, running or not: the question named what runs."""
    command = f"docker rm {'-f ' if held.running else ''}{quote(held.name)}"
    work = client.containers.remove(held.id, force=held.running)
    return await _told("removed", held.name, command, work)


async def rename(client: Client, held: Container, name: str) -> ActionResult:
    """Give it another name."""
    command = f"docker rename {quote(held.name)} {quote(name)}"
    return await _told("renamed", held.name, command, client.containers.rename(held.id, name))


async def run(client: Client, request: RunRequest) -> ActionResult:
    """Create and start; what could not start is not left behind."""
    command = request.command_line()
    target = request.name or request.image
    try:
        created = await client.containers.run(request)
    except ClientError as error:
        return ActionResult("started", target, False, short_ids(str(error)), command)
    name = request.name or await _name_of(client, created.id)
    return ActionResult("started", name, True, "started", command, created.id, created.warnings)


async def _name_of(client: Client, container_id: str) -> str:
    """The name that the engine chose; the id when it has gone already."""
    try:
        return (await client.containers.inspect(container_id)).container.name
    except ClientError:
        return container_id[:12]


def word_of(verb: "Verb", held: Container) -> str:
    """What is going on while the engine has not answered: ``stopping``."""
    if verb is not toggle:
        return _WORDS.get(verb, "working")
    if held.paused:
        return "going on"
    stops = held.state in (ContainerState.RUNNING, ContainerState.RESTARTING)
    return "stopping" if stops else "starting"


async def remove_image(client: Client, image: Image, *, force: bool) -> ActionResult:
    """Remove every name of it, and the image with the last."""
    command = f"docker rmi {'-f ' if force else ''}{quote(image.name)}"
    many = len(image.references) > 1
    ref = image.id if force or many or image.dangling else image.name
    work = client.images.remove(ref, force=force or many)
    return await _told("removed", image.name, command, work)


async def tag_image(client: Client, image: Image, reference: str) -> ActionResult:
    """Give it one more name."""
    repository, tag = split_reference(reference)
    command = f"docker tag {quote(image.name)} {quote(reference)}"
    ref = image.name if image.references else image.id
    return await _told("tagged", reference, command, client.images.tag(ref, repository, tag))


_WORDS: dict[Verb, str] = {
    restart: "restarting",
    pause: "pausing",
    kill: "being killed",
    remove: "being removed",
}


async def each(client: Client, verb: Verb, held: Sequence[Container]) -> list[ActionResult]:
    """The verb on all of them, a few at a time, in the order given."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def one(container: Container) -> ActionResult:
        async with gate:
            return await verb(client, container)

    return list(await asyncio.gather(*(one(container) for container in held)))
