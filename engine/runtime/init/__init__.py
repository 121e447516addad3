"""What runs inside the new container, from the clone to execve, and how a monitor starts it.

A monitor uses only `spawn`, `spawn_exec` and `ahead`; all give a `Child` to drive. `run` and
`run_exec` are what the cloned process itself does.
"""

from .channel import Channel, StepFailed
from .spawn import Child, spawn, spawn_exec
from .steps import run, run_exec

__all__ = ["Channel", "Child", "StepFailed", "run", "run_exec", "spawn", "spawn_exec"]
