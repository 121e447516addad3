"""Sets the demo up and takes it away; touches nothing that is not its own."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from tui.clients import Client, ClientError, NotFound
from tui.commands.demo.cast import (
    IMAGE,
    LABEL,
    REPOSITORY,
    RUN_LABEL,
    cast,
    programs,
    unlimited,
)
from tui.commands.ensure import Say
from tui.models import Container


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the demo; ``run`` is empty for the one a person looks at.

    Two runs never share a container name, a label or an image name, so that a headless one
    cannot take away what somebody is looking at.
    """

    client: Client
    run: str = ""

    @property
    def image(self) -> str:
        """What the image made for this run is called."""
        return f"{REPOSITORY}:{self.run}" if self.run else IMAGE

    async def make_image(self, wanted: str | None, say: Say) -> str:
        """The image to run: the one asked for, or one made of this machine's programs.

        Raises:
            ClientError: when the image is not there, or the engine cannot make one.
        """
        if wanted:
            await self.client.images.inspect(wanted)
            return wanted
        names = programs()
        say(f"making the image {self.image} from this machine: {' '.join(names)}")
        async with aclosing(self.client.from_host(names, self.image)) as lines:
            async for line in lines:
                say(f"  {line}")
        return self.image

    async def start(self, image: str, say: Say) -> dict[str, str]:
        """Starts the five; ids by role. Those of an earlier run of the same name give way.

        One that lives by a limit is left out where the engine has none to give: it would take
        all memory there is.
        """
        if earlier := await self.remove_containers():
            say(f"removed {earlier} containers of an earlier demo")
        found: dict[str, str] = {}
        node = await self.client.node()
        for request in cast(image, self.run):
            if lack := unlimited(request, node):
                say(f"left out {request.name}: {lack}")
                continue
            created = await self.client.containers.run(request)
            found[request.labels[LABEL]] = created.id
            say(f"started {request.name}  {created.id[:12]}")
            for warning in created.warnings:
                say(f"  warning: {warning}")
        return found

    async def own(self) -> list[Container]:
        """This run's containers."""
        listed = await self.client.containers.list()
        return [
            item
            for item in listed
            if LABEL in item.labels and item.labels.get(RUN_LABEL, "") == self.run
        ]

    async def remove_containers(self) -> int:
        """Removes this run's containers, all at once; how many there were.

        Raises:
            ClientError: the first refusal, after all have been tried.
        """
        mine = await self.own()
        remove = self.client.containers.remove
        results = await asyncio.gather(
            *(remove(item.id, force=True) for item in mine), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, NotFound):
                raise result
        return len(mine)

    async def remove_image(self) -> bool:
        """Removes the image made for this run; False when it is not there.

        Raises:
            ClientError: when other containers use it.
        """
        try:
            await self.client.images.remove(self.image)
        except NotFound:
            return False
        return True

    async def clear(self) -> list[str]:
        """Takes all of it away; what could not be, one line each."""
        try:
            await self.remove_containers()
            await self.remove_image()
        except ClientError as error:
            return [str(error)]
        return []
