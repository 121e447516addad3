"""What must be seen before the demo may call itself working.

Every check looks at what the informers know, whenever they learn something: no polling, no
fixed waits, one deadline for all.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from tui.clients import Client, ClientError
from tui.commands.demo.cast import CRASH_CODE, QUOTA
from tui.informers import Hub
from tui.models import Container, Event

DEADLINE_SECONDS = 60.0
BURNER_SAMPLES = 3
BURNER_TOLERANCE = 0.1
WRITER_LINES = 5
BUSY_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was to be seen, whether it was, and by what."""

    what: str
    seen: bool
    evidence: str


class Witness:
    """Collects what happened to the demo's containers, from the first moment on."""

    def __init__(self, hub: Hub, ids: dict[str, str]) -> None:
        self._hub = hub
        self._ids = ids
        self.exit_codes: dict[str, set[int]] = {key: set() for key in ids.values()}
        self.ooms: set[str] = set()
        self.lines: list[str] = []
        self.changed = asyncio.Event()
        hub.containers.watch(added=self._note, updated=lambda _, new: self._note(new))
        hub.events.watch(self._event)
        hub.metrics.watch(self.changed.set)
        for container in hub.containers.items.values():
            self._note(container)

    def _note(self, container: Container) -> None:
        if container.id not in self.exit_codes:
            return
        if container.exit_code is not None and not container.pid:
            self.exit_codes[container.id].add(container.exit_code)
        if container.oom_killed:
            self.ooms.add(container.id)
        self.changed.set()

    def _event(self, event: Event) -> None:
        if event.verb == "oom":
            self.ooms.add(event.id)
        self.changed.set()

    async def read_log(self, client: Client) -> None:
        """Follows the writer's log until cancelled."""
        try:
            async with aclosing(client.containers.logs(self._ids["writer"])) as lines:
                async for line in lines:
                    self.lines.append(line.text)
                    self.changed.set()
        except ClientError as error:
            self.lines.append(f"(the log ended: {error})")

    def _container(self, role: str) -> Container | None:
        return self._hub.containers.items.get(self._ids[role])

    def idle(self) -> Outcome:
        """The idle one runs and has not been restarted."""
        container = self._container("idle")
        seen = container is not None and container.running and container.restarts == 0
        return Outcome("idle runs", seen, container.state.value if container else "not listed")

    def burner(self) -> Outcome:
        """The burner gets its quota and no more, over a few samples.

        Where others leave it less, its quota is seen at work by the periods that it cut short.
        """
        what = f"burner is held at {QUOTA:g} of a core"
        samples = list(self._hub.metrics.series(self._ids["burner"]))[-BURNER_SAMPLES:]
        used = [sample.cpu_cores for sample in samples if sample.cpu_cores is not None]
        if len(used) < BURNER_SAMPLES:
            return Outcome(what, False, f"{len(used)} samples")
        mean, limit, busy = sum(used) / len(used), samples[-1].cpu_limit, self._busy()
        throttled = any(sample.throttled_percent for sample in samples)
        enough = mean >= QUOTA - BURNER_TOLERANCE or (bool(busy) and throttled)
        seen = enough and mean <= QUOTA + BURNER_TOLERANCE and limit == QUOTA
        cut = ", held back" if throttled else ""
        return Outcome(what, seen, f"{mean:.2f} cores{cut}, limit {limit}{busy}")

    def _busy(self) -> str:
        """Below its quota the burner may only show that the machine has no CPU left for it."""
        host = self._hub.metrics.host.latest
        if host is None or (host.cpu_percent or 0) < BUSY_PERCENT:
            return ""
        return f" (the machine is busy: {host.cpu_cores:.2f} of {host.cpu_total:.0f} cores)"

    def grower(self) -> Outcome:
        """The grower was killed for lack of memory and started again."""
        key, container = self._ids["grower"], self._container("grower")
        restarts = (container.restarts or 0) if container else 0
        killed = key in self.ooms
        evidence = f"OOM kill {'seen' if killed else 'not seen'}, {restarts} restarts"
        return Outcome("grower is OOM-killed and restarted", killed and restarts > 0, evidence)

    def writer(self) -> Outcome:
        """Lines keep coming."""
        last = self.lines[-1] if self.lines else "none"
        seen = len(self.lines) >= WRITER_LINES
        return Outcome("writer's log flows", seen, f"{len(self.lines)} lines, last: {last}")

    def crasher(self) -> Outcome:
        """The crasher ended with its own code and was started again."""
        codes = self.exit_codes[self._ids["crasher"]]
        container = self._container("crasher")
        restarts = (container.restarts or 0) if container else 0
        evidence = f"exit codes {sorted(codes) or 'none'}, {restarts} restarts"
        what = f"crasher exits {CRASH_CODE} and is restarted"
        return Outcome(what, CRASH_CODE in codes and restarts > 0, evidence)

    def outcomes(self) -> list[Outcome]:
        """Of all that were started, as things are now."""
        checks: dict[str, Callable[[], Outcome]] = {
            "idle": self.idle,
            "burner": self.burner,
            "grower": self.grower,
            "writer": self.writer,
            "crasher": self.crasher,
        }
        return [check() for role, check in checks.items() if role in self._ids]


async def watch(hub: Hub, client: Client, ids: dict[str, str]) -> list[Outcome]:
    """Waits until all has been seen, or the deadline; what was and what was not.

    A check once passed stays passed: the burner's quota does not have to hold by chance at the
    very moment the last container crashes.
    """
    witness = Witness(hub, ids)
    hub.metrics.show(ids.values())
    log = asyncio.create_task(witness.read_log(client))
    passed: dict[str, Outcome] = {}
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(passed) < len(ids):
                await witness.changed.wait()
                witness.changed.clear()
                fresh = (one for one in witness.outcomes() if one.seen)
                passed = {one.what: one for one in fresh} | passed
    except TimeoutError:
        pass  # what is missing is told one by one below
    finally:
        log.cancel()
        await asyncio.gather(log, return_exceptions=True)
    return [passed.get(one.what, one) for one in witness.outcomes()]
