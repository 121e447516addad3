"""Kills engine, zygote and single monitors at random moments, and remembers which and when."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.system.engine_api import Engine, kill_process


@dataclass
class Killed:
    """`container` is empty for a monitor that waited for work, or had just begun some."""

    at: float
    container: str


@dataclass
class Chaos:
    """One kill after the other, each after a pause of its own; `run` until it is cancelled.

    `counts` says how many of each kind came through.
    """

    engine: Engine
    chance: random.Random
    pause: float
    monitors: list[Killed] = field(default_factory=list)
    zygotes: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    is_tame: bool = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / self.pause))
            kinds = [kind for kind in KINDS if not (self.is_tame and kind == "engine")]
            weights = [KINDS[kind] for kind in kinds]
            await self._kill(self.chance.choices(kinds, weights)[0])

    async def _kill(self, kind: str) -> None:
        if kind == "engine":
            await self._kill_engine()
        elif kind == "zygote":
            for pid in self.engine.zygotes():
                self.zygotes.append(time.monotonic())
                self.counts[kind] += kill_process(pid)
        else:
            self._kill_monitor()

    async def _kill_engine(self) -> None:
        """At once or after a while, in which containers go on, and end, unseen."""
        self.engine.kill()
        self.counts["engine"] += 1
        await asyncio.sleep(self.chance.choice((0, 0, 0.2, 0.5)))
        if self.chance.random() < 0.2:
            self._kill_monitor()
        await self.engine.restart()

    def _kill_monitor(self) -> None:
        owners = sorted(self.engine.monitors().items())
        if not owners:
            return
        pid, container = self.chance.choice(owners)
        killed = Killed(time.monotonic(), container)
        self.monitors.append(killed)
        if kill_process(pid):
            self.counts["monitor"] += 1
            killed.container = killed.container or self.engine.monitors().get(pid, "")

    def took(self, container: str) -> bool:
        """Whether the monitor of this container may have been killed."""
        return any(killed.container in (container, "") for killed in self.monitors)

    def took_since(self, container: str, moment: float) -> bool:
        return any(
            killed.at >= moment and killed.container in (container, "") for killed in self.monitors
        )

    def may_fail(self, container: str, moment: float) -> bool:
        """Whether a start since this moment may: its monitor was killed, or one zygote too many."""
        zygotes = [at for at in self.zygotes if at >= moment]
        return self.took_since(container, moment) or len(zygotes) > 1


KINDS = {"engine": 1, "zygote": 1, "monitor": 2}
"""How often each is chosen, relative to the others."""
