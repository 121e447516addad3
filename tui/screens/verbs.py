"""What an action does to the engine: one coroutine each, answering an `ActionResult`.

No widget and no dialog here; a failure is a result, never an exception.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from shlex import quote

from tui.clients import Client, ClientError
from tui.models import ActionResult, Container, ContainerState, Image, RunRequest

CONCURRENT = 8
Verb = Callable[[Client, Container], Awaitable[ActionResult]]


async def _told(
    word: str, target: str, command: str, work: Awaitable[object], *, id: str = ""
) -> ActionResult:
    try:
        await work
    except ClientError as error:
        return ActionResult(word, target, False, str(error), command, id)
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
        return ActionResult("run", target, False, str(error), command)
    return ActionResult("run", target, True, "running", command, created.id, created.warnings)


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


def split_reference(reference: str) -> tuple[str, str]:
    """(repository, tag); a colon before a slash belongs to a registry's port."""
    head, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, "latest"
    return head, tag


async def each(client: Client, verb: Verb, held: Sequence[Container]) -> list[ActionResult]:
    """The verb on all of them, a few at a time, in the order given."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def one(container: Container) -> ActionResult:
        async with gate:
            return await verb(client, container)

    return list(await asyncio.gather(*(one(container) for container in held)))
