"""The engine's error vocabulary.

No HTTP and no imports: each edge translates these in one table of its own. A message is lower
case unless a client is known to match Docker's own words, names the thing and the value, and has
no full stop.
"""


class EngineError(Exception):
    """Base of everything the engine raises on purpose."""


class InvalidArgument(EngineError):
    """The request can never work as it was written."""


class NotFound(EngineError):
    """The named thing does not exist."""


class Conflict(EngineError):
    """The thing exists, and its state or its users forbid the request."""


class NotRunning(Conflict):
    """The container has no process to act on."""


class Forbidden(EngineError):
    """The engine may not do this, whoever asks."""


class Unsupported(EngineError):
    """Nothing is wrong with the request; this engine or this kernel cannot do it."""


class Unavailable(EngineError):
    """Cannot be done now; the same request may work later."""


class AlreadyInUse(EngineError):
    """Another engine or process holds what is needed."""


class DigestMismatch(InvalidArgument):
    """The bytes are not those the digest names."""


class UnsafeArchive(InvalidArgument):
    """An archive tried to reach outside its root, or holds what it may not hold."""


class RuntimeFailure(EngineError):
    """The kernel or the runtime refused a step of a container's life."""


class CommandNotFound(RuntimeFailure):
    """The program does not exist in the container; clients report 127."""


class CommandNotExecutable(RuntimeFailure):
    """The program exists and cannot be executed; clients report 126."""


class MonitorLost(RuntimeFailure):
    """The monitor is gone and left no exit record."""
