"""Who plays in the demo: five containers, each with something for a view to show."""

import shutil
from dataclasses import replace

from tui.models import NodeInfo, RunRequest

REPOSITORY = "berth-demo"
IMAGE = f"{REPOSITORY}:latest"
LABEL = "berth.demo"
RUN_LABEL = "berth.demo.run"
"""Which run of the demo a container belongs to: empty for the one made to be looked at."""
POD = "berth.pod"
QUOTA = 0.5
GROWER_LIMIT = 64 << 20
CRASH_CODE = 3

NEEDED = ("sh", "sleep", "date")
WELCOME = ("cat", "ls", "ps", "env", "id", "hostname", "top", "free", "df", "grep")

_TERM = "trap 'exit 0' TERM; "
"""A container's first process has no default actions: without a trap, stop waits and kills."""

_IDLE = _TERM + "echo 'nothing to do'; while :; do sleep 3600 & wait $!; done"
_BURNER = _TERM + "echo 'burning'; while :; do :; done"
_GROWER = (
    _TERM + "echo 'growing'; step=x; n=0; "
    "while [ $n -lt 20 ]; do step=$step$step; n=$((n + 1)); done; "
    'held=""; n=0; while :; do held=$held$step; n=$((n + 1)); echo "holding $n MiB"; '
    "sleep 0.1; done"
)
_WRITER = (
    _TERM + "n=0; while :; do n=$((n + 1)); "
    'echo "$(date +%H:%M:%S) request $n served in $((n * 37 % 90 + 3)) ms"; '
    '[ $((n % 7)) -ne 0 ] || echo "$(date +%H:%M:%S) request $n was slow" >&2; '
    "sleep 0.3 & wait $!; done"
)
_CRASHER = (
    "echo 'connecting to the database'; sleep 2; "
    f"echo 'the database does not answer: giving up' >&2; exit {CRASH_CODE}"
)


def programs() -> list[str]:
    """What the image is made of: what the demo needs, and what is nice for looking round."""
    return [*NEEDED, *(name for name in WELCOME if shutil.which(name))]


def cast(image: str, run: str = "") -> list[RunRequest]:
    """The five, none with a network, so that they run wherever an engine does.

    ``run`` keeps one run's names and labels apart from every other's.
    """
    five = _five(image)
    if not run:
        return five
    return [
        replace(one, name=f"{one.name}-{run}", labels={**one.labels, RUN_LABEL: run})
        for one in five
    ]


def unlimited(one: RunRequest, node: NodeInfo) -> str:
    """Which of its limits the engine does not enforce; empty when it enforces all."""
    if one.memory and not node.limits_memory:
        return "this engine cannot limit memory"
    return "this engine cannot limit the processor" if one.cpus and not node.limits_cpu else ""


def _five(image: str) -> list[RunRequest]:
    return [
        _one(image, "idle", "web", _IDLE),
        _one(image, "writer", "web", _WRITER),
        replace(_one(image, "burner", "batch", _BURNER), cpus=QUOTA),
        replace(
            _one(image, "grower", "batch", _GROWER),
            memory=GROWER_LIMIT,
            restart_policy="on-failure",
        ),
        replace(_one(image, "crasher", "broken", _CRASHER), restart_policy="on-failure"),
    ]


def _one(image: str, role: str, pod: str, script: str) -> RunRequest:
    return RunRequest(
        image=image,
        command=("sh", "-c", script),
        name=f"demo-{role}",
        network="none",
        pids=64,
        labels={LABEL: role, POD: f"demo-{pod}"},
    )
