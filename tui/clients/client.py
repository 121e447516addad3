"""One engine, whichever it is: Docker's calls, berth's own, and who answered."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from tui.clients.berth import Berth
from tui.clients.docker import Containers, Execs, Images, System
from tui.clients.endpoint import Endpoint
from tui.clients.errors import NotSupported
from tui.clients.transport import Transport
from tui.models import EngineInfo, Feature, NodeInfo


class Client:
    """Everything the TUI asks of an engine. Making one does no I/O.

    Attributes:
        info: who answered the last ``open``; None before it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.info: EngineInfo | None = None
        self._transport = Transport(endpoint)
        self.containers = Containers(self._transport)
        self.images = Images(self._transport)
        self.execs = Execs(self._transport)
        self.system = System(self._transport)
        self.berth = Berth(self._transport)

    async def open(self) -> EngineInfo:
        """Negotiates the API version and finds out who answers; may be called again.

        Raises:
            Unreachable: when nothing answers.
            ServerFault: when what answers is no engine.
        """
        name, version, api = await self.system.negotiate()
        info = EngineInfo(name, version, api, str(self.endpoint), self.endpoint.local)
        extra = await self.berth.info()
        if extra is not None:
            info = replace(
                info,
                name="berth",
                version=extra.version or version,
                features=extra.features,
                data_dir=extra.data_dir,
                cgroup=extra.cgroup,
                warnings=extra.warnings,
            )
        self.info = info
        return info

    async def node(self) -> NodeInfo:
        """The host as a node, with who answered filled in."""
        node = await self.system.node()
        self.containers.host_memory = node.memory or None
        info = self.info or await self.open()
        return replace(node, engine=info.name, api_version=info.api_version)

    def from_host(self, programs: Sequence[str], reference: str) -> AsyncGenerator[str, None]:
        """Makes an image of programs of the engine's machine; yields what it does.

        Raises:
            NotSupported: when the engine is not berth's, saying what else works.
        """
        info = self.info
        if info is None or not info.has(Feature.FROM_HOST):
            raise NotSupported(
                f"{info.name if info else 'this engine'} cannot make an image from the host: "
                "only a berth engine can; load or import a file instead"
            )
        return self.berth.from_host(programs, reference)

    async def close(self) -> None:
        """Ends every open request."""
        await self._transport.close()
