"""From an OCI runtime config to a plan: every check that can be made before anything exists.

Loaded on the engine's side only. Each refusal names the field as the spec writes it.
"""

from .container import compile_init
from .process import compile_process, compile_session

__all__ = ["compile_init", "compile_process", "compile_session"]
