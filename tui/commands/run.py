"""The one-shot commands: each connects, does its work and prints what came of it."""

import argparse
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from tui.clients import Client, Unreachable, default_endpoint
from tui.commands.ensure import ensure_engine
from tui.commands.views import VIEWS, containers_view, images_view
from tui.render.text import safe


def say(text: str) -> None:
    """One line for a person, harmless to the terminal."""
    print(safe(text), flush=True)


@asynccontextmanager
async def connected(
    environ: Mapping[str, str], *, start: bool = False
) -> AsyncGenerator[Client, None]:
    """A client of the engine, which is started first if ``start`` and none answers.

    Raises:
        ClientError: when there is no engine; the message says how to get one.
        CannotStart: when none can be started.
    """
    endpoint = default_endpoint(environ)
    if start:
        endpoint = (await ensure_engine(environ, say)).endpoint
    client = Client(endpoint)
    try:
        await _open(client)
        yield client
    finally:
        await client.close()


async def _open(client: Client) -> None:
    try:
        await client.open()
    except Unreachable as error:
        raise Unreachable(f"{error}; start one with `berth engine start`") from error


async def get(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth get VIEW [--json]``."""
    async with connected(environ) as client:
        print(await VIEWS[options.view](client, as_json=options.json))
    return 0


async def ps(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth ps [-a]``."""
    async with connected(environ) as client:
        print(await containers_view(client, as_json=False, running=not options.all))
    return 0


async def image_ls(_options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth image ls``."""
    async with connected(environ) as client:
        print(await images_view(client, as_json=False))
    return 0


async def image_load(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth image load FILE``, where the file may be an OCI layout directory."""
    async with (
        connected(environ, start=True) as client,
        aclosing(client.images.load(Path(options.file))) as lines,
    ):
        async for line in lines:
            say(line)
    return 0


async def image_import(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth image import FILE NAME [-c INSTRUCTION]…``."""
    async with (
        connected(environ, start=True) as client,
        aclosing(
            client.images.import_rootfs(Path(options.file), options.name, options.change)
        ) as lines,
    ):
        async for line in lines:
            say(line)
    return 0


async def image_from_host(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth image from-host PROG… [--tag NAME]``."""
    async with (
        connected(environ, start=True) as client,
        aclosing(client.from_host(options.programs, options.tag)) as lines,
    ):
        async for line in lines:
            say(line)
    return 0


async def image_rm(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """``berth image rm IMAGE…``."""
    async with connected(environ) as client:
        for reference in options.images:
            for line in await client.images.remove(reference, force=options.force):
                say(line)
    return 0
