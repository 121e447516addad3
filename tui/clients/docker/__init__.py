"""The Docker Engine API: one file a resource, its JSON keys nowhere else."""

from tui.clients.docker.containers import Containers, Created
from tui.clients.docker.execs import Execs, ExecState
from tui.clients.docker.images import Images
from tui.clients.docker.system import System

__all__ = ["Containers", "Created", "ExecState", "Execs", "Images", "System"]
