"""One connection to the monitor: requests in, answers, events and output out.

Nothing sent here can block: what the peer does not take is kept, and whoever feeds a client looks
at `behind` before giving it more.
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from engine.runtime import wire
from engine.runtime.monitor.loop import HANGUP, READ, WRITE, Loop

HIGH = 1024 * 1024
"""Bytes kept for a peer that does not read, before it counts as behind."""
LOW = HIGH // 4

_RECEIVE = 256 * 1024
_SEND = 256 * 1024


class Attachment(Protocol):
    """What a connection's stdin frames go to once it is attached."""

    def feed(self, client: "Client", data: bytes) -> None: ...
    def feed_eof(self, client: "Client") -> None: ...
    def detach(self, client: "Client") -> None: ...
    def caught_up(self) -> None: ...


class Client:
    """Owned by the server; closes itself when the peer is gone."""

    def __init__(
        self,
        loop: Loop,
        fd: int,
        on_request: "Callable[[Client, dict[str, Any]], None]",
        on_close: "Callable[[Client], None]",
    ) -> None:
        os.set_blocking(fd, False)
        self._loop = loop
        self._fd = fd
        self._on_request = on_request
        self._on_close = on_close
        self._decoder = wire.Decoder()
        self._out = bytearray()
        self._reading = True
        self._ending = False
        self.sent = 0
        self.subscribed = False
        self.plan: bytes | None = None
        self.attachment: Attachment | None = None
        self.streams: tuple[int, ...] = ()
        self.feeds_stdin = False
        loop.add(fd, READ, self._ready)

    # --- from the builder to the monitor --------------------------------------------------------

    @property
    def fd(self) -> int:
        return self._fd

    @property
    def busy(self) -> bool:
        """Whether something came from the peer, or is to go to it, that is still here."""
        return bool(self._out or self._decoder.rest)

    @property
    def attached_to(self) -> tuple[int, ...] | None:
        """The streams; none of them for a client of stdin alone, None for one not attached."""
        return None if self.attachment is None else self.streams

    def facts(self) -> tuple[Any, ...]:
        """All that `resume` needs in another process, but for what it is attached to."""
        return self.subscribed, self.plan, bytes(self._out), self._decoder.rest

    def resume(self, facts: tuple[Any, ...]) -> None:
        """Go on as another process left it."""
        self.subscribed, self.plan, out, rest = facts
        self._out += out
        self.take(rest)
        if self._fd >= 0:
            self._flush()

    # --- towards the peer -----------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._fd < 0

    @property
    def behind(self) -> bool:
        return len(self._out) >= HIGH

    @property
    def pending(self) -> bool:
        """Whether there is something the peer has not taken yet."""
        return bool(self._out)

    def send(self, kind: int, payload: bytes) -> None:
        """Queue one frame and send what the peer takes now."""
        if self._fd < 0 or self._ending:
            return
        self._out += wire.HEADER.pack(len(payload), kind)
        self._out += payload
        self._flush()

    def tell(self, message: dict[str, Any]) -> None:
        """Queue one CONTROL frame."""
        if self._fd >= 0 and not self._ending:
            self._out += wire.control(message)
            self._flush()

    def queue(self, message: dict[str, Any]) -> None:
        """Have it go out together with what is told next, or with `flush`."""
        self._out += wire.control(message)

    def flush(self) -> None:
        """Send what the peer takes now."""
        if self._fd >= 0:
            self._flush()

    def end(self) -> None:
        """Close as soon as the peer has taken everything."""
        self._ending = True
        if not self._out:
            self.close()

    def hold(self, holding: bool) -> None:
        """Stop (or go on) reading what the peer sends."""
        if self._fd >= 0 and self._reading is holding:
            self._reading = not holding
            self._watch()

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._out.clear()
        if self.attachment is not None:
            self.attachment.detach(self)
        self._on_close(self)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if self._fd >= 0 and events & (READ | HANGUP):
            self._receive()

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, _RECEIVE)
        except BlockingIOError:
            return
        except OSError:  # the peer died with something unread
            data = b""
        if not data:
            self.close()
            return
        self.take(data)

    def take(self, data: bytes) -> None:
        """What has come from the peer; a stopped loop leaves it to whoever goes on here."""
        if self._loop.stopped:
            self._decoder.keep(data)
        else:
            self._decode(data)

    def _decode(self, data: bytes) -> None:
        try:
            for kind, payload in self._decoder.feed(data):
                self._act(kind, payload)
                if self._loop.stopped:
                    break
        except wire.WireError:
            self.close()

    def _act(self, kind: int, payload: bytes) -> None:
        if kind == wire.CONTROL:
            self._on_request(self, wire.parse_control(payload))
        elif kind == wire.PLAN:
            self.plan = payload
        elif self.attachment is not None and kind == wire.STDIN:
            self.attachment.feed(self, payload)
        elif self.attachment is not None and kind == wire.STDIN_EOF:
            self.attachment.feed_eof(self)

    def _flush(self) -> None:
        had_much = len(self._out) > LOW
        while self._out:
            try:
                with memoryview(self._out) as view:
                    size = os.write(self._fd, view[:_SEND])
            except BlockingIOError:
                break
            except OSError:  # the peer is gone
                self.close()
                return
            self.sent += size
            del self._out[:size]
        if self._ending and not self._out:
            self.close()
            return
        self._watch()
        if had_much and self.attachment is not None and len(self._out) <= LOW:
            self.attachment.caught_up()

    def _watch(self) -> None:
        wanted = (READ if self._reading else 0) | (WRITE if self._out else 0)
        self._loop.modify(self._fd, wanted)
