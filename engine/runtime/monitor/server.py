"""The monitor's control socket: who is connected, and which request does what."""

import _socket
import os
from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import Conflict, EngineError, InvalidArgument, RuntimeFailure
from engine.runtime import bundle, wire
from engine.runtime.monitor.client import Client
from engine.runtime.monitor.container import Container
from engine.runtime.monitor.handover import Rights
from engine.runtime.monitor.loop import READ, Loop
from engine.runtime.plan import ExecPlan

LINGER = 5.0
"""Seconds clients have, after the container's end, to take what is queued for them."""

LINGER_MOST = 60.0
"""Seconds for clients that are slow, but take something every LINGER seconds."""

ACCEPT_RETRY = 0.2

UNTOLD = 64
"""Sessions whose end is kept while no engine is there to hear of it."""

BACKLOG = 64

_CLIENTS_HANDED_OVER = 200
"""What can go to another process in one message; more wait to be accepted there."""

Answer = dict[str, Any]
Verb = Callable[["Server", Client, dict[str, Any]], Answer | None]
"""Returns what goes back, or None when it has answered by itself."""


class Server:
    """Answers every request; a request that fails never ends the monitor.

    Args:
        listener: the bundle's socket, when another process has bound it.
    """

    def __init__(self, loop: Loop, listener: _socket.socket | None = None) -> None:
        self._loop = loop
        self._clients: set[Client] = set()
        self._listener = listener
        self._container: Container | None = None
        self._finishing = False
        self._untold: dict[str, dict[str, Any]] = {}
        self.on_start: Callable[[], None] | None = None

    # --- connections ----------------------------------------------------------------------------

    def listen(self, bundle_path: str) -> None:
        """Bind `<bundle>/monitor.sock`, for this user only."""
        directory = bundle.open_directory(bundle_path)
        try:
            listener = _socket.socket(
                _socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            )
            previous = os.umask(0o177)
            listener.bind(bundle.socket_address(directory))
            os.umask(previous)
            listener.listen(BACKLOG)
        finally:
            os.close(directory)
        self._listener = listener
        self._loop.add(listener.fileno(), READ, self._accept)

    def serve(self, container: Container) -> None:
        self._container = container
        container.on_end = self.finish

    # --- from the builder to the monitor --------------------------------------------------------

    @property
    def busy(self) -> bool:
        return any(client.busy for client in self._clients)

    def descriptors(self, rights: Rights) -> int:
        """Add what requests come from, the listening socket first; returns how many that are."""
        listener = self._listener.fileno() if self._listener is not None else -1
        fds = (listener, *(client.fd for client in self._clients))
        for fd in fds:
            rights.add(fd)
        return len(fds)

    def facts(self, rights: Rights) -> tuple[Any, ...]:
        """All that `restore` needs in another process."""
        return tuple(
            (rights.add(each.fd), each.attached_to, each.feeds_stdin, each.facts())
            for each in self._clients
        )

    def restore(self, facts: tuple[Any, ...], fds: Sequence[int]) -> None:
        """Serve the clients of another process, and the listening socket."""
        if self._listener is not None:
            self._loop.add(self._listener.fileno(), READ, self._accept)
        for index, streams, feeds_stdin, rest in facts:
            client = self.adopt(fds[index])
            if streams is not None:
                self._subject.stdio.attach(client, streams, stdin=feeds_stdin)
            client.resume(rest)

    def _accept(self, _events: int) -> None:
        if self._listener is None or self._full():
            return
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # out of descriptors: look again when some may have been closed
            self._loop.remove(self._listener.fileno())
            self._loop.after(ACCEPT_RETRY, self._accept_again)
            return
        os.set_inheritable(fd, False)
        self.adopt(fd)

    def _accept_again(self) -> None:
        if self._listener is not None:
            self._loop.add(self._listener.fileno(), READ, self._accept)

    def _full(self) -> bool:
        """Whether no more can be served here, because they will go to another process."""
        if self.on_start is None or len(self._clients) < _CLIENTS_HANDED_OVER:
            return False
        if self._listener is not None:
            self._loop.remove(self._listener.fileno())
            self._loop.after(ACCEPT_RETRY, self._accept_again)
        return True

    def adopt(self, fd: int) -> Client:
        """Serve a connection that exists already."""
        client = Client(self._loop, fd, self.request, self._forget)
        self._clients.add(client)
        return client

    def _forget(self, client: Client) -> None:
        self._clients.discard(client)
        if self._finishing and not self._clients:
            self._loop.stop()

    def announce(self, event: dict[str, Any]) -> None:
        """Tell who has subscribed; how a session ended is kept for who comes when nobody has."""
        is_told = False
        for client in list(self._clients):
            if client.subscribed:
                client.tell(event)
                is_told = is_told or not client.closed
        if not is_told and event["event"] == "exec-exit":
            self._untold[event["exec"]] = event
            if len(self._untold) > UNTOLD:
                del self._untold[next(iter(self._untold))]

    def finish(self) -> None:
        """The container has ended: let every client take its rest, then stop the loop."""
        if self._listener is not None:
            self._loop.remove(self._listener.fileno())
            self._listener.close()
            self._listener = None
        self._finishing = True
        for client in list(self._clients):
            client.end()
        if self._clients:
            self._linger(int(LINGER_MOST / LINGER))
        else:
            self._loop.stop()

    def _linger(self, rounds: int) -> None:
        """Close, a round later, the clients that took nothing in it."""
        sent = {client: client.sent for client in self._clients}

        def look() -> None:
            for client in list(self._clients):
                if client.sent == sent.get(client):
                    client.close()
            if self._clients:
                self._linger(rounds - 1)

        self._loop.after(LINGER, look if rounds > 0 else self._loop.stop)

    # --- requests -------------------------------------------------------------------------------

    def request(self, client: Client, message: dict[str, Any]) -> None:
        """Do what one CONTROL frame asks for and answer it."""
        number = message.get("id")
        try:
            answer = self._dispatch(client, message)
        except EngineError as error:
            reply = {"id": number, "error": type(error).__name__, "message": str(error)}
        except OSError as error:
            reply = {"id": number, "error": RuntimeFailure.__name__, "message": str(error)}
        except Exception as error:  # noqa: BLE001 (struct.error, OverflowError, …: the container goes on)
            text = f"bad request {message.get('verb')}: {error!r}"
            reply = {"id": number, "error": InvalidArgument.__name__, "message": text}
        else:
            if answer is None:
                return
            reply = {"id": number, "ok": answer}
        client.tell(reply)

    def _dispatch(self, client: Client, message: dict[str, Any]) -> Answer | None:
        verb = _VERBS.get(str(message.get("verb")))
        if verb is None:
            raise InvalidArgument(f"no such request: {message.get('verb')}")
        return verb(self, client, message)

    @property
    def _subject(self) -> Container:
        if self._container is None:
            raise RuntimeFailure("the container has not been created yet")
        return self._container

    def _hello(self, client: Client, message: dict[str, Any]) -> None:
        client.subscribed = True
        client.tell({"id": message.get("id"), "ok": self.describe()})
        for event in self._untold.values():
            client.tell(event)
        if not client.closed:
            self._untold.clear()

    def describe(self) -> Answer:
        """What an engine needs to take the container over."""
        container = self._subject
        return {
            "id": container.state.id,
            "status": container.state.status.value,
            "pid": container.state.pid,
            "monitor_pid": container.state.monitor_pid,
            "cgroup": container.state.cgroup,
            "exit_path": container.exit_path,
            "warnings": list(container.warnings),
            "exit": container.exit,
        }

    def _start(self, _client: Client, _message: dict[str, Any]) -> Answer:
        try:
            self._subject.start()
        finally:
            if self.on_start is not None:
                self.on_start()
        return {}

    def _kill(self, _client: Client, message: dict[str, Any]) -> Answer:
        self._subject.kill(int(message["signal"]))
        return {}

    def _pause(self, _client: Client, _message: dict[str, Any]) -> Answer:
        self._subject.pause()
        return {}

    def _resume(self, _client: Client, _message: dict[str, Any]) -> Answer:
        self._subject.resume()
        return {}

    def _resize(self, _client: Client, message: dict[str, Any]) -> Answer:
        self._subject.resize(int(message["height"]), int(message["width"]))
        return {}

    def _update(self, _client: Client, message: dict[str, Any]) -> Answer:
        return {"warnings": self._subject.update(message["resources"])}

    def _attach(self, client: Client, message: dict[str, Any]) -> None:
        streams = tuple(int(stream) for stream in message["streams"])
        stdio = self._subject.stdio
        _refuse_attached(client)
        client.tell({"id": message["id"], "ok": {}})  # first, before any output
        if not client.closed:
            stdio.attach(client, streams, stdin=bool(message["stdin"]))

    def _exec(self, client: Client, message: dict[str, Any]) -> Answer:
        _refuse_attached(client)
        if client.plan is None:
            raise InvalidArgument("exec needs a plan")
        plan = ExecPlan.from_wire(wire.parse_plan(client.plan))
        client.plan = None
        session = self._subject.exec(str(message["exec"]), plan, stdin=bool(message["stdin"]))
        session.stdio.attach(client, (1, 2), stdin=bool(message["stdin"]))
        return {"pid": session.pid}

    def _resize_exec(self, _client: Client, message: dict[str, Any]) -> Answer:
        session = self._subject.session(str(message["exec"]))
        session.stdio.resize(int(message["height"]), int(message["width"]))
        return {}

    def _kill_exec(self, _client: Client, message: dict[str, Any]) -> Answer:
        self._subject.session(str(message["exec"])).signal(int(message["signal"]))
        return {}

    def _delete(self, _client: Client, _message: dict[str, Any]) -> Answer:
        self._subject.delete()
        return {}


_VERBS: dict[str, Verb] = {
    "hello": Server._hello,
    "start": Server._start,
    "kill": Server._kill,
    "pause": Server._pause,
    "resume": Server._resume,
    "resize": Server._resize,
    "update": Server._update,
    "attach": Server._attach,
    "exec": Server._exec,
    "resize-exec": Server._resize_exec,
    "kill-exec": Server._kill_exec,
    "delete": Server._delete,
}


def _refuse_attached(client: Client) -> None:
    if client.attachment is not None:
        raise Conflict("this connection is attached already")
