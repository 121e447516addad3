"""What a client may get wrong over HTTP: status, message, and nothing half-made."""

import http.client
import json
import socket
from typing import Any

import pytest

from tests.system.conftest import IMAGE
from tests.system.daemons import Daemon

pytestmark = pytest.mark.root


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def call(daemon: Daemon, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send one request; a dict is sent as JSON, bytes as they are."""
    connection = UnixHTTP(str(daemon.socket))
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if text[:1] in (b"{", b"[") else text


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/nosuch/page", None, 404, "page not found"),
        ("GET", "/v1.99/version", None, 400, "is too new"),
        (
            "POST",
            "/containers/create",
            {"Image": "nosuch:1", "Cmd": ["x"]},
            404,
            "No such image: nosuch:1",
        ),
        ("POST", "/containers/create", b"{", 400, ""),
        ("POST", "/containers/create", b"", 400, ""),
        ("POST", "/containers/create", {"Image": IMAGE, "Cmd": 5}, 400, ""),
        (
            "POST",
            "/containers/create?name=a%20b",
            {"Image": IMAGE, "Cmd": ["x"]},
            400,
            "Invalid container name",
        ),
        ("POST", "/containers/create", {"Image": IMAGE}, 400, "no command specified"),
        (
            "POST",
            "/containers/create",
            {"Image": "UPPER:1", "Cmd": ["x"]},
            400,
            "must be lowercase",
        ),
        (
            "POST",
            "/containers/create",
            {"Image": IMAGE, "Cmd": ["x"], "HostConfig": {"Memory": 1000}},
            400,
            "Minimum memory limit",
        ),
        (
            "POST",
            "/containers/create",
            {"Image": IMAGE, "Cmd": ["x"], "HostConfig": {"RestartPolicy": {"Name": "often"}}},
            400,
            "often",
        ),
        (
            "POST",
            "/containers/create",
            {"Image": IMAGE, "Cmd": ["x"], "HostConfig": {"Binds": ["/a:relative"]}},
            400,
            "relative",
        ),
        (
            "POST",
            "/containers/create",
            {
                "Image": IMAGE,
                "Cmd": ["x"],
                "HostConfig": {"PortBindings": {"99999/tcp": [{"HostPort": "1"}]}},
            },
            400,
            "99999",
        ),
        ("POST", "/containers/nosuch/start", None, 404, "No such container: nosuch"),
        ("GET", "/containers/nosuch/json", None, 404, "No such container: nosuch"),
        ("GET", "/containers/json?filters=%7B", None, 400, ""),
        (
            "GET",
            "/containers/json?filters=%7B%22nosuch%22%3A%7B%22a%22%3Atrue%7D%7D",
            None,
            400,
            "nosuch",
        ),
        ("GET", "/images/nosuch/json", None, 404, "No such image: nosuch:latest"),
        ("DELETE", "/images/nosuch", None, 404, "No such image: nosuch:latest"),
        ("GET", "/exec/nosuch/json", None, 404, "nosuch"),
    ],
)
def test_a_bad_request_gets_dockers_status_and_a_message(
    daemon: Daemon, method: str, path: str, body: Any, status: int, words: str
) -> None:
    before = daemon.docker("ps", "-aq").stdout
    if daemon.kind == "dockerd" and (
        "99999" in words or words == "" or words in ("often", "relative")
    ):
        status_seen, _ = call(daemon, method, path, body)
        assert status_seen in (status, 500)  # dockerd 20.10 words and codes differ; ours are 28's
    else:
        seen, answer = call(daemon, method, path, body)
        assert seen == status
        assert words.lower() in answer["message"].lower()
        assert answer["message"]
    assert daemon.docker("ps", "-aq").stdout == before


def test_bridge_is_refused_with_what_to_do(berth: Daemon, name: str) -> None:
    done = berth.docker("run", "--name", name, "--network", "bridge", IMAGE, "true", check=False)
    assert done.returncode == 125
    assert "bridge" in done.stderr
    assert "--network" in done.stderr or "host" in done.stderr
    assert berth.docker("ps", "-aq", "--filter", f"name={name}").stdout == ""


def test_logs_need_a_stream(daemon: Daemon, name: str) -> None:
    daemon.docker("create", "--name", name, IMAGE, "true")
    status, answer = call(daemon, "GET", f"/containers/{name}/logs")
    assert status == 400
    assert "you must choose at least one stream" in answer["message"]


def test_half_a_request_does_not_hurt(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(
            b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
        )
    assert call(daemon, "GET", "/_ping")[0] == 200
