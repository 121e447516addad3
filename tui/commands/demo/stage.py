"""Sets the demo up and takes it away; touches nothing that is not its own."""

import asyncio
from contextlib import aclosing

from tui.clients import Client, ClientError, NotFound
from tui.commands.demo.cast import IMAGE, LABEL, cast, programs
from tui.commands.ensure import Say
from tui.models import Container


async def make_image(client: Client, wanted: str | None, say: Say) -> str:
    """The image to run: the one asked for, or one made of this machine's programs.

    Raises:
        ClientError: when the image is not there, or the engine cannot make one.
    """
    if wanted:
        await client.images.inspect(wanted)
        return wanted
    names = programs()
    say(f"making the image {IMAGE} from this machine: {' '.join(names)}")
    async with aclosing(client.from_host(names, IMAGE)) as lines:
        async for line in lines:
            say(f"  {line}")
    return IMAGE


async def start(client: Client, image: str, say: Say) -> dict[str, str]:
    """Starts the five, after an earlier demo is cleared away; ids by role."""
    await remove_containers(client)
    found: dict[str, str] = {}
    for request in cast(image):
        created = await client.containers.run(request)
        found[request.labels[LABEL]] = created.id
        say(f"started {request.name}  {created.id[:12]}")
        for warning in created.warnings:
            say(f"  warning: {warning}")
    return found


async def own(client: Client) -> list[Container]:
    """The demo's containers, whoever started them."""
    return [item for item in await client.containers.list() if LABEL in item.labels]


async def remove_containers(client: Client) -> int:
    """Removes the demo's containers, all at once; how many there were.

    Raises:
        ClientError: the first refusal, after all have been tried.
    """
    mine = await own(client)
    results = await asyncio.gather(
        *(client.containers.remove(item.id, force=True) for item in mine), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, NotFound):
            raise result
    return len(mine)


async def remove_image(client: Client) -> bool:
    """Removes the image that the demo makes; False when it is not there.

    Raises:
        ClientError: when other containers use it.
    """
    try:
        await client.images.remove(IMAGE)
    except NotFound:
        return False
    return True


async def clear(client: Client, *, image: bool) -> list[str]:
    """Takes all of it away; what could not be, one line each."""
    failures: list[str] = []
    try:
        await remove_containers(client)
        if image:
            await remove_image(client)
    except ClientError as error:
        failures.append(str(error))
    return failures
