"""``/images`` of the Docker Engine API."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from tui.clients.docker.archive import open_archive
from tui.clients.docker.codec import pretty
from tui.clients.docker.progress import lines
from tui.clients.docker.values import labels, number, section, strings, text, timestamp
from tui.clients.transport import CHUNK, Transport
from tui.models import HistoryEntry, Image, ImageDetail
from tui.models.parse import split_reference

NO_NAME = "<none>:<none>"
REMOVE_SECONDS = 60.0


def _path(ref: str, verb: str = "") -> str:
    return f"/images/{quote(ref, safe='/:@')}" + (f"/{verb}" if verb else "")


class Images:
    """Verbs take a reference, a digest, or an id; all raise ``ClientError``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[Image]:
        """Images that have a name or that nothing else is built on."""
        data = await self._transport.json("GET", "/images/json", kind=list)
        return [_row(item) for item in data]

    async def inspect(self, ref: str) -> ImageDetail:
        """Everything the engine knows of one image."""
        return _detail(await self._transport.json("GET", _path(ref, "json")))

    async def history(self, ref: str) -> Sequence[HistoryEntry]:
        """How it was made, newest step first."""
        data = await self._transport.json("GET", _path(ref, "history"), kind=list)
        return [_history(item) for item in data]

    async def tag(self, ref: str, repository: str, tag: str = "latest") -> None:
        """Gives it one more name."""
        names = {"repo": repository, "tag": tag}
        await self._transport.request("POST", _path(ref, "tag"), params=names)

    async def remove(self, ref: str, *, force: bool = False) -> Sequence[str]:
        """What was untagged and deleted, one line each."""
        data = await self._transport.json(
            "DELETE",
            _path(ref),
            params={"force": "1"} if force else {},
            seconds=REMOVE_SECONDS,
            kind=list,
        )
        return [f"{key.lower()} {value}" for item in data for key, value in item.items()]

    async def load(self, path: Path) -> AsyncGenerator[str, None]:
        """Sends an archive, or an OCI layout directory; yields what the engine says of it.

        Raises:
            BadRequest: when the file cannot be read, or holds no image.
        """
        async with aclosing(self._upload("/images/load", {"quiet": "1"}, path)) as said:
            async for line in said:
                yield line

    async def import_rootfs(
        self, path: Path, reference: str, changes: Sequence[str] = ()
    ) -> AsyncGenerator[str, None]:
        """Makes a one-layer image of a root file system's tar; yields the new id."""
        repository, tag = split_reference(reference)
        params: dict[str, Any] = {"fromSrc": "-", "repo": repository, "tag": tag}
        params |= {"changes": list(changes)} if changes else {}
        async with aclosing(self._upload("/images/create", params, path)) as said:
            async for line in said:
                yield line

    async def _upload(
        self, target: str, params: Mapping[str, Any], path: Path
    ) -> AsyncGenerator[str, None]:
        file = await asyncio.to_thread(open_archive, path)
        try:
            async with self._transport.stream(
                "POST", target, params=params, data=_pieces(file), header_seconds=None
            ) as response:
                async for line in lines(response.content.iter_any()):
                    yield line
        finally:
            file.close()


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(file.read, CHUNK):
        yield piece


def _row(data: Mapping[str, Any]) -> Image:
    used = number(data, "Containers")
    return Image(
        id=text(data, "Id"),
        references=tuple(sorted(name for name in strings(data, "RepoTags") if name != NO_NAME)),
        created=timestamp(data.get("Created")) or 0.0,
        size=number(data, "Size"),
        containers=used if used >= 0 and "Containers" in data else None,
        labels=labels(data),
        digests=tuple(name for name in strings(data, "RepoDigests") if "<none>" not in name),
    )


def _detail(data: Mapping[str, Any]) -> ImageDetail:
    config = section(data, "Config")
    return ImageDetail(
        image=_row({**data, "Labels": section(config, "Labels")}),
        architecture=text(data, "Architecture"),
        os=text(data, "Os"),
        author=text(data, "Author"),
        comment=text(data, "Comment"),
        entrypoint=strings(config, "Entrypoint"),
        command=strings(config, "Cmd"),
        env=strings(config, "Env"),
        working_dir=text(config, "WorkingDir"),
        user=text(config, "User"),
        stop_signal=text(config, "StopSignal"),
        exposed_ports=tuple(section(config, "ExposedPorts")),
        volumes=tuple(section(config, "Volumes")),
        layers=strings(section(data, "RootFS"), "Layers"),
        storage_driver=text(section(data, "GraphDriver"), "Name"),
        raw_json=pretty(data),
    )


def _history(data: Mapping[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        id=text(data, "Id"),
        created=timestamp(data.get("Created")) or 0.0,
        created_by=text(data, "CreatedBy"),
        size=number(data, "Size"),
        comment=text(data, "Comment"),
        tags=strings(data, "Tags"),
    )
