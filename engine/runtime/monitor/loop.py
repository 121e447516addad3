"""The monitor's event loop: descriptors, timers and dead children, in one thread.

A few handlers and mostly no timer: an idle monitor never wakes up.
"""

import os
import select
import time
from collections.abc import Callable

from engine.runtime import signals

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANGUP = select.EPOLLHUP | select.EPOLLERR

Handler = Callable[[int], None]
"""Called with the epoll events of its descriptor."""


class Timer:
    """One call in the future; cancelled by forgetting it."""

    __slots__ = ("callback", "deadline")

    def __init__(self, deadline: float, callback: Callable[[], None]) -> None:
        self.deadline = deadline
        self.callback = callback


class Loop:
    """Handlers are called one after the other; none may block."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: set[Timer] = set()
        self._stopped = False
        self._wakeup = -1

    def add(self, fd: int, events: int, handler: Handler) -> None:
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def modify(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor, before it is closed; one that is not known is ignored."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def knows(self, fd: int) -> bool:
        return fd in self._handlers

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, callback)
        self._timers.add(timer)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        if timer is not None:
            self._timers.discard(timer)

    def watch_children(self, callback: Callable[[], None]) -> None:
        """Call `callback` soon after any SIGCHLD."""
        self._wakeup, sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signals.set_wakeup_fd(sender, warn_on_full_buffer=False)
        signals.signal(signals.SIGCHLD, lambda _number, _frame: None)

        def awake(_events: int) -> None:
            os.read(self._wakeup, 512)
            callback()

        self.add(self._wakeup, READ, awake)

    @property
    def stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """Call no further handler."""
        self._stopped = True

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopped:
            self._turn()

    def _turn(self) -> None:
        for fd, events in self._epoll.poll(self._timeout()):
            handler = self._handlers.get(fd)
            if handler is not None:  # an earlier handler of this round may have removed it
                handler(events)
            if self._stopped:
                return
        self._call_timers()

    def _timeout(self) -> float | None:
        if not self._timers:
            return None
        first = min(timer.deadline for timer in self._timers)
        return max(0.0, first - time.monotonic())

    def _call_timers(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        due = sorted((t for t in self._timers if t.deadline <= now), key=lambda t: t.deadline)
        for timer in due:
            if timer in self._timers:
                self._timers.discard(timer)
                timer.callback()


def dead_child() -> tuple[int, int] | None:
    """(pid, wait status) of one, reaped; None when there is none."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None
